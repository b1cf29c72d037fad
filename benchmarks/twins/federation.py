"""Case study of federation: UEs learn a twin together, and keep what they have measured.

Privileged: measures in reality (see `READS_REALITY`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from rich.console import Console
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from twin_envs.benchmarks.twins.uplink import cost, left_over
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.federated.client import Client, LayerClient, NetworkClient
from twin_envs.twin.federated.server import WEIGHT_BITS, Federation, Plan, federate
from twin_envs.twin.interpolated.features import GAIN, features_of
from twin_envs.twin.interpolated.law import fit_law
from twin_envs.twin.measurements import Measurements
from twin_envs.twin.neural.coordinates import HIDDEN, coordinates
from twin_envs.twin.neural.links import traced_links
from twin_envs.twin.neural.network import new_network
from twin_envs.twin.neural.regression import regress
from twin_envs.twin.neural.twin import nearest_points
from twin_envs.world.store.site import Site

SAMPLES, PLACES, JUDGED, ANCHORS = 10_000, 2400, 500, 100
"""Links to learn from and at how many places to look for them; places to judge on, and of the server's own."""
CLIENTS = (3, 5)
ROUNDS, QUICK_ROUNDS, STEPS, BATCH = 100, 25, 20, 64
_PULL, _LAYER_PULL, _LAYER_ROUNDS = 0.01, 0.3, 10
_PERSONAL = HIDDEN[-1] + 1
_BOX = (0.05, 0.25, 0.5, 0.75, 0.95)
_POISON, _NOISE_DB = -20.0, 15.0


def figures(site: Site, quick: bool, seed: int, console: Console) -> dict[str, Any]:
    """What federation costs and is worth.

    Args:
        site: the site.
        quick: fewer rounds.
        seed: of what is measured.
        console: told what is being done.

    Returns:
        `mse_db2` by contender, after each round, of the gain by the paper's network where nothing was measured; all
        take the same steps in a round, each client its own. `mae_db` and `box_db` (5 % to 95 % of absolute errors) by
        contender. `home_db` and `away_db` of clients that are at home in a region: mean absolute error there and
        elsewhere. `layer_mae_db`: of the federated twin's last layer, central and federated. `tally` by contender.
        `uplink`: what is left of it, and what a client's weights take.
    """
    study = _Study(site, QUICK_ROUNDS if quick else ROUNDS, seed, console)
    left, weights = left_over(site, seed), len(study.weights)
    layer_mae_db = layers(site, study.learn, study.judge, study.regions(CLIENTS[-1]))
    study.compare()
    return {
        "samples": len(study.wanted),
        "judged": len(study.truth_db),
        "weights": weights,
        **study.found,
        "layer_mae_db": layer_mae_db,
        "uplink": {
            "left": left,
            "network": cost(weights * WEIGHT_BITS * study.rounds, left),
            "layer": cost(study.layer_weights * WEIGHT_BITS * _LAYER_ROUNDS, left),
        },
    }


