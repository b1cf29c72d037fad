"""Path codec with a network: the strongest paths, placed the finer the stronger, coded with what it has learnt."""
