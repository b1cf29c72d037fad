"""How well."""
