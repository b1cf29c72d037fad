"""A report to read, and its pictures."""