class _Study:
    def __init__(self, site: Site, rounds: int, seed: int, console: Console) -> None:
        self.rounds, self.console = rounds, console
        measured = measure(site, "reality", PLACES, seed)
        self.learn = measured.links(torch.arange(len(measured.ap), device=site.device) < SAMPLES)
        self.judge, anchors = (measure(site, "reality", count, seed + n) for n, count in ((1, JUDGED), (2, ANCHORS)))
        self.site, geometry = site, site.geometry
        gain_db = self.learn.values[:, GAIN]
        self._mean_db, self._std_db = gain_db.mean(), gain_db.std()
        self.told, self.judged, self._anchored = (
            coordinates(geometry, one.sensed.position_m, one.ap) for one in (self.learn, self.judge, anchors)
        )
        self.wanted = ((gain_db - self._mean_db) / self._std_db)[:, None]
        self.truth_db, self._anchor_db = self.judge.values[:, GAIN], anchors.values[:, GAIN]
        self.network = self.new_network()
        self.weights = parameters_to_vector(self.network.parameters()).detach()
        self.layer_weights = traced_links(site, "twin").weights.numel()
        self.found: dict[str, Any] = {
            name: {} for name in ("mse_db2", "mae_db", "box_db", "home_db", "away_db", "tally", "contribution")
        }

    def new_network(self) -> torch.nn.Module:
        """The paper's, for the gain alone."""
        return new_network(4, HIDDEN, 1, 0).to(self.site.device)

    def chance(self, clients: int) -> torch.Tensor:
        """Whose each sample is, by chance of its place, int64 [M]."""
        return self.learn.place % clients

    def regions(self, clients: int) -> torch.Tensor:
        """Whose each sample is, if each UE stays in a strip of the site with as many places, int64 [M]."""
        return _strip(self.learn.place_m, self.learn.place_m[self.learn.place], clients)

    def clients(self, whose: torch.Tensor, **options: Any) -> list[NetworkClient]:
        """A client for each UE."""
        return [
            NetworkClient(
                self.new_network,
                self.told[whose == ue],
                self.wanted[whose == ue],
                steps=options.get("steps", STEPS),
                batch=BATCH,
                pull=options.get("pull", 0.0),
                personal=options.get("personal", 0),
                seed=ue,
            )
            for ue in whose.unique().tolist()
        ]

    def compare(self) -> None:
        """Let all contenders learn."""
        one, most = torch.zeros_like(self.learn.ap), CLIENTS[-1]
        law = fit_law(
            self.site.geometry,
            torch.tensor([ap.yaw_rad for ap in self.site.recipe.access_points], device=self.site.device),
            self.learn.sensed.position_m,
            self.learn.ap,
            features_of(self.learn.values, self.learn.sensed),
        )
        self._tell("path-loss", law.at(self.judge.sensed.position_m, self.judge.ap)[:, GAIN] - self.truth_db)
        self.run("central", self.clients(one))
        self.run(f"central, steps of {most}", self.clients(one, steps=most * STEPS))
        for count in CLIENTS:
            self.run(f"federated, {count}", self.clients(self.chance(count)))
        chance, regions = self.chance(most), self.regions(most)
        self.run("one of five alone", self.clients(chance)[:1])
        self.run("federated, 3 of 5 each round", self.clients(chance), participation=0.6)
        shared = self.run("regions", self.clients(regions))
        self.run("regions, FedProx", self.clients(regions, pull=_PULL))
        own = self.clients(regions, personal=_PERSONAL)
        common = self.run("regions, own last layers", own, personal=_PERSONAL, shown=False)
        at = _strip(self.learn.place_m, self.judge.sensed.position_m, most)
        self._at_home("regions", [self._off_db(shared.weights)] * most, at)
        self._at_home("regions, own last layers", [self._off_db(client.take(common.weights)) for client in own], at)
        self.bad("one not a number", chance, lambda weights, sent: weights * torch.nan)
        self.bad("one drops out", chance, lambda weights, sent: None)
        self.bad("one poisons", chance, _poison)
        self.bad("one poisons, trimmed", chance, _poison, trim=0.2)
        self.misled("one measures badly", chance, None)
        self.misled("one measures badly, by contribution", chance, self._anchor_loss)

    def run(
        self,
        name: str,
        clients: Sequence[Client],
        loss: Callable[[torch.Tensor], float] | None = None,
        shown: bool = True,
        **plan: Any,
    ) -> Federation:
        """Let clients learn; `shown`: the server's network is what counts."""
        self.console.print(f"federation: {name} ...")
        curve: list[float] = []
        made = federate(
            clients,
            self.weights,
            Plan(rounds=self.rounds, **{"trim": 0.0} | plan),
            loss,
            lambda weights: curve.append(float(self._off_db(weights).square().mean())),
        )
        self.found["tally"][name] = asdict(made.tally)
        if loss is not None:
            self.found["contribution"][name] = made.contribution.tolist()
        if shown:
            self.found["mse_db2"][name] = curve
            self._tell(name, self._off_db(made.weights))
        return made

    def bad(self, name: str, whose: torch.Tensor, send: _Send, **plan: Any) -> None:
        """One client does not send what it should."""
        first, *others = self.clients(whose)
        self.run(name, [_Bad(first, send), *others], **plan)

    def misled(self, name: str, whose: torch.Tensor, loss: Callable[[torch.Tensor], float] | None) -> None:
        """One client measures with a large error, of which nobody knows."""
        kept, noise = self.wanted, torch.randn(self.wanted.shape, generator=torch.Generator().manual_seed(0))
        wrong = noise.to(kept.device) * (_NOISE_DB / self._std_db)
        self.wanted = torch.where((whose == 0)[:, None], kept + wrong, kept)
        self.run(name, self.clients(whose), loss)
        self.wanted = kept

    def _off_db(self, weights: torch.Tensor) -> torch.Tensor:
        """What a network with `weights` says, less the truth, on all links that are judged [N]."""
        vector_to_parameters(weights, self.network.parameters())
        with torch.no_grad():
            return self.network(self.judged)[:, 0] * self._std_db + self._mean_db - self.truth_db

    def _anchor_loss(self, weights: torch.Tensor) -> float:
        """Mean squared error at the places that the server has measured itself."""
        vector_to_parameters(weights, self.network.parameters())
        with torch.no_grad():
            said = self.network(self._anchored)[:, 0] * self._std_db + self._mean_db
        return float((said - self._anchor_db).square().mean())

    def _tell(self, name: str, off_db: torch.Tensor) -> None:
        self.found["mae_db"][name] = float(off_db.abs().mean())
        self.found["box_db"][name] = off_db.abs().quantile(torch.tensor(_BOX, device=off_db.device)).tolist()

    def _at_home(self, name: str, off_db: Sequence[torch.Tensor], at: torch.Tensor) -> None:
        for place, here in (("home_db", True), ("away_db", False)):
            of = [float(off[(at == ue) == here].abs().mean()) for ue, off in enumerate(off_db)]
            self.found[place][name] = sum(of) / len(of)


