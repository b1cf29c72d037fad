"""Environment semantics: what the map says of a link, and a law of that."""
