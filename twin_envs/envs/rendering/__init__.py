"""Pictures of environments: a map with all that the network believes, and what was decided."""
