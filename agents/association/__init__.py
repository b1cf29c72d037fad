"""Who decides which access points serve whom."""
