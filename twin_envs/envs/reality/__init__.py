"""Where the truth is. Privileged: cores live in it and oracles read it; nothing that observes or decides does."""
