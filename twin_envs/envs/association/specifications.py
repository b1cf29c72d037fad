"""The environments about access points."""

from twin_envs.envs.registry import packaged

_HERE = "twin_envs.envs.association"
_CONTENDERS = "twin_envs.agents.association.contenders"
_STUDY = "twin_envs.benchmarks.studies.association:association"
_SMALL = {"num_ue": 3, "episode_slots": 1000}

SPECIFICATIONS = (
    packaged(
        "ApAssociation",
        f"{_HERE}.ap_association",
        simultaneous=True,
        contenders=f"{_CONTENDERS}:ap_association",
        study=_STUDY,
        small=_SMALL | {"cluster_size": 3},
    ),
    packaged(
        "ApSelection",
        f"{_HERE}.ap_selection",
        simultaneous=True,
        contenders=f"{_CONTENDERS}:ap_selection",
        study=_STUDY,
        small=_SMALL,
    ),
)
