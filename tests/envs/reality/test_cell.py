"""Reality: noise, whitening by interference, and channels out of the atlas."""

import numpy as np
import pytest
import torch

from twin_envs.envs.reality.cell import Reality, noise_to_power


def place(cell, rows):
    """Positions of all UEs at the start [N, U, 3]."""
    return cell.reality.position(rows, torch.zeros(len(rows)))[0]


def test_noise_is_thermal_noise_and_noise_figure_over_the_power_of_a_subcarrier(site):
    # At 290 K; 30 dBm over the 51 blocks of 12 subcarriers that a 20 MHz carrier has at 30 kHz.
    noise_w = 1.380649e-23 * 290 * 30e3 * 10**0.7
    np.testing.assert_allclose(noise_to_power(site.recipe), noise_w / (1.0 / (51 * 12)), rtol=2e-3)


def test_a_channel_is_divided_by_the_rise_of_noise_that_neighbours_cause(make_cell):
    cell, rows = make_cell(neighbour_load=0.25), torch.arange(12)
    reality, atlas = cell.reality, cell.reality.atlas
    position = place(cell, rows)
    offset_hz = torch.tensor([-8e6, 0.0, 3e6])
    whitened = reality.channel(rows, position, offset_hz).numpy()
    gain, point_m = atlas.gain.numpy(), atlas.geometry.point_m.numpy()
    rises = []
    for env in range(12):
        ap = int(reality.state.ap[env])
        for ue in range(3):
            at = position[env, ue]
            raw = atlas.channel(atlas.paths(at[None], reality.state.ap[env, None]), offset_hz)[0].numpy()
            nearest = np.linalg.norm(point_m[:, :2] - at[:2].numpy(), axis=1).argmin()
            interference = 0.25 * sum(gain[other, nearest] for other in range(len(gain)) if other != ap)
            rises.append((reality.noise + interference) / reality.noise)
            np.testing.assert_allclose(whitened[env, ue], raw / np.sqrt(rises[-1]), rtol=1e-3, atol=1e-12)
    assert max(rises) > 10  # where it matters, neighbours are far above the noise


def test_without_neighbours_a_channel_is_that_of_the_atlas(make_cell):
    cell, rows = make_cell(neighbour_load=0.0), torch.arange(12)
    position = place(cell, rows)
    paths = cell.reality.atlas.paths(position[:, 0], cell.reality.state.ap)
    expected = cell.reality.atlas.channel(paths, cell.network.subband_hz)
    torch.testing.assert_close(cell.reality.channel(rows, position[:, :1], cell.network.subband_hz)[:, 0], expected)


def test_a_synchronised_ue_sees_a_phase_ramp_less_and_the_same_gains(make_cell):
    cell, rows = make_cell(), torch.arange(12)
    position = place(cell, rows)
    spacing_hz = 1e6
    offset_hz = spacing_hz * torch.arange(4.0)
    absolute = cell.reality.channel(rows, position, offset_hz)
    synchronised = cell.reality.channel(rows, position, offset_hz, synchronised=True)
    torch.testing.assert_close(absolute.abs(), synchronised.abs(), rtol=1e-3, atol=1e-9)
    ap = cell.reality.state.ap[:, None].expand(12, 3).flatten()
    first_m = cell.reality.atlas.paths(position.flatten(0, 1), ap).first_m.numpy().reshape(12, 3)
    turn = np.exp(2j * np.pi * spacing_hz * np.arange(4) * first_m[..., None] / 299_792_458.0)
    np.testing.assert_allclose(absolute.numpy() * turn[..., None], synchronised.numpy(), rtol=1e-2, atol=1e-8)


def test_many_links_are_computed_in_pieces_and_come_out_the_same(make_cell):
    cell = make_cell(num_envs=4)
    rows = torch.arange(4).repeat(120)  # 480 x 3 links, more than one piece
    position = place(cell, torch.arange(4))
    together = cell.reality.channel(rows, position.repeat(120, 1, 1), cell.network.subband_hz)
    alone = cell.reality.channel(torch.arange(4), position, cell.network.subband_hz)
    assert together.shape == (480, 3, 6, 32)
    torch.testing.assert_close(together.view(120, 4, 3, 6, 32), alone.expand(120, -1, -1, -1, -1))


def test_off_the_grid_there_is_no_channel(make_cell):
    cell, row = make_cell(), torch.tensor([0])
    nowhere = torch.tensor([[[1e4, 1e4, 1.5]]])
    assert cell.reality.channel(row, nowhere, cell.network.subband_hz).abs().max() == 0
    assert cell.reality.gain(row, nowhere[:, 0]).item() == 0


def test_gain_is_the_mean_power_of_an_antenna_port(make_cell):
    """Over places fading averages out, so the channel's mean power is the sum over the paths' powers."""
    cell, rows = make_cell(neighbour_load=0.0, num_envs=256), torch.arange(256)
    position = place(cell, rows)
    power = cell.reality.channel(rows, position[:, :1], cell.network.block_hz).abs().square().mean((1, 2, 3))
    ratio = power / cell.reality.gain(rows, position[:, 0])
    assert ratio.std() > 0.1
    assert ratio.mean().item() == pytest.approx(1.0, abs=4 * ratio.std().item() / 16)
    assert ratio.mean().item() == pytest.approx(1.0, abs=0.1)


def test_a_twin_world_can_be_the_reality(make_cell):
    cell = make_cell(world="twin-los")
    assert isinstance(cell.reality, Reality)
    assert cell.reality.atlas is cell.site.reality("twin-los")


def test_derivatives_carry_a_channel_through_a_slot(make_cell):
    """To the second order against the channel at the places where the UE is then, over half a slot either way."""
    cell, rows = make_cell(population="vehicles", frequency_tracking=False), torch.arange(12)
    time, w = torch.full((12,), 0.05), cell.network.state.w[rows]
    position, velocity = cell.reality.position(rows, time)
    assert velocity.norm(dim=-1).max() > 8
    h, own = cell.reality.served(rows, time, cell.network.subband_hz, w)
    torch.testing.assert_close(h, cell.reality.channel(rows, position, cell.network.subband_hz))
    for time_s in (0.0, -0.25e-3, 0.1e-3, 0.25e-3):
        moved = cell.reality.channel(rows, position + velocity * time_s, cell.network.subband_hz)
        exact = torch.einsum("nufa,nfau->nuf", moved, w)
        guess = own[..., 0] + own[..., 1] * time_s + own[..., 2] * time_s**2 / 2
        error = (exact - guess).abs().square().sum(2) / exact.abs().square().sum(2).clamp_min(1e-30)
        assert error.max() < 10**-3.5
        assert error.median() < 1e-4
