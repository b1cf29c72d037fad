"""How a channel twin learns from measurements, and how wrong it then is where nothing was measured."""

from __future__ import annotations

import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.error import TwinError, learn_error
from twin_envs.twin.knowledge import Knowledge
from twin_envs.twin.measurements import Measurements, check_possible
from twin_envs.twin.protocol import ChannelTwin, LearnsError, LearnsKnowledge
from twin_envs.world.atlas.geometry import Geometry

FOLDS = 5
LEAST_PLACES_TO_LEARN = 10
"""So that the smallest share to learn from, when others are kept from it, has `LEAST_PLACES`."""


def learnt(twin: ChannelTwin, measured: Measurements, geometry: Geometry) -> ChannelTwin:
    """The twin with what measurements tell: its knowledge if it learns any, then its error if it can be told.

    The error of a twin that learns its knowledge is that at places that were kept from it: the places are split into
    `FOLDS`, and what is said of each comes from a twin that has learnt from the others. The twin that is given back has
    learnt from all.

    Args:
        twin: the twin.
        measured: what was measured.
        geometry: of the site where it was.

    Raises:
        ConfigurationError: what was measured cannot be (see `check_possible`), or the twin learns, and there is too
            little to learn from.
    """
    check_possible(measured, geometry)
    if not isinstance(twin, LearnsKnowledge):
        return twin.knowing(error_of(twin, measured)) if isinstance(twin, LearnsError) else twin
    if len(measured.place_m) < LEAST_PLACES_TO_LEARN:
        raise ConfigurationError(
            f"commissioning_places must be {LEAST_PLACES_TO_LEARN} or more for a channel_twin that learns from them, "
            f"got {len(measured.place_m)}"
        )
    knowing = twin.learning(measured)
    return knowing.knowing(held_out_error(twin, measured)) if isinstance(knowing, LearnsError) else knowing


def error_of(twin: ChannelTwin, measured: Measurements) -> TwinError:
    """The error of `twin` on the links that were `measured`."""
    return learn_error(twin.predict(measured.sensed, measured.ap), measured.sensed, measured.values)


def held_out_error(twin: LearnsKnowledge, measured: Measurements) -> TwinError:
    """The error of what `twin` learns, at places that were kept from it in turn."""
    fold = torch.arange(len(measured.place_m), device=measured.ap.device) % FOLDS
    said, kept = [], []
    for number in range(FOLDS):
        away = measured.at(fold == number)
        said.append(twin.learning(measured.at(fold != number)).predict(away.sensed, away.ap))
        kept.append((fold[measured.place] == number).nonzero()[:, 0])
    order = torch.cat(kept)
    together = Knowledge(**{name: torch.cat([vars(one)[name] for one in said]) for name in vars(said[0])})
    return learn_error(together, measured.sensed.of(order), measured.values[order])
