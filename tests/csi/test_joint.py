"""Joint transmission: channels of all links, local precoders, SINR, against closed forms and plain NumPy."""

import math

import numpy as np
import pytest
import torch

from twin_envs.csi.joint import by_ap, joint_sinr, local_precoders, offsets_hz
from twin_envs.envs.association.configuration import AssociationConfig
from twin_envs.world.store.site import load_site

NOISE = 1e-3


@pytest.fixture(scope="module")
def site():
    return load_site(AssociationConfig().site)


def channels(*shape, seed=0):
    generator = np.random.default_rng(seed)
    parts = generator.normal(size=(2, *shape)).astype(np.float32)
    return torch.from_numpy((parts[0] + 1j * parts[1]).astype(np.complex64))


def sinr(h, serving, noise=NOISE, h_hat=None):
    """SINR [N, U, F] of channels [N, U, A, F, antennas]."""
    return joint_sinr(h, local_precoders(h if h_hat is None else h_hat, serving, noise), noise)


def sinr_by_numpy(h, h_hat, serving, noise):
    """The same of one network, link by link, with the precoder as a matrix inverse."""
    ues, aps, bands = h.shape[:3]
    result = np.zeros((ues, bands))
    for band in range(bands):
        received = np.zeros((ues, ues), complex)  # what UE u gets of what is meant for UE v
        for ap in range(aps):
            served = np.flatnonzero(serving[:, ap])
            if not len(served):
                continue
            own = h_hat[served, ap, band]
            power = 1 / len(served)
            unit = own / np.linalg.norm(own, axis=-1, keepdims=True)
            loading = np.diag(noise / (power * np.linalg.norm(own, axis=-1) ** 2))
            w = unit.conj().T @ np.linalg.inv(unit @ unit.conj().T + loading)
            w *= math.sqrt(power) / np.linalg.norm(w, axis=0)
            received[:, served] += h[:, ap, band] @ w
        power = np.abs(received) ** 2
        own = np.diag(power)
        result[:, band] = own / (power.sum(1) - own + noise)
    return result


def test_sinr_is_that_of_an_independent_reference():
    h, error = channels(2, 5, 4, 3, 4), channels(2, 5, 4, 3, 4, seed=1)
    h_hat = h + 0.1 * error
    serving = torch.from_numpy(np.random.default_rng(2).random((2, 5, 4)) < 0.5)
    found = sinr(h, serving, h_hat=h_hat)
    for n in range(2):
        expected = sinr_by_numpy(h[n].numpy(), h_hat[n].numpy(), serving[n].numpy(), NOISE)
        np.testing.assert_allclose(found[n].numpy(), expected, rtol=2e-4)


def test_two_equal_aps_give_a_ue_6_db_more_than_one():
    h = channels(1, 1, 1, 3, 4).repeat(1, 1, 2, 1, 1)
    one = sinr(h, torch.tensor([[[True, False]]]), noise=10.0)
    two = sinr(h, torch.tensor([[[True, True]]]), noise=10.0)
    gain = h[0, 0, 0].abs().square().sum(-1)
    torch.testing.assert_close(one[0, 0], gain / 10.0)
    torch.testing.assert_close(two[0, 0], 4 * gain / 10.0)


def test_amplitudes_of_unequal_aps_add_whatever_their_phases():
    h = channels(1, 1, 5, 2, 4)
    expected = h[0, 0].norm(dim=-1).sum(0).square() / NOISE
    torch.testing.assert_close(sinr(h, torch.ones(1, 1, 5, dtype=torch.bool))[0, 0], expected)


def test_one_more_ap_never_lowers_the_sinr_of_a_ue_alone():
    h = channels(50, 1, 8, 2, 4) * torch.logspace(0, -3, 8)[:, None, None]
    serving = torch.zeros(50, 1, 8, dtype=torch.bool)
    before = torch.zeros(50, 1, 2)
    for ap in np.random.default_rng(0).permutation(8):
        serving[..., ap] = True
        after = sinr(h, serving)
        assert (after > before).all()
        before = after


def test_each_ap_that_serves_sends_with_its_whole_power_and_the_others_with_none():
    h = channels(3, 4, 6, 2, 4)
    serving = torch.from_numpy(np.random.default_rng(1).random((3, 4, 6)) < 0.3)
    power = local_precoders(h, serving, NOISE).abs().square().sum(3)  # [N, A, F, U]
    total = power.sum(-1)
    torch.testing.assert_close(total, serving.any(1)[..., None].float().expand_as(total))
    assert torch.equal(power.sum(2).mT > 0, serving)


def test_an_ap_avoids_the_ues_that_it_serves_and_no_others():
    h = channels(200, 3, 1, 1, 4)
    served = torch.tensor([[True], [True], [False]]).expand(200, 3, 1)
    leaked = (by_ap(h) @ local_precoders(h, served, 1e-5))[:, 0, 0].abs().square()  # [N, U, U]
    own = leaked[:, 0, 0]
    assert (leaked[:, 1, 0] < 1e-3 * own).all()
    assert (leaked[:, 2, 0] / own).median() > 0.05


def test_links_are_those_of_the_atlas_one_by_one(site):
    atlas, offset_hz = site.twin("twin"), offsets_hz(site.recipe, torch.device("cpu"))
    inner = site.geometry.point_m[:: len(site.geometry.point_m) // 7] + 0.2
    outside = torch.tensor([[1e4, 1e4, 1.5]])
    h = atlas.links(torch.cat([inner, outside]), offset_hz)
    assert h.shape[1:] == (len(site.recipe.access_points), len(offset_hz), atlas.antenna_m.shape[1])
    assert not h[-1].any()
    assert h.any(-1).any(-1).float().mean() > 0.2
    for k, position in enumerate(inner):
        for ap in range(h.shape[1]):
            paths = atlas.paths(position[None], torch.tensor([ap]))
            torch.testing.assert_close(h[k, ap], atlas.channel(paths, offset_hz)[0])


def test_the_blocks_are_spread_evenly_over_the_sounded_band(site):
    offset_hz = offsets_hz(site.recipe, torch.device("cpu"))
    assert offset_hz.sum() == 0
    step = site.recipe.csi_blocks * site.recipe.block_spacing_hz / len(offset_hz)
    torch.testing.assert_close(offset_hz.diff(), torch.full((len(offset_hz) - 1,), step))
