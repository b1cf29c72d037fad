"""What every policy is made of, whatever it decides."""
