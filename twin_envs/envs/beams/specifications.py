"""The environments about beams."""

from twin_envs.envs.registry import packaged

_HERE = "twin_envs.envs.beams"
_CONTENDERS = "twin_envs.agents.beams.contenders"
_STUDIES = "twin_envs.benchmarks.studies.beams"
_SMALL = {"num_ue": 3, "episode_slots": 4000, "cycle_slots": 960}

SPECIFICATIONS = (
    packaged(
        "BeamSelection",
        f"{_HERE}.beam_selection",
        simultaneous=True,
        contenders=f"{_CONTENDERS}:beam_selection",
        study=f"{_STUDIES}:worth_of_the_twin",
        small=_SMALL,
    ),
    packaged(
        "TwinFidelity",
        f"{_HERE}.twin_fidelity",
        simultaneous=True,
        contenders=f"{_CONTENDERS}:twin_fidelity",
        study=f"{_STUDIES}:worth_of_each_twin",
        small=_SMALL | {"burst_slots": 20, "latency_scale": 0.1},
    ),
)
