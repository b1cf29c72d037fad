"""Falls from path to path: as near as can be told, and errors do not add up."""

import torch

from twin_envs.csi.codecs.path.gains import nearest_falls

STEP_DB, LARGEST = 1.5, 7


def one_by_one(down_db):
    """Each fall against what was said of the path before."""
    said, falls = 0.0, [0]
    for down in down_db[1:]:
        falls.append(min(max(round((down - said) / STEP_DB), 0), LARGEST))
        said += STEP_DB * falls[-1]
    return falls


def test_falls_are_those_of_saying_one_after_the_other():
    generator = torch.Generator().manual_seed(0)
    down_db = (30 * torch.rand(200, 12, generator=generator)).sort(1).values
    down_db = down_db - down_db[:, :1]
    gain = 3e-4 * 10 ** (-down_db / 20) * torch.exp(2j * torch.rand(200, 12, generator=generator))
    assert nearest_falls(gain, STEP_DB, LARGEST).tolist() == [one_by_one(row) for row in down_db.tolist()]


def test_a_fall_that_cannot_be_told_is_made_up_for_by_the_next():
    gain = 10 ** (-torch.tensor([[0.0, 30.0, 30.0, 30.0]]) / 20) + 0j
    assert nearest_falls(gain, STEP_DB, LARGEST).tolist() == [[0, 7, 7, 6]]


def test_nothing_falls_as_far_as_can_be_told():
    falls = nearest_falls(torch.zeros(1, 3, dtype=torch.complex64), STEP_DB, LARGEST)
    assert falls.tolist() == [[0, 7, 7]]
