"""What the network knows of its users' motion: sensors, and the filters that fuse what they measure."""
