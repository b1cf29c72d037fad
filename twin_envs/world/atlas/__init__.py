"""Traced paths of a world, and the channel at any position."""
