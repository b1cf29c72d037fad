"""What the network expects: frequencies that both ends have, and that follow what was told and named."""

import pytest
import torch

from twin_envs.csi.codecs.path_net.circumstances import ANYWHERE, NAMED, NONE, TOLD, circumstances
from twin_envs.csi.codecs.path_net.formats import STEPS
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net.prior import Prior
from twin_envs.csi.codecs.path_net.weights import STORED

CPU, SIZES, FIRST = torch.device("cpu"), (256, 16, 256), 48
REPORTS, PATHS = 40, 5
NOTHING = torch.tensor([[[0, 0, 0, NONE]]])


@pytest.fixture(scope="module", params=["untrained", "packaged"])
def prior(request):
    network = PriorNetwork(seed=3).requires_grad_(False) if request.param == "untrained" else STORED.packaged
    return Prior(network, SIZES, FIRST, CPU)


@pytest.fixture(scope="module")
def reports():
    """Told and named paths, how much weaker the latter are, and which lattice each is placed on."""
    generator = torch.Generator().manual_seed(1)
    told, place = (
        torch.stack([torch.randint(size, (REPORTS, paths), generator=generator) for size in SIZES], -1)
        for paths in (7, PATHS)
    )
    strength = torch.randint(NONE + 1, (REPORTS, 7, 1), generator=generator)
    below_db = 2 * torch.randint(9, (REPORTS, PATHS), generator=generator).cumsum(1)
    below_db[:, 0] = 0
    step = torch.randint(len(STEPS), (REPORTS, PATHS), generator=generator)
    place = place // torch.tensor(STEPS)[step][..., None] * torch.tensor(STEPS)[step][..., None]
    return torch.cat([told, strength], -1), place, below_db, step


def test_information_is_that_of_the_frequencies_one_after_the_other(prior, reports):
    told, place, below_db, step = reports
    bits = torch.zeros(REPORTS, PATHS, dtype=torch.float64)
    for path in range(PATHS):
        expected = prior.expectation(told, place[:, :path], below_db[:, : path + 1])
        for axis in (2, 1, 0):
            frequency, here = expected.of(axis, step[:, path]), place[:, path, axis]
            assert frequency.dtype == torch.int64
            assert frequency.sum(1).max() <= 2**40
            on = torch.arange(SIZES[axis]) % torch.tensor(STEPS)[step[:, path], None] == 0
            assert (frequency[on] > 0).all()
            assert (frequency[~on] == 0).all()
            bits[:, path] -= torch.log2(frequency.gather(1, here[:, None])[:, 0] / frequency.sum(1).double())
            expected.choose(axis, step[:, path], here)
    torch.testing.assert_close(prior.information(told, place, below_db, step), bits, rtol=0, atol=1e-6)


def test_a_path_may_be_anywhere_and_never_costs_many_bits_more_than_even_places(prior, reports):
    told, place, below_db, step = reports
    even = 20 - 3 * step
    bits = prior.information(told, place, below_db, step) - even
    assert bits[:, 0].max() < 5.2  # one in eight is kept for any place, half of it even in delay
    assert bits.max() < 7.2  # one in 32


def test_a_place_that_was_told_takes_fewer_bits_and_near_it_hardly_more():
    prior = Prior(STORED.packaged, SIZES, FIRST, CPU)
    at, level, fine = torch.tensor([[[56, 7, 101]]]), torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1).long()
    told = torch.nn.functional.pad(at, (0, 1))
    untold, told_there, told_near, told_elsewhere = (
        float(prior.information(those, at, level, fine))
        for those in (NOTHING, told, told + torch.tensor([1, 1, -2, 0]), told + torch.tensor([60, 8, 90, 0]))
    )
    assert told_there + 4 < untold
    assert told_there < told_near < untold
    assert told_elsewhere < untold + 3.5


def test_nothing_told_is_as_if_it_were_not_there(reports):
    prior, (told, place, below_db, step) = Prior(STORED.packaged, SIZES, FIRST, CPU), reports
    more = torch.cat([told, NOTHING.expand(REPORTS, 3, 4)], 1)
    torch.testing.assert_close(
        prior.information(more, place, below_db, step), prior.information(told, place, below_db, step)
    )


def test_circumstances_go_round_with_beams_and_look_at_no_path_to_come(reports):
    told, place, below_db, _ = reports
    before = circumstances(told, place, below_db, SIZES)
    turned = torch.tensor([0, 5, 77])
    round_about = torch.tensor(SIZES)
    told_turned = torch.cat([(told[..., :3] + turned) % round_about, told[..., 3:]], -1)
    told_turned[..., 0] = told[..., 0]
    after = circumstances(told_turned, torch.cat([place[..., :1], ((place + turned) % round_about)[..., 1:]], -1),
                          below_db, SIZES)  # fmt: skip
    for what, sizes in (("told", TOLD), ("named", NAMED), ("anywhere", ANYWHERE)):
        cases = getattr(before, what)
        there = {"told": before.is_told, "named": before.is_named, "anywhere": torch.ones_like(cases, dtype=bool)}[what]
        assert (cases >= 0).all()
        assert (cases < torch.tensor(sizes).prod()).all()
        assert torch.equal(torch.where(there, getattr(after, what), 0), torch.where(there, cases, 0))
    for path in range(PATHS):
        unknown = place.clone()
        unknown[:, path:] = 1
        alone = circumstances(told, unknown[:, : path + 1], below_db[:, : path + 1], SIZES, first=path)
        assert torch.equal(alone.told[:, 0], before.told[:, path])
        assert torch.equal(alone.named[:, 0, :path], before.named[:, path, :path])
        assert torch.equal(alone.anywhere[:, 0], before.anywhere[:, path])
