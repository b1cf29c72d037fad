"""The angle-delay picture: closed forms, unitarity, inverses."""

import numpy as np
import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.csi.transforms import AngleDelayGrid, crop, from_angle_delay, from_window, to_angle_delay

GRID = AngleDelayGrid()
ODD = AngleDelayGrid(blocks=12, rows=3, columns=5, taps=7, precursor_taps=2)


def random_channels(grid, count=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, grid.blocks, grid.antennas, generator=generator, dtype=torch.complex64)


@pytest.mark.parametrize("grid", [GRID, ODD])
def test_the_angle_delay_transform_is_numpys_fft(grid):
    h = random_channels(grid)
    delay = np.fft.ifft(h.numpy(), axis=1, norm="ortho").reshape(-1, grid.blocks, grid.rows, grid.columns)
    expected = np.fft.fft2(delay, axes=(2, 3), norm="ortho").reshape(h.shape)
    np.testing.assert_allclose(to_angle_delay(h, grid).numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("grid", [GRID, ODD])
def test_the_angle_delay_transform_is_unitary_and_inverted(grid):
    h = random_channels(grid)
    x = to_angle_delay(h, grid)
    torch.testing.assert_close(x.abs().square().sum((1, 2)), h.abs().square().sum((1, 2)))
    torch.testing.assert_close(from_angle_delay(x, grid), h, atol=2e-6, rtol=0)
    torch.testing.assert_close(to_angle_delay(from_angle_delay(h, grid), grid), h, atol=2e-6, rtol=0)


@pytest.mark.parametrize("grid", [GRID, ODD])
def test_a_path_on_the_grid_is_one_bin(grid):
    tap, row, column = 5, grid.rows - 1, 3
    block, antenna_row, antenna_column = np.ogrid[: grid.blocks, : grid.rows, : grid.columns]
    delay_s = tap / grid.bandwidth_hz
    cycles = antenna_row * row / grid.rows + antenna_column * column / grid.columns
    h = np.exp(2j * np.pi * (cycles - block * grid.block_spacing_hz * delay_s)).reshape(1, grid.blocks, -1)
    x = to_angle_delay(torch.tensor(h, dtype=torch.complex64), grid)[0]
    expected = torch.zeros_like(x)
    expected[tap, row * grid.columns + column] = (grid.blocks * grid.antennas) ** 0.5
    torch.testing.assert_close(x, expected, atol=1e-4, rtol=0)


def test_crop_takes_the_window_around_the_timing():
    x = torch.arange(GRID.blocks).to(torch.complex64)[None, :, None].expand(1, -1, GRID.antennas)
    assert crop(x, GRID)[0, :, 7].real.tolist() == [*range(42, 48), *range(26)]


def test_from_window_takes_what_is_outside_as_zero():
    x = to_angle_delay(random_channels(GRID), GRID)
    inside = torch.tensor([tap < 26 or tap >= 42 for tap in range(48)])
    expected = from_angle_delay(x * inside[:, None], GRID)
    torch.testing.assert_close(from_window(crop(x, GRID), GRID), expected, atol=2e-6, rtol=0)
    block = torch.tensor([4, 47, 0])
    torch.testing.assert_close(from_window(crop(x, GRID), GRID, block), expected[:, block], atol=2e-6, rtol=0)


def test_inference_before_training_does_no_harm():
    grid = AngleDelayGrid(blocks=8, rows=1, columns=3, taps=4, precursor_taps=1)
    h = random_channels(grid)
    with torch.inference_mode():
        to_angle_delay(h, grid)
    h.requires_grad_()
    to_angle_delay(h, grid).abs().square().sum().backward()
    torch.testing.assert_close(h.grad, 2 * h.detach())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("blocks", 46),
        ("blocks", 0),
        ("rows", 0),
        ("columns", 2.5),
        ("taps", 49),
        ("precursor_taps", 32),
        ("precursor_taps", -1),
        ("block_spacing_hz", float("nan")),
    ],
)
def test_sizes_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigurationError, match=f"^{field} must .*{value}"):
        AngleDelayGrid(**{field: value})
