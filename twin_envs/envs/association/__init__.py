"""Which access points serve whom: the core of the association decisions."""
