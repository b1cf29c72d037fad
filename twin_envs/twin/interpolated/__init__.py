"""Channel twins that know what was measured, and what lies between."""
