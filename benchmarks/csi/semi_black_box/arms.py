"""The codecs of one seed, for scenes that no network has been trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch

from twin_envs.base.progress import TellProgress
from twin_envs.benchmarks.csi.runs import Run, Tensors
from twin_envs.benchmarks.csi.semi_black_box.codec import Codec, errors, new_codec, principal, split
from twin_envs.benchmarks.csi.semi_black_box.hypernetworks import (
    ProfileNetwork,
    Writer,
    personal_components,
    wiener_decoder,
)
from twin_envs.benchmarks.csi.semi_black_box.samples import profile
from twin_envs.benchmarks.csi.semi_black_box.scenes import TWIN
from twin_envs.benchmarks.csi.semi_black_box.training import Schedule, train_on_scenes, train_profiles, tuned
from twin_envs.benchmarks.csi.semi_black_box.views import Views, of_others

AGNOSTIC, PER_SCENE = "scene-agnostic", "per scene"
_REFINEMENT = ("hidden", "hidden_bias", "last", "last_bias")
_RANK = 8
_SHRINKAGE = 16
"""What other scenes say counts as so many samples of one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the study is.

    Args:
        places: scenes, the last of which are held out.
        held_out: how many these are.
        access_points: in each scene.
        pictures: of each access point and world to learn from, and half as many to score on.
        online: numbers of a scene's own samples that the general codec is fine-tuned on.
        codeword: numbers in a codeword.
        hidden: width of the refinement.
        schedule: of trainings.
    """

    places: int = 40
    held_out: int = 8
    access_points: int = 3
    pictures: int = 384
    online: tuple[int, ...] = (16, 64, 256)
    codeword: int = 16
    hidden: int = 128
    schedule: Schedule = field(default_factory=Schedule)


class SeedOfStudy:
    """All codecs of one seed.

    Args:
        plan: how large the study is.
        learnt: views of the scenes to learn from.
        unseen: views of those held out.
        seed: of weights and batches.
        run: where finished pieces are.
        report: told what is being done.
    """

    def __init__(self, plan: Plan, *, learnt: Views, unseen: Views, seed: int, run: Run, report: TellProgress) -> None:
        self._plan, self._learnt, self._unseen = plan, learnt, unseen
        self._seed, self._run, self._report = seed, run, report
        self._pictures = learnt.pictures[TWIN]
        self._mean = profile(self._pictures).mean(0)
        self._done = 0

    def scores(self) -> dict[str, dict[str, list[float]]]:
        """By world and arm the mean squared error of each held-out view, linear."""
        return {world: self._in_world(world) for world in self._unseen.pictures}

    def divergence(self) -> dict[str, float]:
        """By how much profiles differ from those measured in the twin of held-out scenes, in nats: mean over views."""
        measured = profile(self._unseen.pictures[TWIN])

        def of(said: torch.Tensor) -> float:
            logs = measured.clamp_min(1e-9).log() - said.clamp_min(1e-9).log()
            return float((measured * logs).sum((1, 2)).mean())

        return {
            "mean of other scenes": of(self._mean[None]),
            "hypernetwork, map alone": of(self._said(self._map_profiles, self._unseen, rays=False)),
            "hypernetwork": of(self._said(self._profiles, self._unseen)),
            "hypernetwork, shuffled": of(self._said(self._profiles, self._shuffled)),
        }

    def parameters(self) -> dict[str, int]:
        """Numbers in each hypernetwork, and in the codec."""
        return {
            "codec": self._agnostic.parameters,
            "hypernetwork": _numbers(self._profiles),
            "written layer": _numbers(self._written) - self._agnostic.parameters,
            "black box": _numbers(self._black_box) - self._agnostic.parameters,
        }

    def _in_world(self, world: str) -> dict[str, list[float]]:
        held = self._unseen.pictures[world]
        ours, scored = held[:, : self._plan.pictures], held[:, self._plan.pictures :]
        arms: dict[str, Callable[[], Codec]] = {
            AGNOSTIC: lambda: self._agnostic,
            "hypernetwork": lambda: self._personal(self._said(self._profiles, self._unseen)),
            "hypernetwork, shuffled": lambda: self._personal(self._said(self._profiles, self._shuffled)),
            "hypernetwork, map alone": lambda: self._personal(self._said(self._map_profiles, self._unseen, rays=False)),
            "rays alone": lambda: self._personal((self._unseen.rays + self._mean) / 2),
            "measured profile": lambda: self._personal(profile(ours)),
            "decoder only": lambda: self._decoding(self._said(self._profiles, self._unseen)),
            "decoder only, shuffled": lambda: self._decoding(self._said(self._profiles, self._shuffled)),
            "written layer": lambda: self._written(self._unseen.seen),
            "written layer, shuffled": lambda: self._written(self._shuffled.seen),
            "black box": lambda: self._black_box(self._unseen.seen),
            "black box, shuffled": lambda: self._black_box(self._shuffled.seen),
            **{f"online, {n}": partial(self._own, ours[:, :n]) for n in self._plan.online},
            PER_SCENE: lambda: self._own(ours),
        }
        return {arm: self._scored(world, arm, make, scored) for arm, make in arms.items()}

    def _scored(self, world: str, arm: str, make: Callable[[], Codec], scored: torch.Tensor) -> list[float]:
        def found() -> dict[str, list[float]]:
            with torch.no_grad():
                codec = make()
            return {"errors": errors(codec, scored).tolist()}

        self._tell(f"{world}: {arm}")
        name = f"seed-{self._seed}/{world}-{arm.replace(', ', '-').replace(' ', '-')}"
        scores: list[float] = self._run.piece(name, found)["errors"]
        return scores

    def _tell(self, detail: str) -> None:
        arms = (12 + len(self._plan.online) + 1) * len(self._unseen.pictures)
        self._report(f"seed {self._seed}", min(self._done / arms, 1.0), detail)
        self._done += 1

    @cached_property
    def _shuffled(self) -> Views:
        other = of_others(self._unseen.place)
        return dataclasses.replace(
            self._unseen,
            rays=self._unseen.rays[other],
            seen=self._unseen.seen[other],
            map_alone=self._unseen.map_alone[other],
        )

    @cached_property
    def _moments(self) -> torch.Tensor:
        flat = self._pictures.flatten(0, 1)
        return flat.mT @ flat / len(flat)

    @cached_property
    def _agnostic(self) -> Codec:
        start = new_codec(principal(self._moments[None], self._plan.codeword), self._plan.hidden, self._seed)

        def make() -> Tensors:
            net = start.trainable()
            self._train(list(net.weights.values()), lambda scene: net)
            return net.detached().weights

        return Codec(**self._kept("agnostic", make))

    @cached_property
    def _profiles(self) -> ProfileNetwork:
        return self._profile_network("profiles", self._learnt.seen, self._learnt.rays)

    @cached_property
    def _map_profiles(self) -> ProfileNetwork:
        nothing = torch.zeros_like(self._learnt.rays)
        return self._profile_network("profiles-of-the-map", self._learnt.map_alone, nothing)

    @cached_property
    def _refined(self) -> Codec:
        """The general codec, whose refinement follows dense layers that were written for the scenes."""
        written = self._components(self._said(self._profiles, self._learnt))

        def make() -> Tensors:
            net = self._agnostic.trainable(_REFINEMENT)
            self._train(
                [net.weights[name] for name in _REFINEMENT],
                lambda scene: dataclasses.replace(net, encoder=written[scene], decoder=written[scene].mT),
            )
            return net.detached().weights

        return Codec(**self._kept("refined", make))

    @cached_property
    def _sending(self) -> Codec:
        """A general encoder for decoders that know the scene, and the refinement that follows these."""
        said = self._said(self._profiles, self._learnt)

        def make() -> Tensors:
            net = self._agnostic.trainable(("encoder", *_REFINEMENT))
            mixed = torch.randn(net.encoder.shape, generator=self._generator())
            net.encoder.data.copy_(mixed * self._moments.diagonal().sqrt()[:, None])

            def codec(scene: torch.Tensor) -> Codec:
                return dataclasses.replace(
                    net, decoder=wiener_decoder(net.encoder, said[scene], self._mean, self._moments)
                )

            self._train([net.weights[name] for name in ("encoder", *_REFINEMENT)], codec)
            return net.detached().weights

        return Codec(**self._kept("sending", make))

    @cached_property
    def _written(self) -> Writer:
        return self._writer("written-layer", _RANK)

    @cached_property
    def _black_box(self) -> Writer:
        return self._writer("black-box", None)

    def _personal(self, profiles: torch.Tensor) -> Codec:
        components = self._components(profiles)
        return dataclasses.replace(self._refined, encoder=components, decoder=components.mT)

    def _decoding(self, profiles: torch.Tensor) -> Codec:
        decoder = wiener_decoder(self._sending.encoder, profiles, self._mean, self._moments)
        return dataclasses.replace(self._sending, decoder=decoder)

    def _own(self, pictures: torch.Tensor) -> Codec:
        """Trained on a scene's own pictures, from principal components of these and, with few, of other scenes."""
        learnt, _ = split(pictures)
        own = learnt.mT @ learnt + _SHRINKAGE * self._moments
        components = principal(own, self._plan.codeword)
        start = dataclasses.replace(self._refined, encoder=components, decoder=components.mT)
        return tuned(start, pictures, self._plan.schedule, self._generator())

    def _components(self, profiles: torch.Tensor) -> torch.Tensor:
        return personal_components(profiles, self._mean, self._moments, self._plan.codeword)

    def _said(self, net: ProfileNetwork, views: Views, *, rays: bool = True) -> torch.Tensor:
        with torch.no_grad():
            if rays:
                return net(views.seen, views.rays).exp()
            return net(views.map_alone, torch.zeros_like(views.rays)).exp()

    def _profile_network(self, name: str, seen: torch.Tensor, rays: torch.Tensor) -> ProfileNetwork:
        net = ProfileNetwork(self._mean, self._seed)

        def make() -> Tensors:
            train_profiles(
                net,
                seen,
                rays,
                profile(self._pictures),
                steps=self._plan.schedule.profile_steps,
                generator=self._generator(),
            )
            return net.state_dict()

        net.load_state_dict(self._kept(name, make))
        return net

    def _writer(self, name: str, rank: int | None) -> Writer:
        net = Writer(self._agnostic, rank, self._seed)

        def make() -> Tensors:
            dropped = self._generator()
            self._train(list(net.parameters()), lambda scene: net(self._learnt.seen[scene], dropped))
            return net.state_dict()

        net.load_state_dict(self._kept(name, make))
        return net

    def _train(self, weights: list[torch.Tensor], codec_of: Callable[[torch.Tensor], Codec]) -> None:
        train_on_scenes(weights, codec_of, self._pictures, self._plan.schedule, self._generator())

    def _kept(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        return self._run.tensors(f"seed-{self._seed}/{name}", make)

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed)


def _numbers(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())
