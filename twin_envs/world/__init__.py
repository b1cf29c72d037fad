"""The world: what is there."""
