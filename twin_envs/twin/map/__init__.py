"""What the map says of links: read once for each site, for all twins that ask."""
