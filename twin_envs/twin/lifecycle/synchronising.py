"""Bringing a stale twin up to date by reports: how they differ from what it says, kriged to other places."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.interpolated.features import GAIN, features_of
from twin_envs.twin.interpolated.heard import near_by_or_likely
from twin_envs.twin.interpolated.kriging import Kriging
from twin_envs.twin.interpolated.twin import InterpolatedTwin
from twin_envs.twin.knowledge import SensedState
from twin_envs.twin.learning import learnt
from twin_envs.twin.measurements import Measurements, check_possible
from twin_envs.twin.protocol import ChannelTwin
from twin_envs.world.atlas.geometry import Geometry

_SPEED_M_S = 1.0


@dataclass(frozen=True, kw_only=True)
class StaleLaw(Constant):
    """What a twin says, as a law that is right but for what has changed since; see `Law`.

    Attributes:
        twin: the stale twin.
        hidden: features that are expected of links which the twin does not cover, float32 [features].
    """

    twin: ChannelTwin
    hidden: torch.Tensor

    def terms(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Whether the twin covers a link, and the gain that it says, float32 [N, 2]."""
        covered, features = _said(self.twin, position_m, ap)
        gain_db = features[:, GAIN].where(covered, self.hidden[GAIN])
        return torch.stack([covered.float(), gain_db], -1)

    def at(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Features at `position_m` [N, 2] of links to access points `ap` int64 [N], float32 [N, features]."""
        covered, features = _said(self.twin, position_m, ap)
        return features.where(covered[:, None], self.hidden)


def synchronised(twin: ChannelTwin, reports: Measurements, geometry: Geometry) -> ChannelTwin:
    """The twin that a stale `twin` becomes by `reports` that came in since.

    It says what the stale twin says where no report tells otherwise, and states its error against the reports alone. Of
    links that the stale twin did not cover it expects the means of those reported that it did, and the least of their
    gains, and what was reported near by. It has no paths.

    Raises:
        ConfigurationError: there are too few reports, or they cannot be (see `check_measurements`), or
            the stale twin covers none of them.
    """
    check_possible(reports, geometry)
    covered, features = _said(twin, reports.sensed.position_m, reports.ap)
    if not covered.any():
        raise ConfigurationError(
            f"a twin to be synchronised must cover 1 reported link or more, got 0 of {len(reports.ap)}: let it learn "
            "from the reports instead"
        )
    hidden = features[covered].mean(0)
    hidden[GAIN] = features[covered, GAIN].min()
    law = StaleLaw(twin=twin, hidden=hidden)
    return learnt(InterpolatedTwin(geometry, lambda *_: law, Kriging, near_by_or_likely), reports, geometry)


def _said(twin: ChannelTwin, position_m: torch.Tensor, ap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which links a twin covers, bool [N], and features as it says them [N, features]."""
    standing = torch.zeros(len(position_m), device=position_m.device)
    sensed = SensedState(
        position_m=position_m,
        velocity_m_s=torch.stack([standing + _SPEED_M_S, standing], -1),
        position_std_m=standing,
        velocity_std_m_s=standing,
    )
    said = twin.predict(sensed, ap)
    return said.covered > 0, features_of(said.values, sensed)
