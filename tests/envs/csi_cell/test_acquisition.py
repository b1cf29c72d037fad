"""One report: pilots, estimate, codec; the noise it meets and what the twin's prior is good for."""

from itertools import pairwise

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.streams import Streams
from twin_envs.csi.channels import mean_profile
from twin_envs.csi.codecs.path_twin.codec import PathTwin
from twin_envs.csi.estimation import least_squares
from twin_envs.csi.training.training import nmse
from twin_envs.csi.transforms import AngleDelayGrid, angle_transform, from_angle_delay, to_angle_delay
from twin_envs.envs.csi_cell.acquisition import Acquisition

NUM_ENVS = 48


class Transparent:
    """A codec that loses nothing."""

    codeword_lengths = (64, 128, 256, 512)
    asks = None

    def tell(self, *place):
        return None

    def bits(self, codeword_bits):
        return codeword_bits

    def report(self, x_hat, side, block=None):
        return from_angle_delay(x_hat, AngleDelayGrid())


@pytest.fixture(scope="module")
def scene(make_cell):
    """UE 0 of 48 cells: its channel, where it is, and all that a report needs."""
    cell = make_cell(num_envs=NUM_ENVS, neighbour_load=0.3)
    rows = torch.arange(NUM_ENVS)
    with torch.inference_mode():
        position = cell.reality.position(rows, torch.zeros(NUM_ENVS))[0][:, :1]
        h = cell.reality.channel(rows, position, cell.network.block_hz, synchronised=True)[:, 0]
    return cell, position[:, 0], h


@pytest.fixture
def report(scene):
    """Reports in all cells at once."""

    def report(estimator, *, codec=None, ports=32, spacing=1, bits=512, noise=None, sensed_m=None, std_m=1.0, seed=0):
        cell, position, h = scene
        rows, streams = torch.arange(NUM_ENVS), Streams(NUM_ENVS)
        streams.seed(rows, rows + seed)
        usual = mean_profile(cell.site, "twin")
        acquisition = Acquisition(
            cell.network.grid, codec or Transparent(), cell.network.twin, estimator, usual, ports < 32
        )
        return acquisition.report(
            h,
            cell.noise if noise is None else noise,
            rows=rows,
            ap=cell.network.state.ap,
            sensed_m=position if sensed_m is None else sensed_m,
            sensed_std_m=torch.full((NUM_ENVS,), std_m),
            last=cell.network.state.h_hat[:, :, 0],
            ports=torch.full((NUM_ENVS,), ports),
            spacing=torch.full((NUM_ENVS,), spacing),
            codeword_bits=torch.full((NUM_ENVS,), bits),
            streams=streams,
        )

    return report


def error(decoded, h):
    return (decoded - h).abs().square().sum((1, 2)) / h.abs().square().sum((1, 2))


def test_least_squares_with_a_pilot_in_every_block_is_the_channel_in_thermal_noise(scene, report):
    cell, _, h = scene
    variance = (report("ls") - h).abs().square().mean() / cell.noise
    assert variance == pytest.approx(1.0, abs=0.02)  # mean of 48 x 48 x 32 squared errors


def test_without_noise_a_full_comb_loses_nothing_and_a_sparse_one_only_what_is_late(scene, report):
    cell, _, h = scene
    for estimator in ("ls", "lmmse", "paths-net", "twin-net"):
        assert error(report(estimator, noise=0.0), h).max() < 1e-8
    sparse = report("ls", noise=0.0, spacing=4)
    comb = torch.zeros_like(h)
    comb[:, ::4] = h[:, ::4]
    expected = from_angle_delay(least_squares(comb, torch.full((NUM_ENVS,), 4), cell.network.grid), cell.network.grid)
    torch.testing.assert_close(sparse, expected, rtol=1e-4, atol=1e-9)
    assert error(sparse, h).median() < 0.05


@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_the_twins_prior_helps_where_noise_is_strong_and_costs_nothing_where_it_is_weak(scene, report, spacing):
    cell, _, h = scene
    ls, lmmse = error(report("ls", spacing=spacing), h), error(report("lmmse", spacing=spacing), h)
    gain_db = 10 * torch.log10(ls / lmmse)
    snr_db = 10 * torch.log10(h.abs().square().mean((1, 2)) / cell.noise)
    assert lmmse.mean() < 0.5 * ls.mean()
    assert gain_db[snr_db < 10].mean() > 3
    assert gain_db.median() > 0


@pytest.mark.parametrize("spacing", [1, 2])
def test_the_place_is_worth_more_than_the_mean_of_the_site_and_that_more_than_nothing(scene, report, spacing):
    _, _, h = scene
    ls, usual, placed = (error(report(name, spacing=spacing), h) for name in ("ls", "lmmse-mean", "lmmse"))
    assert placed.mean() < usual.mean() < ls.mean()


def test_with_the_prior_half_of_the_pilots_lose_less_than_without_it(scene, report):
    _, _, h = scene
    assert error(report("lmmse", spacing=2), h).mean() < error(report("ls", spacing=1), h).mean()


