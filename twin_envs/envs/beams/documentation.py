"""What the docstrings of the decisions about beams have in common."""

BEAM_SECTIONS = {
    "Rewards": """The net spectral efficiency of the UE's burst, divided by the number of the episode's bursts:
delivered bits, less what the resource elements of sweeps could have carried, over the burst's time and bandwidth. A
swept beam takes `symbols_per_beam` symbols of the whole carrier. The return of an episode is the mean net spectral
efficiency of its bursts in bit/s/Hz.""",
    "Starting State": """An AP of the site and UEs in its coverage are drawn; each has found its beam by a sweep of all
beams at time 0.""",
    "Information": """`delivered`, `sweep_cost`: terms of the reward [bit/s/Hz]; `elapsed_slots`: until the next UE
wakes up; `ue`: whose burst it was; {usual}""",
    "Version History": "* v0: first version.",
}
"""By section."""
