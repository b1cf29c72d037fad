"""The codec `path-net`, whose UE is told what the twin expects at the sensed position."""
