"""How a site is built offline: survey, clutter, ray tracing, gap. Privileged: it makes reality."""
