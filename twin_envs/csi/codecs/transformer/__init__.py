"""A transformer: attention over the delays and over the beams of the picture."""
