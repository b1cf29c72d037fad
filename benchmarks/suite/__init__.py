"""The comparison of policies: figures and where they come from."""
