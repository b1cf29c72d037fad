"""CsiNet."""
