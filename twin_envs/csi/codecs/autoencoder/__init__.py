"""Autoencoders of the angle-delay picture: what they share as codecs, and their weights on disk."""
