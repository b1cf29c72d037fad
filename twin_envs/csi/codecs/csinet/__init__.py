"""CsiNet: the network and its weights on disk."""
