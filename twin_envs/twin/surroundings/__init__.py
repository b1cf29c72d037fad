"""What the map of a site says of the ways between access points and places."""