@pytest.mark.parametrize("name", ["paths-net", "twin-net"])
@pytest.mark.parametrize("spacing", [1, 2])
def test_a_network_finds_more_in_the_pilots_than_any_other_estimator(scene, report, name, spacing):
    _, _, h = scene
    noise = 0.1 * float(h.abs().square().mean((1, 2)).quantile(0.5))
    net, *others = (
        error(report(each, spacing=spacing, noise=noise), h).log().mean() for each in (name, "pursuit", "lmmse", "ls")
    )
    assert all(net < other - 0.3 for other in others)


def test_a_prior_for_another_place_is_worth_less(scene, report):
    _, position, h = scene
    shifted = report("lmmse", sensed_m=position + torch.tensor([30.0, 30.0, 0.0]))
    elsewhere = report("lmmse", sensed_m=position.flip(0), std_m=0.1)
    right = error(report("lmmse"), h).mean()
    assert error(shifted, h).mean() > 1.1 * right
    assert error(elsewhere, h).mean() > 1.1 * right


def test_off_the_twins_map_the_prior_is_the_mean_of_the_site(scene, report):
    _, position, h = scene
    lost = report("lmmse", sensed_m=position + 1e4)
    assert torch.equal(lost, report("lmmse-mean"))
    assert (error(lost, h) < 1.1 * error(report("ls"), h)).all()


def test_more_bits_never_hurt_on_average(scene, report):
    cell, _, h = scene
    codec = cell.network.acquisition.codec
    errors = [nmse(h, report("lmmse", codec=codec, bits=bits)).mean() for bits in codec.codeword_lengths]
    assert all(more < less for less, more in pairwise(errors))
    assert errors[0] < 1  # better than no report


def test_a_twin_that_does_not_know_what_the_codec_tells_is_refused():
    grid = AngleDelayGrid()
    with pytest.raises(ConfigurationError, match="ExpectsPaths"):
        Acquisition(grid, PathTwin(grid, torch.device("cpu")), Transparent(), "ls", torch.ones(48, 32))


def test_noise_depends_on_the_seed_alone(report):
    first = report("ls")
    assert torch.equal(first, report("ls"))
    assert not torch.allclose(first, report("ls", seed=1), rtol=0.1, atol=1e-9)


def test_different_pasts_that_meet_in_a_report_meet_the_same_noise(make_cell, decide):
    """Two cells with equal keys ask for UE 0 in slot 44, one at once, the other after three reports on the way."""
    options = {"estimator": "ls", "population": "vehicles"}
    direct, roundabout = make_cell(**options), make_cell(**options)
    rows = torch.arange(12)
    for cell, periods in ((direct, (40,)), (roundabout, (8, 10, 5, 20))):
        for period in periods:
            outcome = cell.step(rows, decide(cell, period))
            while bool((cell.network.state.turn != 0).any()):
                outcome = cell.step(rows, decide(cell, 320))
        assert not outcome.truncated.any()
        assert (cell.network.state.now_slots == 44).all()  # of DDDSU; by way of 9, 19 and 24
    one, other = direct.network.state, roundabout.network.state
    assert (one.report_slots[:, 0] == other.report_slots[:, 0]).all()
    torch.testing.assert_close(one.h_hat[:, :, 0], other.h_hat[:, :, 0], rtol=1e-4, atol=1e-9)


def test_ports_see_their_beams_and_nothing_else(scene, report):
    """Without noise the estimate is the channel in the beams that the twin expects to be strongest, for each UE."""
    cell, _, h = scene
    grid = cell.network.grid
    beams = to_angle_delay(h, grid).abs().square().sum(1)
    for ports in (16, 8):
        seen = to_angle_delay(report("perfect", ports=ports), grid).abs().square().sum(1)
        kept = seen > 0.5 * beams
        assert kept.sum(1).tolist() == [ports] * NUM_ENVS
        torch.testing.assert_close(seen, beams * kept, rtol=1e-3, atol=1e-6 * float(beams.max()))
    errors = [error(report("perfect", ports=ports), h).mean() for ports in (32, 16, 8)]
    assert errors == sorted(errors)
    best = 1 - beams.topk(8, -1).values.sum(-1) / beams.sum(-1)  # what nobody could do better without knowing
    blind = 1 - 8 / 32
    assert best.mean() <= errors[2] < blind / 2


def test_fewer_ports_keep_out_noise_and_lose_signal(scene, report):
    _, _, h = scene
    loud = float(h.abs().square().mean())  # as strong as the channel
    few, every = (error(report("ls", ports=ports, noise=loud), h).mean() for ports in (8, 32))
    assert few < every
    few, every = (error(report("ls", ports=ports, noise=1e-3 * loud), h).mean() for ports in (8, 32))
    assert few > every


def test_where_the_twin_knows_nothing_the_last_report_tells_the_beams(scene, report):
    cell, *_ = scene
    nowhere = torch.full((NUM_ENVS, 3), 1e6)
    grid = cell.network.grid
    last = cell.network.state.h_hat[:, :, 0] @ angle_transform(grid, torch.device("cpu"))
    strongest = last.abs().square().sum(1).topk(8, -1).indices
    seen = to_angle_delay(report("perfect", ports=8, sensed_m=nowhere), grid).abs().square().sum(1)
    chosen = torch.zeros_like(seen).scatter(1, strongest, 1.0) > 0
    assert float(seen[~chosen].sum()) < 1e-9 * float(seen.sum())
