"""Who serves a UE, who is dropped, and what is measured."""

import numpy as np
import torch

from twin_envs.envs.association.admission import admit


def decide(scores, ue=0, serving=None, held=None, cluster_size=2, probed_aps=1, ap_load=1):
    """The decision of one network with lists for tensors; `serving` and `held` are [U, A]."""
    aps = len(scores)
    serving = torch.zeros(2, aps) if serving is None else torch.tensor(serving)
    held = torch.zeros(serving.shape) if held is None else torch.tensor(held)
    decision = admit(
        torch.tensor([scores]),
        torch.tensor([ue]),
        serving.bool()[None],
        held[None],
        cluster_size=cluster_size,
        probed_aps=probed_aps,
        ap_load=ap_load,
    )
    return [part[0].int().tolist() for part in decision]


def test_the_best_serve_and_the_next_best_are_measured():
    serving, probing, added = decide([0.1, 0.9, 0.3, 0.5])
    assert serving == [[0, 1, 0, 1], [0, 0, 0, 0]]
    assert probing == [0, 0, 1, 0]
    assert added == [0, 1, 0, 1]


def test_what_scores_zero_is_not_measured():
    assert decide([0.0, 0.9, 0.0, 0.5], probed_aps=2)[1] == [0, 0, 0, 0]
    assert decide([0.0, 0.9, 0.1, 0.5], probed_aps=2)[1] == [0, 0, 1, 0]
    assert decide([0.2, 0.9, 0.1, 0.5], probed_aps=0)[1] == [0, 0, 0, 0]


def test_those_that_served_before_are_not_added():
    assert decide([0.1, 0.9, 0.3, 0.5], serving=[[0, 1, 1, 0], [0, 0, 0, 0]])[2] == [0, 0, 0, 1]


def test_of_equal_scores_the_lower_number_is_first():
    assert decide([0.5, 0.5, 0.5, 0.5])[:2] == [[[1, 1, 0, 0], [0, 0, 0, 0]], [0, 0, 1, 0]]


def test_a_full_ap_drops_the_ue_that_scored_lowest():
    serving = [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    held = [[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.4, 0.0, 0.0]]
    after, _, added = decide([0.5, 0.1, 0.0], serving=serving, held=held, cluster_size=1, ap_load=2)
    assert after == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert added == [1, 0, 0]


def test_a_full_ap_refuses_whoever_does_not_score_higher_and_the_next_best_serves():
    serving, held = [[0, 0, 0], [1, 0, 0]], [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    after, _, _ = decide([0.5, 0.1, 0.0], serving=serving, held=held, cluster_size=1)
    assert after == [[0, 1, 0], [1, 0, 0]]


def test_of_equal_claims_the_ue_with_the_higher_number_goes():
    serving = [[0], [1], [1]]
    after, _, _ = decide([0.5], serving=serving, held=[[0.0], [0.4], [0.4]], cluster_size=1, ap_load=2)
    assert after == [[1], [1], [0]]


def test_a_ue_does_not_compete_with_itself():
    serving, held = [[1, 0], [0, 1]], [[0.9, 0.0], [0.0, 0.3]]
    after, _, added = decide([0.1, 0.0], serving=serving, held=held, cluster_size=1)
    assert after == serving
    assert added == [0, 0]


def test_no_load_and_no_cluster_is_ever_larger_than_allowed():
    generator = np.random.default_rng(0)
    envs, ues, aps, cluster_size, ap_load = 20, 6, 8, 3, 3
    serving, held = torch.zeros(envs, ues, aps, dtype=torch.bool), torch.zeros(envs, ues, aps)
    row = torch.arange(envs)
    for turn in range(60):
        scores = torch.from_numpy(generator.random((envs, aps)).astype(np.float32))
        ue = torch.full((envs,), turn % ues)
        held[row, ue] = scores
        decision = admit(scores, ue, serving, held, cluster_size=cluster_size, probed_aps=2, ap_load=ap_load)
        others = torch.arange(ues) != ue[0]
        assert not (decision.serving & ~serving)[:, others].any()  # nobody else gains
        assert torch.equal(decision.added, decision.serving[row, ue] & ~serving[row, ue])
        assert not (decision.probing & decision.serving[row, ue]).any()
        serving = decision.serving
        assert serving.sum(1).max() <= ap_load
        assert (serving[row, ue].sum(-1) == cluster_size).all()  # 6 x 3 <= 8 x 3: there is room
    assert serving.sum(1).max() == ap_load
