"""CSI compression: the contract of a codec, and the network that ships with a site."""