_Send = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]


class _Bad:
    """A client that sends something else than it has learnt, by the server's weights and its own."""

    def __init__(self, client: Client, send: _Send) -> None:
        self.samples, self._client, self._send = client.samples, client, send

    def update(self, weights: torch.Tensor, round_number: int) -> torch.Tensor | None:
        sent = self._client.update(weights, round_number)
        return None if sent is None else self._send(weights, sent)


def _poison(weights: torch.Tensor, sent: torch.Tensor) -> torch.Tensor:
    return weights + _POISON * (sent - weights)


def layers(site: Site, learn: Measurements, judge: Measurements, regions: torch.Tensor) -> dict[str, float]:
    """Mean absolute error of gains by the federated twin's last layer, and by the same that has learnt centrally."""
    links = traced_links(site, "twin")

    def at(measured: Measurements) -> tuple[torch.Tensor, torch.Tensor]:
        cell = nearest_points(links.geometry, measured.sensed.position_m)
        features = features_of(measured.values, measured.sensed)
        return links.told[measured.ap, cell], links.corrections(features, measured.ap, cell)[:, GAIN : GAIN + 1]

    (told, wanted), (asked, truth) = at(learn), at(judge)
    prior = links.weights[:, GAIN : GAIN + 1]

    def off_db(layer: torch.Tensor) -> float:
        return float((asked @ layer.view_as(prior) - truth).abs().mean() * links.scale[GAIN])

    def together(whose: torch.Tensor) -> float:
        clients = [LayerClient(told[whose == ue], wanted[whose == ue], _LAYER_PULL) for ue in whose.unique().tolist()]
        return off_db(federate(clients, prior.flatten(), Plan(rounds=_LAYER_ROUNDS, trim=0.0)).weights)

    return {
        "traced world alone": off_db(prior),
        "central": off_db(regress(told, wanted, prior).weights),
        **{f"federated, {count}": together(learn.place % count) for count in CLIENTS},
        "regions": together(regions),
    }


def _strip(place_m: torch.Tensor, position_m: torch.Tensor, count: int) -> torch.Tensor:
    """In which strip from west to east each of `position_m` [N, 2] lies; all have as many of `place_m` [P, 2], [N]."""
    edge = place_m[:, 0].quantile(torch.arange(1, count, device=place_m.device) / count)
    return (position_m[:, :1] > edge).sum(-1)
