"""Predictors with a network that weighs Doppler spectra by what reports have shown."""
