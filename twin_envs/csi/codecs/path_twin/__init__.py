"""Path codec with a twin: the strongest paths of a channel, entropy coded with what a twin expects of them."""
