"""How channel state information is acquired, paid for and used: pilots, estimation, codecs, precoding and the link."""
