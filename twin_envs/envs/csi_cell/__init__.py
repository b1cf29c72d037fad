"""Decisions about the CSI of one cell."""
