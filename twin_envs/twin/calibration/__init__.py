"""A traced twin whose material constants and poses of access points follow from what was measured."""
