"""What the docstrings of the decisions about access points have in common."""

ASSOCIATION_SECTIONS = {
    "Observation Space": "The size depends on the number of APs.\n\n{usual}",
    "Rewards": """The network's net spectral efficiency in the window up to the next turn: delivered bits, less what
SSBs, the uplink pilots of all UEs, the downlink pilots of every AP that the UE measures, its report of gains, and the
signalling of every added AP could have carried, over the episode's time and bandwidth. Slots of the uplink carry
nothing (`tdd_pattern`). A UE gets no data for `interruption_slots` after APs were added. The return of an episode is
the network's mean net spectral efficiency in bit/s/Hz, summed over the UEs.""",
    "Starting State": """UEs are drawn wherever some AP is heard; all have searched for all APs at time 0, and in turn,
UE 0 first, been given those that they heard best and that have room, as an action with these gains as scores would. So
a UE may lose APs to those who come after it and hear them better. It is UE 0's turn.""",
    "Information": """`delivered`, `pilot_cost`, `feedback_cost`, `signalling_cost`: terms of the reward [bit/s/Hz];
`elapsed_slots`: length of the window; `added_aps`: how many APs began to serve the UE; `ue`: whose turn it was;
{usual}""",
    "Version History": """* v1: costs and capacities of NR; channels that are continuous along a route; knowledge that
covers the error of the twin.
* v0: first version.""",
}
"""By section."""
