"""Who decides which beams are swept, and which twin is asked."""
