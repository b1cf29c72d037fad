"""How an environment is met: one episode, a batch, many agents."""
