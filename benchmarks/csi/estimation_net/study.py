"""The network of `twin-net` and `paths-net`: trained in worlds that are drawn of the twin, scored in others of them.

The weights that come with the package are those of this study. How its estimates fare in reality, the study
`estimation` tells.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import torch

from twin_envs.base.settings import computing
from twin_envs.benchmarks.csi.drawn_worlds import gapped
from twin_envs.benchmarks.csi.estimation_net.reports import WORLD, Bench, Reports
from twin_envs.benchmarks.csi.estimation_net.training import errors, train_leg
from twin_envs.benchmarks.csi.runs import Run, Tensors
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.csi.channels import ChannelSampler
from twin_envs.csi.estimation_net.network import PathsNetwork
from twin_envs.csi.estimation_net.weights import STORED
from twin_envs.world.store.site import scattering_file, world_file

SPACINGS = (1, 2, 1, 4, 2, 1, 8, 2, 16, 4)
"""Of the sets of a world, in turn."""
SNRS_DB = (-10.0, 60.0)
SCORED = ((1, 0.0), (1, 10.0), (2, 10.0), (4, 10.0))
"""Spacing and SNR of reports that are scored."""
SCORED_STD_M = 1.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the study is.

    Args:
        worlds: drawn to learn from.
        links: in each set of a world, of which there are as many as `SPACINGS`.
        scored_links: in the one world to score in.
        legs: of training.
        steps: in each of them.
    """

    worlds: int = 12
    links: int = 64
    scored_links: int = 200
    legs: int = 7
    steps: int = 80


FULL, QUICK = Plan(), Plan(worlds=2, links=32, scored_links=40, legs=2, steps=10)


def figures(setting: Setting) -> dict[str, Any]:
    """Train the network, keep its weights in the folder of the run, and see how far estimates are off.

    Returns:
        `plan`: sizes. `parameters`: how many. `losses_db`: mean error of each leg of training [dB]. `weights_sha256`:
        of the file. `scored`: spacing and SNR of scored reports; and for each of them `nmse_db`: mean normalised error
        [dB], in a world and on streets that the network has not learnt from, with the twin and without, `before` the
        network has learnt anything and `after`.
    """
    plan, site = QUICK if setting.quick else FULL, setting.site
    files = site.manifest["files"]
    sources = {name: files.get(name, {}).get("sha256") for name in (world_file(WORLD), scattering_file(WORLD))}
    run = Run(setting.run, {"seed": setting.seed, **STORED.made_for, "sources": sources, **asdict(plan)})
    study = _Study(setting, plan)
    state: Tensors = {}
    losses = []
    for leg in range(plan.legs):
        state = run.tensors(f"leg-{leg}", partial(study.leg, state, leg))
        losses.append(float(state["loss_db"]))
    network = PathsNetwork()
    network.load_state_dict({name: state[f"weight.{name}"] for name in network.state_dict()})
    path = setting.run / STORED.file.name
    about = {"seed": str(setting.seed), "site": site.recipe.name, "world": WORLD, "sources": json.dumps(sources)}
    STORED.save(network, path, about)
    return {
        "plan": asdict(plan),
        "parameters": sum(value.numel() for value in network.parameters()),
        "losses_db": losses,
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "scored": [list(each) for each in SCORED],
        **run.piece("scores", lambda: {"nmse_db": study.scores(network.eval())}),
    }


class _Study:
    """Reports to learn from and to be scored on."""

    def __init__(self, setting: Setting, plan: Plan) -> None:
        self._setting, self._plan, self._bench = setting, plan, Bench(setting.site)

    def leg(self, state: Tensors, leg: int) -> Tensors:
        """See `train_leg`."""
        network, plan = PathsNetwork(self._setting.seed), self._plan
        network.to(self._setting.site.device)

        def told(done: float, loss_db: float) -> None:
            self._setting.report("training", 0.3 + 0.6 * done, f"{loss_db:.2f} dB")

        return train_leg(
            network,
            self._bench.estimator(network),
            self._learnt,
            state,
            leg=leg,
            legs=plan.legs,
            steps=plan.steps,
            seed=1000 * self._setting.seed,
            progress=told,
        )

    @cached_property
    def _learnt(self) -> list[Reports]:
        """Sets to learn from, of every spacing; every third without a twin."""
        sets, estimator = [], self._bench.estimator(PathsNetwork())
        for world in range(self._plan.worlds):
            self._setting.report("drawing worlds", 0.3 * world / self._plan.worlds, f"world {world}")
            sampler, generator = self._sampler(world, held_out=False)
            for number, spacing in enumerate(SPACINGS):
                low, high = SNRS_DB
                snr_db = low + (high - low) * float(torch.rand((), generator=generator))
                sets.append(
                    self._bench.draw(
                        sampler,
                        estimator,
                        count=self._plan.links,
                        spacing=spacing,
                        snr_db=snr_db,
                        asks=(world + number) % 3 > 0,
                        generator=generator,
                    )
                )
        return sets

    def _sampler(self, world: int, *, held_out: bool) -> tuple[ChannelSampler, torch.Generator]:
        site, seed = self._setting.site, self._setting.seed
        atlas = gapped(site, torch.Generator().manual_seed(1000 * seed + world))
        generator = torch.Generator(site.device).manual_seed(10_000 * seed + world)
        return ChannelSampler(site, atlas, held_out=held_out), generator

    def scores(self, network: PathsNetwork) -> dict[str, dict[str, list[float]]]:
        """See `figures`."""
        self._setting.report("scoring", 0.95, "")
        told: dict[str, dict[str, list[float]]] = {}
        for name, asks in (("paths-net", False), ("twin-net", True)):
            told[name] = {}
            for when, scored in (("before", PathsNetwork()), ("after", network)):
                estimator = self._bench.estimator(scored.requires_grad_(False))
                sampler, generator = self._sampler(self._plan.worlds, held_out=True)
                told[name][when] = []
                for spacing, snr_db in SCORED:
                    reports = self._bench.draw(
                        sampler,
                        estimator,
                        count=self._plan.scored_links,
                        spacing=spacing,
                        snr_db=snr_db,
                        asks=asks,
                        std_m=(SCORED_STD_M, SCORED_STD_M),
                        lost=0.0,
                        generator=generator,
                    )
                    with computing(len(reports.x)):
                        told[name][when].append(10 * math.log10(float(errors(estimator, reports).mean())))
        return told
