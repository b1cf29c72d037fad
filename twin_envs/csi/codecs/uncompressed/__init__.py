"""Reports without compression: a bound."""
