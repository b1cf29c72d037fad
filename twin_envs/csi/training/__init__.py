"""Training and scoring of codecs, offline."""
