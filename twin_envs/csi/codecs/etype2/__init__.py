"""Enhanced Type II: the codebook of NR that combines beams and delays."""
