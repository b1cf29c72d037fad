"""Path codec: the strongest paths of a channel, each by its delay, its beam and its gain."""
