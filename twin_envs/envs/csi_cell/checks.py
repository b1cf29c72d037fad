"""Whether options of a cell go together: its slots, its uplink, its scheduler and its pilots."""

from __future__ import annotations

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.nr.tdd import TddPattern
from twin_envs.envs.csi_cell.configuration import CellConfig
from twin_envs.world.recipe import SiteRecipe


def check_csi_rs(config: CellConfig, tdd: TddPattern) -> None:
    """Raise `ConfigurationError` if the cell's CSI-RS would fall into slots without downlink."""
    if config.csi_rs == "periodic" and config.csi_rs_period_slots % tdd.slots:
        raise ConfigurationError(
            f"csi_rs_period_slots must be a multiple of the {tdd.slots} slots of tdd_pattern "
            f"{config.tdd_pattern!r}, or CSI-RS fall into uplink slots, got {config.csi_rs_period_slots}"
        )


def check_uplink(config: CellConfig, recipe: SiteRecipe, tdd: TddPattern) -> None:
    """Raise `ConfigurationError` if the uplink has no resource block for a report in the whole episode."""
    blocks_per_slot = recipe.carrier_blocks * tdd.uplink_slot_share
    if config.csi_uplink_share * blocks_per_slot * config.episode_slots < 1:
        least = 1 / (blocks_per_slot * config.episode_slots)
        raise ConfigurationError(
            f"csi_uplink_share must be {least:.2g} or more for one resource block in {config.episode_slots} slots, "
            f"got {config.csi_uplink_share}"
        )


def check_own_pilots(config: CellConfig) -> None:
    """Raise `ConfigurationError` unless each report has a CSI-RS of its own."""
    if config.csi_rs != "aperiodic":
        raise ConfigurationError(
            "csi_rs must be 'aperiodic' where the agent decides about the CSI-RS of each report, "
            f"got {config.csi_rs!r}; FeedbackInterval and ReportScheduling have periodic ones"
        )


def check_scheduler(config: CellConfig) -> None:
    """Raise `ConfigurationError` if a slot has no DM-RS ports for all UEs that are to share it."""
    if config.scheduler == "all" and config.num_ue > config.most_at_once:
        raise ConfigurationError(
            f"num_ue must be {config.most_at_once} or less with scheduler 'all': DM-RS of type {config.dmrs_type} has "
            f"no more ports in a symbol; got {config.num_ue}; take 'proportional-fair' for more"
        )
