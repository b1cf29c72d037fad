"""The network of `twin-net` and `paths-net`: trained in worlds that are drawn of the twin, scored in others of them.

The weights that come with the package are those of this study. How its predictions fare in reality, the study
`prediction` tells.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch

from twin_envs.agents.core.environments import make_envs
from twin_envs.base.settings import lasting
from twin_envs.benchmarks.csi.drawn_worlds import WORLD, gapped
from twin_envs.benchmarks.csi.prediction_net.routes import Routes
from twin_envs.benchmarks.csi.prediction_net.training import AGES_SLOTS, Followed, Trainer, followed, joined
from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.csi.prediction.net.network import LinesNetwork
from twin_envs.csi.prediction.net.predictor import PathsNet, TwinNet
from twin_envs.csi.prediction.net.weights import STORED
from twin_envs.csi.prediction.protocol import Predicted
from twin_envs.csi.prediction.protocol import Setting as Where
from twin_envs.csi.prediction.twin_paths import TwinPaths
from twin_envs.csi.similarity import squared_cosine
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.motion import UserKind
from twin_envs.world.store.site import scattering_file, world_file

KINDS = (UserKind.WALKING, UserKind.DRIVING)
REPORTS = (((20, 4), (50, 4)), ((10, 4), (35, 3)), ((80, 4), (25, 2)))
"""Slots between reports, and how many there are, by world in turn."""
BITS = (None, 329, 119)
"""Of reports, in turn: the channels themselves, or codewords."""
LOST = 1 / 12
"""Share of UEs to learn from for which the twin is asked about the place of another."""
_LOOKS, _LOST = 16, "lost"
SCORED = (50, 4)
"""Reports of those that are scored: of `BITS[1]`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the study is.

    Args:
        worlds: drawn to learn from.
        scored_worlds: drawn to score in.
        links: UEs of each kind in each world.
        steps: of training.
    """

    worlds: int = 9
    scored_worlds: int = 3
    links: int = 150
    steps: int = 800


FULL, QUICK = Plan(), Plan(worlds=3, scored_worlds=1, links=60, steps=60)


def figures(setting: Setting) -> dict[str, Any]:
    """Train the network, keep its weights in the folder of the run, and see how long its predictions hold.

    Returns:
        `plan`: sizes. `parameters`: how many. `losses`: what was lost in a step, sixteen times along the training.
        `weights_sha256`: of the file. `ages_slots`, and for each of them, by who moves and predictor, in worlds and on
        streets that it has not learnt from: `correlation`, the squared cosine similarity of prediction and channel, and
        `expected`, what the predictor expects of it.
    """
    plan, site = QUICK if setting.quick else FULL, setting.site
    files = site.manifest["files"]
    sources = {name: files.get(name, {}).get("sha256") for name in (world_file(WORLD), scattering_file(WORLD))}
    run = Run(setting.run, {"seed": setting.seed, **STORED.made_for, "sources": sources, **asdict(plan)})
    bench = _Bench(setting, plan)
    losses: list[float] = []

    def trained() -> dict[str, torch.Tensor]:
        network = LinesNetwork(setting.seed)

        def told(step: int, loss: float) -> None:
            if step % max(plan.steps // _LOOKS, 1) == 0:
                losses.append(loss)
            setting.report("training", 0.5 + 0.4 * step / plan.steps, f"{loss:.3f} lost")

        Trainer(bench.where, network).train(bench.learnt(), plan.steps, setting.seed, told)
        return {**network.state_dict(), _LOST: torch.tensor(losses, dtype=torch.float64)}

    tensors = run.tensors("network", trained)
    lost = tensors.pop(_LOST).tolist()
    network = LinesNetwork()
    network.load_state_dict(tensors)
    path = setting.run / STORED.file.name
    about = {"seed": str(setting.seed), "site": site.recipe.name, "world": WORLD, "sources": json.dumps(sources)}
    STORED.save(network, path, about)
    return {
        "plan": asdict(plan),
        "parameters": sum(value.numel() for value in network.parameters()),
        "losses": lost,
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "ages_slots": list(AGES_SLOTS),
        **run.piece("scores", lambda: bench.scores(network.eval())),
    }


class _Bench:
    """UEs in drawn worlds, to learn from and to be scored on."""

    def __init__(self, setting: Setting, plan: Plan) -> None:
        self._site, self._plan, self._seed, self._report = setting.site, plan, setting.seed, setting.report
        envs = make_envs("FeedbackInterval", 1, site=str(self._site.path), world=WORLD, device=str(self._site.device))
        envs.reset(seed=0)
        core: Any = envs.core
        self._network = network = core.network
        self.where = Where(
            grid=network.grid,
            subband_hz=network.subband_hz,
            wavelength_m=network.recipe.wavelength_m,
            slot_s=network.slot_s,
            twin=network.twin,
            device=network.device,
        )

    @lasting()
    def learnt(self) -> list[Followed]:
        """Those to learn from, once with a twin and once without."""
        with_twin, without = [], []
        for world in range(self._plan.worlds):
            self._report("drawing worlds", 0.5 * world / self._plan.worlds, f"world {world}")
            atlas = self._world(world)
            for number, (apart, reports) in enumerate(REPORTS[world % len(REPORTS)]):
                slots = [-apart * back for back in range(reports - 1, -1, -1)]
                bits = BITS[(world + number) % len(BITS)]
                for kind in KINDS:
                    routes = self._routes(atlas, world, kind, slots[0], held_out=False)
                    common = (self._network.subband_hz, slots, bits)
                    with_twin.append(followed(routes, self.where, TwinNet, *common))
                    without.append(followed(routes, self.where, PathsNet, *common))
        return [joined(with_twin), joined(without)]

    def _world(self, number: int) -> Atlas:
        return gapped(self._site, torch.Generator().manual_seed(1000 * self._seed + number))

    def _routes(self, atlas: Atlas, world: int, kind: UserKind, earliest: int, *, held_out: bool) -> Routes:
        generator = torch.Generator().manual_seed(10_000 * self._seed + 100 * world - earliest + int(kind))
        return Routes(
            self._site,
            atlas,
            self._network,
            kind=kind,
            count=self._plan.links,
            earliest=earliest,
            latest=AGES_SLOTS[-1],
            held_out=held_out,
            lost=0.0 if held_out else LOST,
            generator=generator,
        )

    @lasting()
    def scores(self, network: LinesNetwork) -> dict[str, dict[str, dict[str, list[float]]]]:
        """See `figures`."""
        apart, reports = SCORED
        slots = [-apart * back for back in range(reports - 1, -1, -1)]
        names = ("twin-paths", "paths-net", "twin-net")
        told: dict[str, dict[str, dict[str, list[float]]]] = {"correlation": {}, "expected": {}}
        for kind in KINDS:
            found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {name: [] for name in names}
            for world in range(self._plan.worlds, self._plan.worlds + self._plan.scored_worlds):
                self._report("scoring", 0.95, f"world {world}")
                routes = self._routes(self._world(world), world, kind, slots[0], held_out=True)
                every = [routes.report(when, BITS[1]) for when in slots]
                predictors = (TwinPaths(self.where), PathsNet(self.where, network), TwinNet(self.where, network))
                for name, predictor in zip(names, predictors, strict=True):
                    state, rows = predictor.create(routes.count, 1), torch.arange(routes.count)
                    for report in every:
                        predictor.learn(state, rows, torch.zeros_like(rows), report)
                    found[name].append(_followed_on(predictor, state, routes, self._network.subband_hz))
            who = kind.name.lower()
            for place, key in enumerate(told):
                told[key][who] = {
                    name: torch.cat([each[place] for each in pairs]).mean(0).tolist() for name, pairs in found.items()
                }
        return told


def _followed_on(
    predictor: Any, state: Any, routes: Routes, offset_hz: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared cosine similarity at each age, and what is expected of it [N, ages]."""
    rows, similar, expected = torch.arange(routes.count), [], []
    nothing = Predicted(torch.zeros(1), torch.zeros(routes.count, 1))
    for age in AGES_SLOTS:
        told = predictor.predict(state, rows, torch.full_like(rows, age), nothing)
        similar.append(squared_cosine(told.h[:, :, 0], routes.channels(age, offset_hz)).mean(-1))
        expected.append(1 - told.error[:, 0] / state.power[:, 0])
    return torch.stack(similar, 1), torch.stack(expected, 1)
