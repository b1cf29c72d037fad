"""How well codecs report channels, what they cost, and which claims about them hold."""
