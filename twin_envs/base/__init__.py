"""What everything else stands on: errors, units, random streams, chunks, devices."""
