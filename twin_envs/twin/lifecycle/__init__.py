"""The life of a channel twin: reality drifts away from it, reports show that, and it is brought up to date by them."""
