"""Beams: a hybrid array serves its UEs one after the other, each with a beam of a codebook."""
