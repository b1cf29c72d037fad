"""Estimation by paths, with a network that weighs what pilots show by what the twin expects."""
