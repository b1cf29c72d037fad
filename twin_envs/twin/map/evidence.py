"""What measured links tell of the unknown parts of a map: where a link is far too weak, a building stands on its
straight line; where it is not, none does."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import logsigmoid

from twin_envs.base.constant import Constant
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS
from twin_envs.twin.map.completion import Belief, PartialMap
from twin_envs.twin.map.element import element_gain_db
from twin_envs.twin.measurements import Measurements
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.recipe import SiteRecipe

_SQUARE_M = 4
"""Squares of so many metres are made more or less likely as a whole."""
_STEP_M, _ENDS_M = 1.0, 1.0
_ROUNDS, _DAMPING = 20, 0.5
_MOST = 4.0
"""No link counts for more than such a logarithm of odds: the straight line is not all there is."""
_RIDGE = 1.0
_LEAST_STD_DB = 3.0
_CERTAIN = 1e-4
_GAIN = list(KNOWLEDGE_FIELDS).index("gain_db")


@dataclass(frozen=True, kw_only=True)
class Lines(Constant):
    """The straight lines of L links and what they cross.

    Attributes:
        gain_db: what was measured, float32 [L]; minus infinity where nothing was heard.
        terms: of which the gain is taken to be linear, float32 [L, T].
        blocked: whether something that is known stands in the way, bool [L].
        line, square: pairs of a line that nothing known blocks and an unknown square that it crosses below the roof
            that would be there, int64 [E] each.
    """

    gain_db: torch.Tensor
    terms: torch.Tensor
    blocked: torch.Tensor
    line: torch.Tensor
    square: torch.Tensor


def informed(
    belief: Belief, partial: PartialMap, geometry: Geometry, recipe: SiteRecipe, measured: Measurements
) -> Belief:
    """What is believed of a map after links were measured.

    A link is hidden if one of the squares on its straight line is built. Gains of links in sight and of hidden ones
    follow a law of the distance each, which is fitted in turn with what is believed of the squares (expectation
    maximisation), and that is found by belief propagation. Where somebody has measured nothing is built. A link that
    was not heard is weaker than the weakest that was.

    Args:
        belief: before.
        partial: the map.
        geometry: access points and ground; grid points are not asked, for they tell where there are streets.
        recipe: of which elements of the access points count.
        measured: the links.
    """
    if not len(measured.ap):
        return belief
    square = _squares(belief.share)
    cells = square.flatten().bincount(partial.unknown.flatten())
    base = (square.flatten().bincount((belief.share * partial.unknown).flatten()) / cells.clamp_min(1)).float()
    base = base.logit(_CERTAIN)
    row, column = partial.skyline.cells(measured.place_m)
    ny, nx = square.shape
    there = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
    stood = square[row[there], column[there]]
    lines = _lines(belief, partial, square, geometry, recipe, measured)
    change = _change(base.index_fill(0, stood, -_MOST), lines) - base
    told = (belief.share.logit(_CERTAIN) + change[square]).sigmoid()
    return replace(belief, share=told.where(partial.unknown, belief.share))


def _squares(cells: torch.Tensor) -> torch.Tensor:
    """In which square each of the cells [ny, nx] lies, int64 [ny, nx]."""
    row, column = (torch.arange(size, device=cells.device) // _SQUARE_M for size in cells.shape)
    return row[:, None] * (int(column[-1]) + 1) + column


def _lines(
    belief: Belief,
    partial: PartialMap,
    square: torch.Tensor,
    geometry: Geometry,
    recipe: SiteRecipe,
    measured: Measurements,
) -> Lines:
    """The lines from each access point that was heard to each place where somebody has measured."""
    heard = measured.heard(len(geometry.ap_position_m))
    known = heard.any(0).nonzero()[:, 0]
    place_m = geometry.ground.place(measured.place_m).float()
    gain_db = torch.full(heard.shape, -math.inf, device=heard.device)
    gain_db[measured.place, measured.ap] = measured.values[:, _GAIN]
    start_m = geometry.ap_position_m[known].float()
    along = place_m[:, None] - start_m
    length_m = along.norm(dim=-1)
    terms = torch.stack(
        [torch.ones_like(length_m), length_m.clamp_min(1.0).log10(), element_gain_db(recipe, place_m)[known].mT], -1
    )
    steps = int(length_m.max() / _STEP_M) + 1
    share = (torch.arange(steps, device=heard.device) + 0.5) / steps
    at_m = start_m[:, None] + share[:, None] * along[:, :, None]
    before_m = share * length_m[..., None]
    between = (before_m > _ENDS_M) & (length_m[..., None] - before_m > _ENDS_M)
    row, column = partial.skyline.cells(at_m)
    ny, nx = belief.share.shape
    inside = between & (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
    row, column = row.clamp(0, ny - 1), column.clamp(0, nx - 1)
    under = inside & (at_m[..., 2] < belief.top_m[row, column])
    unknown = partial.unknown[row, column]
    blocked = (under & ~unknown & partial.skyline.built[row, column]).any(-1).flatten()
    crossed = (under & unknown).flatten(0, 1) & ~blocked[:, None]
    line = torch.arange(len(crossed), device=heard.device)[:, None].expand_as(crossed)
    pairs = torch.stack([line[crossed], square[row, column].flatten(0, 1)[crossed]]).unique(dim=1)
    return Lines(
        gain_db=gain_db[:, known].flatten(), terms=terms.flatten(0, 1), blocked=blocked, line=pairs[0], square=pairs[1]
    )


def _change(base: torch.Tensor, lines: Lines) -> torch.Tensor:
    """Logarithms of the odds that squares are built [Q], by those before, `base` [Q], and the lines."""
    told = torch.zeros(len(lines.line), device=base.device)
    hidden = lines.blocked.float()
    crossing = torch.zeros_like(lines.blocked).index_fill(0, lines.line, True)
    found = base
    for _ in range(_ROUNDS):
        free = logsigmoid(told - found[lines.square])
        line_free = torch.zeros_like(lines.gain_db).index_add(0, lines.line, free)
        ratio = _ratio(lines, hidden)
        hidden = hidden.where(~crossing, ((-line_free.exp()).log1p().clamp_min(-30.0) - line_free + ratio).sigmoid())
        others_free = (line_free[lines.line] - free).exp()
        new = -(others_free * (-ratio[lines.line]).expm1()).log1p()
        told = _DAMPING * told + (1 - _DAMPING) * new
        found = base.index_add(0, lines.square, told)
    return found


def _ratio(lines: Lines, hidden: torch.Tensor) -> torch.Tensor:
    """Logarithm of how much likelier each gain is of a hidden link than of one in sight [L], if such links are `hidden`
    with such probabilities [L]."""
    heard = lines.gain_db.isfinite()
    gain_db, terms = lines.gain_db[heard], lines.terms[heard].double()
    log_likelihood = []
    for weight in (hidden[heard].double(), 1 - hidden[heard].double()):
        weighted = terms * weight[:, None]
        penalty = _RIDGE * torch.tensor([1e-6, 1.0, 1.0], dtype=terms.dtype, device=terms.device).diag()
        law = torch.linalg.solve(weighted.mT @ terms + penalty, weighted.mT @ gain_db.double())
        off_db = gain_db - (terms @ law).float()
        std_db = ((weight * off_db.square()).sum() / weight.sum().clamp_min(1.0)).sqrt().clamp_min(_LEAST_STD_DB)
        expected_db = (lines.terms.double() @ law).float()
        normal = torch.distributions.Normal(expected_db, std_db.float())
        weak = torch.special.log_ndtr((gain_db.min() - expected_db) / std_db)
        log_likelihood.append(torch.where(heard, normal.log_prob(lines.gain_db.where(heard, 0.0)), weak.float()))
    return (log_likelihood[0] - log_likelihood[1]).clamp(-_MOST, _MOST)
