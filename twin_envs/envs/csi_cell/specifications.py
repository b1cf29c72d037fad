"""The environments about the CSI of a cell."""

from twin_envs.envs.registry import packaged

_HERE = "twin_envs.envs.csi_cell"
_CONTENDERS = "twin_envs.agents.csi_cell.contenders"
_STUDIES = "twin_envs.benchmarks.studies"
_SMALL = {"num_ue": 3, "episode_slots": 300}

SPECIFICATIONS = (
    packaged(
        "FeedbackInterval",
        f"{_HERE}.feedback_interval",
        contenders=f"{_CONTENDERS}:feedback_interval",
        study=f"{_STUDIES}.csi_cell:feedback_interval",
        small=_SMALL,
    ),
    packaged("PilotDensity", f"{_HERE}.pilot_density", contenders=f"{_CONTENDERS}:pilot_density", small=_SMALL),
    packaged("CsiProtocol", f"{_HERE}.csi_protocol", contenders=f"{_CONTENDERS}:csi_protocol", small=_SMALL),
    packaged("CsiProtocolFlat", f"{_HERE}.csi_protocol", contenders=f"{_CONTENDERS}:csi_protocol", small=_SMALL),
    packaged(
        "ReportScheduling",
        f"{_HERE}.report_scheduling",
        contenders=f"{_CONTENDERS}:report_scheduling",
        study=f"{_STUDIES}.scheduling:headroom_by_opportunities",
        small={"num_ue": 3, "episode_slots": 500},
    ),
)
