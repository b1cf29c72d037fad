"""The networks of one seed, by what their samples of the twin are; all are scored in reality."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch

from twin_envs.benchmarks.csi.white_box.arms import STREETS
from twin_envs.benchmarks.csi.white_box.network import Autoencoder, nmse_db
from twin_envs.benchmarks.csi.white_box.samples import ACCESS_POINT, picture_grid, pictures
from twin_envs.benchmarks.csi.white_box.seed import Record, SeedOfStudy
from twin_envs.benchmarks.csi.white_box.training import Schedule
from twin_envs.benchmarks.csi.white_box_data import places
from twin_envs.benchmarks.csi.white_box_data.samples import AUGMENTATIONS, augmented, seen_pictures, strongest
from twin_envs.csi.channels import ChannelSampler, SampledLinks
from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.sensing.sensors.gnss import Gnss
from twin_envs.world.store.site import Site

UNIFORM, WALKABLE, HOT_SPOTS, OTHER_SPOTS = "uniform", "walkable", "hot spots", "other hot spots"
USERS = (UNIFORM, WALKABLE, HOT_SPOTS)
"""Where the users are that networks are scored on."""
ALL_PATHS = "all"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the study is.

    Args:
        seeds: how often everything is drawn and trained anew.
        twin: samples of the twin that each network has, but for those that make do with fewer places.
        real: numbers of real samples that networks of positions are fine-tuned on.
        scored: pictures of each kind of users on either kind of streets.
        users: numbers of users whose fixes positions are learnt from.
        spots, held_out_spots: hot spots on the streets of the samples, and on those that no sample is from.
        paths: how many of a link's paths are left where some are left out.
        places: numbers of places that more samples are made of; `twin` is a multiple of each.
        schedule: of every training.
    """

    seeds: int = 3
    twin: int = 2560
    real: tuple[int, ...] = (160, 640)
    scored: int = 1024
    users: tuple[int, ...] = (30, 1000)
    spots: int = 6
    held_out_spots: int = 2
    paths: tuple[int, ...] = (1, 2, 4, 8)
    places: tuple[int, ...] = (40, 160, 640)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def fixes(self) -> dict[str, int]:
        """Number of users by the arm whose positions are learnt from their fixes."""
        return {f"fixes of {users:,}": users for users in self.users}

    @property
    def positions(self) -> tuple[str, ...]:
        """The arms of positions: by what positions in the twin are drawn."""
        return (UNIFORM, WALKABLE, HOT_SPOTS, *self.fixes, OTHER_SPOTS)


