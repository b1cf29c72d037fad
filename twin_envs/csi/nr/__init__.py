"""NR's own: pilots, DM-RS and what they cost."""
