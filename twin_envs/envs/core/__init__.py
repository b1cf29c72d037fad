"""What every decision is made of, whatever it is about."""
