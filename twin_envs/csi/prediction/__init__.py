"""Channels from when they were reported to when the cell precodes with them."""
