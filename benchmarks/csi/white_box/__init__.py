"""Training CSI networks through the twin: what its data are worth beside real ones."""
