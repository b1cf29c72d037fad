"""What every layer needs and what knows nothing of sites, channels and decisions."""
