"""Subbands: neighbouring resource blocks that are reported, or precoded, alike (TS 38.214, table 5.2.1.4-2)."""

SUBBAND_SIZES = ((24, 72, (4, 8)), (73, 144, (8, 16)), (145, 275, (16, 32)))
"""From, to and sizes: resource blocks of a bandwidth part, and the two sizes that its subbands may have."""
PRECODER_SUBBAND_BLOCKS = 8
"""Resource blocks over which the precoder of a cell is constant: a size that NR has for 24 to 144 resource blocks."""
