"""What a network of access points can be configured to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twin_envs.base.errors import ConfigurationError, check_number
from twin_envs.envs.core.configuration import CommissionedConfig


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(CommissionedConfig):
    """What all decisions about access points share.

    Args:
        decision_slots: each UE is decided about once in so many slots, 20 to 2000; the UEs take turns.
        probed_aps: most APs that a UE measures besides those that serve it, 0 to 64.
        ap_load: UEs that an AP can serve at once, 1 to 16. It tells them apart by its antennas, so there should be as
            many.
        interruption_slots: for so many slots, 0 to 2000, a UE gets no data after APs were added to those that serve it.
        signalling_elements: resource elements of the UE's own data, 0 to 100,000, that each added AP takes.
        uplink_price: resource elements of the downlink that one of the uplink is worth, 0 to 100.

    Raises:
        ConfigurationError: an option is unknown or outside its range.
    """

    family: ClassVar[str] = "association"
    site: str = "munich-cellfree"
    num_ue: int = 8
    episode_slots: int = 4000
    decision_slots: int = 200
    probed_aps: int = 3
    ap_load: int = 4
    interruption_slots: int = 6
    signalling_elements: int = 600
    uplink_price: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("decision_slots", self.decision_slots, 20, 2000, integer=True)
        check_number("probed_aps", self.probed_aps, 0, 64, integer=True)
        check_number("ap_load", self.ap_load, 1, 16, integer=True)
        check_number("interruption_slots", self.interruption_slots, 0, 2000, integer=True)
        check_number("signalling_elements", self.signalling_elements, 0, 100_000, integer=True)
        check_number("uplink_price", self.uplink_price, 0.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class AssociationConfig(NetworkConfig):
    """Options where several APs serve a UE together.

    By default an added AP interrupts the data for 6 slots, the 3 ms from its acknowledgement until a MAC control
    element that activates a transmission point applies (TS 38.214, 5.1.5), and takes 600 resource elements: a DCI at
    aggregation level 8 is 576 (TS 38.211, 7.3.2), the control element itself a few bytes.

    Args:
        cluster_size: APs that serve a UE together, 1 to 64.
    """

    cluster_size: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("cluster_size", self.cluster_size, 1, 64, integer=True)


@dataclass(frozen=True, kw_only=True)
class SelectionConfig(NetworkConfig):
    """Options where one AP serves a UE.

    By default a handover interrupts the data for 40 slots, the 20 ms that a UE may take to process it where the target
    is known (TS 38.133, 6.1.1.2), and takes 3000 resource elements: an RRC reconfiguration of about 200 bytes (TS
    38.331) at half a bit per resource element, as at the edge of a cell.
    """

    cluster_size: ClassVar[int] = 1

    interruption_slots: int = 40
    signalling_elements: int = 3000


def check_capacity(config: AssociationConfig | SelectionConfig, aps: int) -> None:
    """Raise `ConfigurationError` unless `aps` access points can serve what `config` asks for."""
    if config.cluster_size > aps:
        raise ConfigurationError(
            f"cluster_size must be at most {aps}, the APs of site {config.site!r}, got {config.cluster_size!r}: "
            "choose a smaller cluster or a site with more APs"
        )
    most = aps * config.ap_load // config.cluster_size
    if config.num_ue > most:
        raise ConfigurationError(
            f"num_ue must be at most {most}, got {config.num_ue!r}: {aps} APs serve {config.ap_load} UEs each, and "
            f"each UE needs {config.cluster_size}; choose fewer UEs, a smaller cluster_size or a larger ap_load"
        )
