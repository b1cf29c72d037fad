"""What the docstrings of the decisions about the CSI of a cell have in common."""

CSI_SECTIONS = {
    "Rewards": """The cell's net spectral efficiency in the window up to the next report: delivered bits, of which
symbols with DM-RS carry none, less what the report's CSI-RS and feedback resource elements could have carried, over the
episode's time and bandwidth. The return of an episode is the cell's mean net spectral efficiency in bit/s/Hz.""",
    "Starting State": "An AP of the site and UEs in its coverage are drawn; all have reported at time 0, UE 0 last.",
    "Information": """`delivered`, `pilot_cost`, `feedback_cost`: terms of the reward [bit/s/Hz]; `elapsed_slots`:
length of the window; `csi_age_slots`: age of the CSI that the report at its end replaced; `ue`: who reported;
{usual}""",
    "Version History": "* v0: first version.",
}
"""By section."""
