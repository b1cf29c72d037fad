"""Weights that a hypernetwork writes from the map of a scene that it has never seen."""
