"""What channel twins know of places where nothing was measured: one module a study."""
