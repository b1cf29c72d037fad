"""How the codec of a site comes about: trained on its twin, scored in twin and reality, kept in the site's folder.

Privileged: scores a codec in reality (see `READS_REALITY`); training reads the twin only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from twin_envs.base.errors import SiteError, check_choice
from twin_envs.csi.channels import ChannelSampler, angle_delay_grid
from twin_envs.csi.codecs.autoencoder.network import Autoencoder, AutoencoderConfiguration
from twin_envs.csi.codecs.autoencoder.packaged import NETWORKS
from twin_envs.csi.codecs.autoencoder.weights import load_codec, made_for, pack_codec, read_metadata
from twin_envs.csi.codecs.protocol import Codec
from twin_envs.csi.codecs.site_codec import CODEC_FILE, DEFAULT_CODEC, codec_files, codec_name, training_command
from twin_envs.csi.codecs.told import AT_THE_UE, Told
from twin_envs.csi.training.training import STEPS, TrainingConfiguration, evaluate_codec, train_codec
from twin_envs.world.recipe import SiteRecipe, load_recipe
from twin_envs.world.store.reading import packaged_sites, read_manifest, read_recipe, read_tensors
from twin_envs.world.store.site import Site, load_site, world_file
from twin_envs.world.store.writing import add_tensors, check_writable

SCORED = 2048
"""Channels of a world on which a codec is scored."""


def train_site_codec(
    name: str,
    *,
    codec: str = DEFAULT_CODEC,
    world: str = "twin",
    seed: int = 0,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
    progress: Callable[[int, float], None],
) -> Path:
    """Train a network on a twin of the site `name`, score it in the twin and in reality, and keep it with the site.

    The manifest gets the command, the hash of the training data (the atlas), the seed, and NMSE and SGCS by bits.

    Raises:
        ConfigurationError: `codec` is none of `NETWORKS`, or `world` is not a twin of the site.
        SiteError: the site is missing or damaged, or its folder cannot be written.
    """
    check_choice("codec", codec, NETWORKS)
    site, network = load_site(name, device), NETWORKS[codec]
    check_writable(site.path)
    data_sha256 = site.manifest["files"][world_file(world)]["sha256"]
    net, losses = train_codec(
        ChannelSampler(site, site.twin(world), held_out=False),
        seed=seed,
        configuration=TrainingConfiguration(steps=steps, learning_rate=network.learning_rate),
        network=network,
        architecture=AutoencoderConfiguration(grid=angle_delay_grid(site)),
        device=device,
        progress=progress,
    )
    command = _command(name, codec, seed, steps)
    metadata = {"command": command, "data_sha256": data_sha256, "seed": str(seed), **made_for(site)}
    tensors, header = pack_codec(net, metadata)
    scores = _scores(net, site, world, seed)
    notes = {"world": world, "data_sha256": data_sha256, "seed": seed, "steps": steps, "scores": scores}
    notes["loss_db"] = losses
    add_tensors(site.path, CODEC_FILE.format(name=codec), tensors, command=command, notes=notes, header=header)
    return site.path


def adopt_codec(path: Path) -> str | None:
    """Give a built site the codecs of a packaged one of the same twin, scored anew in the site's own worlds.

    The twin is the same if the recipes differ in `name` and `gap` alone, for the gap is what reality holds beside the
    twin. Headers stay as they are and so say what the codec was trained on; the manifest says where it was
    `adopted_from`, and has the command that trains such a codec on this site. Damaged packaged sites are passed over.

    Args:
        path: folder of the site.

    Returns:
        Name of the packaged site; None if there is none of this twin that has a codec.

    Raises:
        SiteError: the site is missing or damaged.
    """
    site = load_site(str(path))
    for packaged in packaged_sites():
        try:
            if not _same_twin(load_recipe(read_recipe(packaged)), site.recipe):
                continue
            files = {file: _read_codec(packaged, file) for file in codec_files(read_manifest(packaged))}
        except SiteError:
            continue
        for file, (net, tensors, header, notes) in files.items():
            command = _command(path.name, codec_name(file), notes["seed"], notes["steps"])
            notes["scores"] = _scores(net, site, notes["world"], notes["seed"])
            notes["adopted_from"] = packaged.name
            add_tensors(path, file, tensors, command=command, notes=notes, header=header)
        if files:
            return packaged.name
    return None


def _same_twin(packaged: SiteRecipe, built: SiteRecipe) -> bool:
    return dataclasses.replace(packaged, name=built.name, gap=built.gap) == built


def _read_codec(site: Path, file: str) -> tuple[Autoencoder, dict[str, torch.Tensor], dict[str, str], dict[str, Any]]:
    """The network in a site's `file`, its tensors, its header, and the notes of the manifest on it."""
    tensors = read_tensors(site, file)
    entry = read_manifest(site)["files"][file]
    notes = {key: value for key, value in entry.items() if key not in ("command", "sha256", "bytes")}
    return load_codec(site / file, NETWORKS[codec_name(file)], "cpu"), tensors, read_metadata(site / file), notes


def score_codec(
    codec: Codec, site: Site, world: str, *, channels: int, seed: int, told: Told = AT_THE_UE
) -> dict[int, dict[str, float]]:
    """How well a codec reports channels of a world, reality included, on links kept from training.

    Args:
        codec: on the device of the site.
        site: the site.
        world: one of its worlds.
        channels: how many.
        seed: of their places.
        told: about which place UEs are told what the twin expects, where the codec tells anything.

    Returns:
        See `evaluate_codec`.

    Raises:
        ConfigurationError: the site has no such world.
    """
    draw = ChannelSampler(site, site.reality(world), held_out=True)
    generator = torch.Generator(site.device).manual_seed(seed)
    links = draw.links(channels, generator)
    return evaluate_codec(codec, links.h, told(codec, site, "twin", links, generator))


def _scores(net: Autoencoder, site: Site, world: str, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Scores by bits in the twin `world` and in reality, on streets kept from training with `seed`."""
    return {
        scored: {str(k): v for k, v in score_codec(net, site, where, channels=SCORED, seed=seed + 1).items()}
        for scored, where in (("twin", world), ("reality", "reality"))
    }


def _command(site: str, codec: str, seed: int, steps: int) -> str:
    """The command that trains the codec, the number of steps left out where it is the default."""
    return training_command(site, codec=codec, seed=seed, steps=None if steps == STEPS else steps)
