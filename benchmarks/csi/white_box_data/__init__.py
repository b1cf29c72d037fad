"""White box, cheaper and less certain: what the twin's data are worth where users' places, paths or samples are few."""