class Arms(SeedOfStudy):
    """All networks of one seed.

    Whatever is drawn has a generator of its own, so that it does not matter what was drawn before an interruption.

    Args:
        plan: how large the study is.
        site: where.
        frame: see `SeedOfStudy`.
    """

    def __init__(self, plan: Plan, *, site: Site, **frame: Any) -> None:
        pieces = len(plan.positions) * (2 + len(plan.real)) + len(plan.paths) + 1
        super().__init__(schedule=plan.schedule, pieces=pieces + len(AUGMENTATIONS) * len(plan.places), **frame)
        self._plan, self._site = plan, site
        self._twin, self._reality = site.twin("twin"), site.reality("reality")

    def positions(self) -> dict[str, list[Record]]:
        """By arm, what became of none and of each number of real samples (see `_scored`)."""
        return {
            arm: [
                self._piece(f"positions-{arm.replace(' ', '-')}-{real}", partial(self._fine_tuned, arm, real))
                for real in (0, *self._plan.real)
            ]
            for arm in self._plan.positions
        }

    def knowledge(self) -> dict[str, Record]:
        """By arm, the `overlap` of its positions with those of users at hot spots; where they were learnt, the kernel's
        `std_m` and how many `fixes` there were."""
        return {
            arm: self._piece(f"knowledge-{arm.replace(' ', '-')}", partial(self._known, arm))
            for arm in self._plan.positions
        }

    def fewer_paths(self) -> dict[str, Record]:
        """By how many paths are left of a link, scores, and the share of power that these have (`power`)."""
        return {
            count: self._piece(f"paths-{count}", partial(self._of_few_paths, count))
            for count in (*map(str, self._plan.paths), ALL_PATHS)
        }

    def fewer_places(self) -> dict[str, list[Record]]:
        """By augmentation, scores with each number of places."""
        return {
            how: [
                self._piece(f"places-{how}-{count}", partial(self._of_few_places, how, count))
                for count in self._plan.places
            ]
            for how in AUGMENTATIONS
        }

    def _generator(self, what: str) -> torch.Generator:
        """The generator of one thing that is drawn."""
        number = int.from_bytes(hashlib.sha256(f"{self._seed} {what}".encode()).digest()[:7])
        return torch.Generator(self._site.device).manual_seed(number)

    def _sampler(self, atlas: Atlas, weight: torch.Tensor, *, held_out: bool = False) -> ChannelSampler:
        return ChannelSampler(self._site, atlas, held_out, ACCESS_POINT, weight)

    def _cells(self, atlas: Atlas, *, held_out: bool) -> torch.Tensor:
        return self._sampler(atlas, places.uniform(self._site), held_out=held_out).link[:, 1]

    @cached_property
    def _users(self) -> dict[str, torch.Tensor]:
        """Where users really are, by `USERS`."""
        site, plan = self._site, self._plan
        spots = [
            places.hot_spots(
                site,
                self._cells(self._reality, held_out=held_out),
                plan.held_out_spots if held_out else plan.spots,
                self._generator(f"spots {held_out}"),
            )
            for held_out in (False, True)
        ]
        return {UNIFORM: places.uniform(site), WALKABLE: places.walkable(site), HOT_SPOTS: spots[0] + spots[1]}

    def _positions(self, arm: str) -> tuple[torch.Tensor, Record]:
        """What an arm takes for where users are, and what there is to say of it."""
        if arm in self._users:
            return self._users[arm], {}
        if arm == OTHER_SPOTS:
            cells = self._cells(self._reality, held_out=False)
            return places.hot_spots(self._site, cells, self._plan.spots, self._generator(arm)), {}
        generator = self._generator(arm)
        followed = self._sampler(self._reality, self._users[HOT_SPOTS]).links(self._plan.fixes[arm], generator)
        fixes = places.gnss_fixes(self._site, followed.position_m, Gnss(), generator)
        weight, std_m = places.learnt(fixes, self._site.geometry)
        return weight, {"std_m": std_m, "fixes": len(fixes)}

    def _known(self, arm: str) -> Record:
        weight, about = self._positions(arm)
        cells = self._cells(self._twin, held_out=False)
        return {"overlap": places.overlap(weight, self._users[HOT_SPOTS], cells), **about}

    def _drawn(
        self, atlas: Atlas, weight: torch.Tensor, count: int, what: str, *, held_out: bool = False
    ) -> torch.Tensor:
        h = self._sampler(atlas, weight, held_out=held_out)(count, self._generator(what))
        return pictures(h, picture_grid(self._site))

    @cached_property
    def _scenes(self) -> dict[str, dict[str, torch.Tensor]]:
        """Pictures of reality to score on, by `USERS` and `STREETS`."""
        return {
            users: {
                streets: self._drawn(
                    self._reality, weight, self._plan.scored, f"{users} {streets}", held_out=streets == "held_out"
                )
                for streets in STREETS
            }
            for users, weight in self._users.items()
        }

    @cached_property
    def _real(self) -> torch.Tensor:
        """Pictures of reality to learn from: of users at hot spots, as a network serves them."""
        return self._drawn(self._reality, self._users[HOT_SPOTS], max(self._plan.real), "real")

    @cached_property
    def _in_the_open(self) -> SampledLinks:
        """Places anywhere in the open, in the twin."""
        sampler = self._sampler(self._twin, self._users[UNIFORM])
        return sampler.links(self._plan.twin, self._generator("open"))

    def _of_twin(self, arm: str) -> torch.Tensor:
        return self._drawn(self._twin, self._positions(arm)[0], self._plan.twin, f"twin {arm}")

    def _net(self, arm: str) -> Autoencoder:
        """The network of positions before it sees reality."""
        return self._network(f"of-{arm.replace(' ', '-')}", partial(self._of_twin, arm), self._site.device)

    def _fine_tuned(self, arm: str, real: int) -> Record:
        start_s = time.perf_counter()
        net, stopped_at = self._net(arm), 0
        if real:
            twin = self._of_twin(arm)
            stopped_at = self._tuned(net, self._real[:real], rehearsed=twin)
        return self._scored(net, stopped_at, start_s)

    def _of_few_paths(self, count: str) -> Record:
        links = self._in_the_open
        paths = self._twin.paths(links.position_m, links.ap)
        few = paths if count == ALL_PATHS else strongest(paths, int(count))
        kept = few.power.sum(1) / paths.power.sum(1)
        return {**self._from_start(seen_pictures(self._site, self._twin, few)), "power": float(kept.mean())}

    def _of_few_places(self, how: str, count: int) -> Record:
        some = SampledLinks(
            h=self._in_the_open.h[:count],
            position_m=self._in_the_open.position_m[:count],
            ap=self._in_the_open.ap[:count],
        )
        generator = self._generator(f"augmented {how} {count}")
        return self._from_start(augmented(self._site, self._twin, some, how, self._plan.twin, generator))

    def _scores(self, net: Autoencoder) -> Record:
        """Errors by users and streets [dB]."""
        return {
            "nmse_db": {
                users: {streets: nmse_db(net, seen) for streets, seen in by_streets.items()}
                for users, by_streets in self._scenes.items()
            }
        }
