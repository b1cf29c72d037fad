"""KLT: the transform code that classical theory would build."""
