"""Samples of a world with less behind them: paths left out, and many samples made of few places."""

from __future__ import annotations

import dataclasses

import torch

from twin_envs.base.errors import ConfigurationError, check_choice, check_number
from twin_envs.benchmarks.csi.white_box.samples import picture_grid, pictures
from twin_envs.csi.channels import SampledLinks
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.atlas.atlas import Atlas, LocalPaths
from twin_envs.world.store.site import Site

AUGMENTATIONS = ("none", "phases", "shifts")
"""How more samples are made of one place: not at all, by new phases of its paths, or by turning beams round."""


def strongest(paths: LocalPaths, count: int) -> LocalPaths:
    """Links of which only the strongest paths are there.

    Args:
        paths: of N links.
        count: how many to leave, 1 or more.
    """
    check_number("count", count, 1, integer=True)
    kept = paths.power.topk(min(count, paths.power.shape[1]), 1).indices
    there = torch.zeros_like(paths.power).scatter_(1, kept, 1.0)
    return dataclasses.replace(paths, gain=paths.gain * there)


def with_new_phases(paths: LocalPaths, generator: torch.Generator) -> LocalPaths:
    """Links whose paths have phases of their own, as some wavelengths away: directions, delays and powers stay."""
    turn = 2 * torch.pi * torch.rand(paths.gain.shape, generator=generator, device=paths.gain.device)
    return dataclasses.replace(paths, gain=paths.gain * torch.polar(torch.ones_like(turn), turn))


def shifted(seen: torch.Tensor, grid: AngleDelayGrid, generator: torch.Generator) -> torch.Tensor:
    """Pictures [N, pixels] turned round by any number of rows and columns of beams, each by its own."""
    count, taps, (rows, columns) = len(seen), grid.taps, (grid.rows, grid.columns)
    picture = seen.view(count, taps, rows, columns, 2)
    for axis, size in ((2, rows), (3, columns)):
        by = torch.randint(size, (count, 1), generator=generator, device=seen.device)
        index = (torch.arange(size, device=seen.device) + by) % size
        shape = [count, 1, 1, 1, 1]
        shape[axis] = size
        picture = picture.gather(axis, index.view(shape).expand_as(picture))
    return picture.reshape(count, -1)


def seen_pictures(site: Site, atlas: Atlas, paths: LocalPaths) -> torch.Tensor:
    """Pictures [N, pixels] of links with these paths; the UE is synchronised to the first of them."""
    grid = picture_grid(site)
    block = torch.arange(grid.blocks, device=atlas.device) - (grid.blocks - 1) / 2
    return pictures(atlas.channel(paths, block * grid.block_spacing_hz, paths.first_m), grid)


def augmented(
    site: Site, atlas: Atlas, links: SampledLinks, how: str, count: int, generator: torch.Generator
) -> torch.Tensor:
    """As many pictures as wanted of few places, those of a place one after the other.

    Args:
        site: the site.
        atlas: the world.
        links: N places.
        how: one of `AUGMENTATIONS`.
        count: how many pictures, a multiple of N.
        generator: of what is drawn.

    Returns:
        float32 [count, pixels]; with `none` the pictures of the places alone [N, pixels].

    Raises:
        ConfigurationError: there is no such augmentation, or `count` is no multiple of N.
    """
    check_choice("how", how, AUGMENTATIONS)
    places = len(links.ap)
    if count % places:
        raise ConfigurationError(f"count must be a multiple of the {places} places, got {count}")
    if how == "none":
        return seen_pictures(site, atlas, atlas.paths(links.position_m, links.ap))
    row = torch.arange(places, device=links.ap.device).repeat_interleave(count // places)
    paths = atlas.paths(links.position_m[row], links.ap[row])
    if how == "phases":
        return seen_pictures(site, atlas, with_new_phases(paths, generator))
    return shifted(seen_pictures(site, atlas, paths), picture_grid(site), generator)
