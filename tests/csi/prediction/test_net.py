"""Prediction with a network: what reports say of Doppler shifts, with a twin and without."""

import math

import pytest
import torch
from predicting import WAVELENGTH_M, Twin, follow, paths, setting

from twin_envs.csi.prediction.followed_paths import Heard
from twin_envs.csi.prediction.net.candidates import HELD, KINDS, NOT_TOLD, TOLD, UNFORESEEN, kinds, of_speed, of_twin
from twin_envs.csi.prediction.net.network import LinesNetwork, evidence
from twin_envs.csi.prediction.process import LEAST_NOISE
from twin_envs.csi.prediction.registry import predictors
from twin_envs.csi.prediction.spectrum import CLARKE_STD, Lines
from twin_envs.csi.similarity import squared_cosine

TIME_S = torch.tensor([[0.0, -0.01, -0.02, -0.03]])
NMSE = torch.full((1, 4), 0.02)
RANGE_HZ = torch.tensor([20.0])
FASTEST_HZ = 10.0 / WAVELENGTH_M
TOWARDS, AWAY = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)


def heard(*shifts_hz, time_s=TIME_S):
    """Paths of one UE that turn with these Doppler shifts."""
    turn = 2 * math.pi * torch.tensor(shifts_hz) * torch.where(time_s.isfinite(), time_s, 0.0)[..., None]
    x = torch.polar(time_s.isfinite().float()[..., None].expand_as(turn), turn)
    return Heard(x, time_s, NMSE, RANGE_HZ)


def worst(predictor, channel, slots, ages, **how):
    return min(float(squared_cosine(p, h).min()) for p, h, _ in follow(predictor, channel, slots, ages, **how))


def test_evidence_is_the_likelihood_of_normal_samples_of_any_power():
    lines = Lines(*(torch.tensor([[values]]) for values in ([0.5, 0.5], [7.0, -3.0], [1.0, 4.0])))
    said = heard(7.0)
    lag_s = (TIME_S[0, :, None] - TIME_S[0]).double()
    x = said.x[0, :, 0].to(torch.complex128)
    for number, (mean_hz, std_hz) in enumerate(((7.0, 1.0), (-3.0, 4.0))):
        pulsation = 2 * math.pi * lag_s
        k = torch.polar(torch.exp(-0.5 * (pulsation * std_hz) ** 2), pulsation * mean_hz)
        k = k + (0.02 + LEAST_NOISE) * torch.eye(4)
        energy = (x.conj() @ torch.linalg.inv(k) @ x).real
        expected = -4 * torch.log(energy / 4) - torch.linalg.slogdet(k).logabsdet
        assert float(evidence(lines, said)[0, 0, number]) == pytest.approx(float(expected), abs=1e-3)


def test_a_report_that_was_never_made_says_nothing():
    lines = of_speed(1, RANGE_HZ)
    never = TIME_S.clone()
    never[:, 2:] = -math.inf
    two = Heard(heard(6.0).x[:, :2], TIME_S[:, :2], NMSE[:, :2], RANGE_HZ)
    told, alone = evidence(lines, heard(6.0, time_s=never)), evidence(lines, two)
    torch.testing.assert_close(told - told.amax(), alone - alone.amax(), atol=1e-3, rtol=0)


def test_before_it_has_learnt_the_network_is_bayes_rule():
    lines, said = of_speed(2, RANGE_HZ), heard(6.0, -11.0)
    found = LinesNetwork()(lines, said)
    after = lines.share * (evidence(lines, said) - evidence(lines, said).amax(-1, keepdim=True)).exp()
    torch.testing.assert_close(found.share, after / after.sum(-1, keepdim=True), atol=1e-5, rtol=1e-4)
    assert torch.equal(found.std_hz, lines.std_hz)
    likeliest = found.mean_hz.gather(-1, found.share[..., -UNFORESEEN:].argmax(-1, keepdim=True) + 2)
    torch.testing.assert_close(likeliest[0, :, 0], torch.tensor([6.0, -11.0]), atol=1.3, rtol=0)


def test_candidates_share_what_there_is():
    alone = of_speed(3, RANGE_HZ)
    twins = Lines(torch.full((1, 3, 6), 1 / 6), torch.zeros(1, 3, 6), torch.ones(1, 3, 6))
    for lines in (alone, of_twin(twins, RANGE_HZ)):
        torch.testing.assert_close(lines.share.sum(-1), torch.ones(1, 3))
        assert float(lines.mean_hz.abs().max()) < float(RANGE_HZ)
        own = kinds(lines.share.shape[-1], torch.device("cpu"))
        assert int((own == NOT_TOLD).sum()) == UNFORESEEN
        assert int(own.max()) < KINDS
        torch.testing.assert_close(lines.std_hz[..., own == HELD], lines.std_hz[..., own == HELD].clamp(0, 1))
    assert int((kinds(6 + UNFORESEEN, torch.device("cpu")) == TOLD).sum()) == 3
    torch.testing.assert_close(alone.std_hz[..., 0], CLARKE_STD * RANGE_HZ[:, None].expand(1, 3))


def test_weights_in_the_beginning_are_a_seeds_and_no_global_generators():
    before = torch.get_rng_state()
    one, same, other = (LinesNetwork(seed).first.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("phases", [0.0, 1.7])
def test_paths_are_followed_without_a_twin_whatever_the_phases_of_reports(phases):
    """One from ahead, one from behind, at a walk: after four reports their shifts are known."""
    channel = paths((2, 0.25, 0.0, 12.0), (1, 0.5, 0.0, -9.0), phases=phases)
    how = {"slots": (0, 20, 40, 60), "ages": (10, 30, 60), "speed_m_s": (1.3, 0.0)}
    assert worst(predictors.get("paths-net")(setting()), channel, **how) > 0.95
    assert worst(predictors.get("hold")(setting()), channel, **how) < 0.8
    assert worst(predictors.get("wiener")(setting()), channel, **how) < 0.8


def test_paths_of_the_twin_are_followed():
    channel = paths((2, 0.25, 0.0, FASTEST_HZ), (1, 0.5, 0.0, -FASTEST_HZ))
    twin = Twin((TOWARDS, 0.25, 0.0, 4e-10), (AWAY, 0.5, 0.0, 1e-10))
    assert worst(predictors.get("twin-net")(setting(twin)), channel, (0, 30, 47), (3, 11, 20)) > 0.98


def test_a_path_that_the_twin_lacks_is_found_in_reports():
    channel = paths((2, 0.25, 0.0, 12.0), (1, 0.5, 0.0, -9.0))
    twin = Twin((TOWARDS, 0.25, 0.0, 4e-10))
    how = {"slots": (0, 20, 40, 60), "ages": (10, 30, 60), "speed_m_s": (1.3, 0.0)}
    lost = {name: 1 - worst(predictors.get(name)(setting(twin)), channel, **how) for name in ("twin-paths", "twin-net")}
    assert lost["twin-net"] < 0.5 * lost["twin-paths"]


@pytest.mark.parametrize("name", ["paths-net", "twin-net"])
def test_an_older_report_is_never_expected_to_be_better(name):
    channel = paths((2, 0.25, 0.0, 12.0), (1, 0.5, 0.0, -9.0))
    chosen = predictors.get(name)(setting(Twin((TOWARDS, 0.25, 0.0, 4e-10))))
    told = [float(error[0]) for _, _, error in follow(chosen, channel, (0, 50, 100), (1, 5, 10, 20, 50, 100, 200))]
    assert told == sorted(told)
    assert told[-1] > told[0] > 0
