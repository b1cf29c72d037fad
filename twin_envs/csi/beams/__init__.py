"""The beams of an array: the codebook, how a UE measures them, what a channel twin says of them."""
