"""What is expected of a link by what the map says of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.twin.interpolated.features import AZIMUTHS
from twin_envs.twin.quadrature import wrapped
from twin_envs.twin.semantic.knowledge_store import EnvironmentFeatures

_RIDGE = 3.0
"""A term's weight is half of what least squares say where it stands alone and there are so many measurements."""


@dataclass(frozen=True, kw_only=True)
class SemanticLaw(Constant):
    """Features that are linear in the terms of the map, and azimuths along the way of the first path.

    Attributes:
        store: what the map says.
        centre, scale: of the terms where features were measured, float32 [T].
        level: of features at the centre, float32 [features]; of azimuths, that over the way's.
        weight: by how much features change with each scaled term, float32 [T, features]; 0 for azimuths.
    """

    store: EnvironmentFeatures
    centre: torch.Tensor
    scale: torch.Tensor
    level: torch.Tensor
    weight: torch.Tensor

    def terms(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """What the map says of links from `position_m` [N, 2] to access points `ap` int64 [N], float32 [N, T]."""
        return self.store.at(position_m, ap)[0]

    def at(self, position_m: torch.Tensor, ap: torch.Tensor) -> torch.Tensor:
        """Features at `position_m` [N, 2] of links to access points `ap` int64 [N], float32 [N, features]."""
        terms, azimuth_rad = self.store.at(position_m, ap)
        features = self.level + ((terms - self.centre) / self.scale) @ self.weight
        features[:, AZIMUTHS] = wrapped(features[:, AZIMUTHS] + azimuth_rad)
        return features


def fit_semantic_law(
    store: EnvironmentFeatures, position_m: torch.Tensor, ap: torch.Tensor, features: torch.Tensor
) -> SemanticLaw:
    """The law that fits best, by least squares with a penalty on the weights (ridge regression).

    Args:
        store: what the map says.
        position_m: where features were measured [M, 2].
        ap: of which links, int64 [M].
        features: what was measured [M, features].
    """
    terms, azimuth_rad = store.at(position_m, ap)
    centre, scale = terms.mean(0), terms.std(0).clamp_min(1e-6)
    unit, level = ((terms - centre) / scale).double(), features.mean(0)
    penalty = _RIDGE * torch.eye(unit.shape[1], dtype=unit.dtype, device=unit.device)
    weight = torch.linalg.solve(unit.mT @ unit + penalty, unit.mT @ (features - level).double()).float()
    turned = features[:, AZIMUTHS] - azimuth_rad
    level[AZIMUTHS] = torch.atan2(turned.sin().mean(0), turned.cos().mean(0))
    weight[:, AZIMUTHS] = 0.0
    return SemanticLaw(store=store, centre=centre, scale=scale, level=level, weight=weight)
