"""What the docstrings of the decisions about beams have in common."""

BEAM_SECTIONS = {
    "Rewards": """The net spectral efficiency of the UE's burst, divided by the number of the episode's bursts:
delivered bits, less what the resource elements of SSBs, of sweeps and of the UE's reports could have carried, over the
burst's time and bandwidth. What goes up takes its time from what comes down (`tdd_pattern`). An SSB takes four symbols
of the whole carrier from whoever is served meanwhile, a swept beam `symbols_per_beam`; a report takes whole resource
blocks of an uplink slot. The return of an episode is the mean net spectral efficiency of its bursts in bit/s/Hz.""",
    "Starting State": """An AP of the site and UEs in its coverage are drawn; each has reported its SSBs of time 0.""",
    "Information": """`delivered`, `ssb_cost`, `sweep_cost`, `feedback_cost`: terms of the reward [bit/s/Hz];
`elapsed_slots`: until the next UE wakes up; `ue`: whose burst it was; {usual}""",
    "Version History": """* v1: costs and capacities of NR; channels that are continuous along a route; knowledge that
covers the error of the twin.
* v0: first version.""",
}
"""By section."""
