"""What the twin is worth to CSI networks: one module a study."""
