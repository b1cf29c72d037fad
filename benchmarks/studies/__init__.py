"""Further figures of single environments."""
