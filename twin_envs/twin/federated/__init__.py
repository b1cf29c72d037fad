"""A channel twin that is learnt by UEs which keep what they have measured."""
