"""Channel twins by networks: of coordinates, and of what map and twin say of the way to a place."""
