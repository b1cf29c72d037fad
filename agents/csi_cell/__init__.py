"""Who decides about the CSI of a cell."""
