"""Type I: the codebook of NR that names one beam."""
