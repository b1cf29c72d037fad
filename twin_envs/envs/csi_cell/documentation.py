"""What the docstrings of the decisions about the CSI of a cell have in common."""

CSI_SECTIONS = {
    "Rewards": """The cell's net spectral efficiency in the window up to the next report: delivered bits, less what the
resource elements of CSI-RS and of the report could have carried, over the episode's time and bandwidth. Slots and
symbols of the uplink carry nothing (`tdd_pattern`), nor do those of PDCCH and DM-RS. A CSI-RS of the cell is charged
once, in the window in which it is sent, to all UEs in equal parts; an aperiodic one and the resource blocks of a report
are charged to the UE. Several reports fit in one uplink slot: the window between two of them has no slots, and its
reward is the cost of the report at its end alone. A scheduler picks who shares a slot (`scheduler`), and decides anew
with each report: a UE that is left out gets nothing until then. The return of an episode is the cell's mean net
spectral efficiency in bit/s/Hz.""",
    "Starting State": "An AP of the site and UEs in its coverage are drawn; all have reported at time 0, UE 0 last.",
    "Information": """`delivered`, `pilot_cost`, `feedback_cost`: terms of the reward [bit/s/Hz]; `elapsed_slots`:
length of the window, 0 between two reports of one slot; `csi_age_slots`: age of the CSI that the report at its end
replaced, from when it was measured; `bler`: share of the window's transport blocks that were lost when they were sent
first, of UEs not in outage; `outage`: share of UEs in outage; `ue`: who reported;
{usual}""",
    "Version History": """* v1: costs and capacities of NR; channels that are continuous along a route; knowledge that
covers the error of the twin.
* v0: first version.""",
}
"""By section."""
