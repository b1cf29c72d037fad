"""CsiNet+: CsiNet with larger kernels and five refinement blocks."""
