"""The comparison of channel twins: what is kept from them, and what is told."""

import json

import pytest
import torch

from twin_envs.agents.association.rules import KeptAps
from twin_envs.agents.core.environments import make_envs
from twin_envs.agents.core.policies import FixedPolicy
from twin_envs.agents.core.rollout import play
from twin_envs.base.console import new_console
from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.report import twin_pictures
from twin_envs.benchmarks.report.tables import RESULTS
from twin_envs.benchmarks.twins import __main__ as benchmark
from twin_envs.benchmarks.twins import association, calibration, completion, federation, splits, staleness
from twin_envs.benchmarks.twins.beams import beams
from twin_envs.benchmarks.twins.coverage import judge
from twin_envs.benchmarks.twins.decisions import CASES, Case
from twin_envs.benchmarks.twins.splits import SPLITS
from twin_envs.benchmarks.twins.stages import stages, times_fewer
from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge
from twin_envs.twin.registry import channel_twins
from twin_envs.world.store.site import load_site


@pytest.fixture(scope="module")
def site():
    return load_site("munich")


@pytest.mark.parametrize("kind", SPLITS)
def test_what_a_twin_is_judged_on_was_kept_from_it(site, kind):
    split = SPLITS[kind](site, 30, 60, 0)
    assert len(split.learn.place_m) == 30
    assert len(split.judge.place_m) == 60
    away_m = torch.cdist(split.judge.place_m, split.learn.place_m)
    assert (away_m > 0).all()
    aps = len(site.geometry.ap_position_m)
    heard, judged = (part.ap.bincount(minlength=aps) > 0 for part in (split.learn, split.judge))
    assert not (judged & ~split.aps).any()
    if kind == "held-out-ap":
        assert not (heard & judged).any()
        assert int(split.aps.sum()) == 3
    else:
        assert split.aps.all()
    if kind == "spatial-block":
        learnt, kept = ({tuple(block) for block in (m.place_m // 40).tolist()} for m in (split.learn, split.judge))
        assert not learnt & kept
        assert len(kept) > 3


class Exact:
    """Says what was measured, of every other link; of what was not heard, that it is loud."""

    def __init__(self, judged, loud_db):
        self.judged, self.loud_db = judged, loud_db

    def predict(self, sensed, ap):
        values, covered = torch.full((len(ap), len(KNOWLEDGE_FIELDS)), self.loud_db), torch.ones(len(ap))
        if len(ap) == len(self.judged.ap) and torch.equal(ap, self.judged.ap):
            values, covered = self.judged.values, (torch.arange(len(ap)) % 2 == 0).float()
        return Knowledge(covered=covered, values=values, std=torch.ones_like(values))


@pytest.mark.parametrize(("loud_db", "claimed"), [(-60.0, 1.0), (-160.0, 0.0)])
def test_links_that_are_not_known_and_not_served_are_counted(site, loud_db, claimed):
    split = SPLITS["random"](site, 10, 60, 0)
    told = judge(Exact(split.judge, loud_db), split, site)
    assert told["mae_known_db"] == 0
    assert told["within_90"] == 1
    assert told["missed"] == pytest.approx(0.5, abs=0.01)
    assert told["mae_db"] > 5  # half of the links, as if at the threshold
    assert told["claimed"] == claimed


def test_every_twin_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "QUICK_PLACES", (40,))
    monkeypatch.setattr(benchmark, "QUICK_JUDGED", 60)
    monkeypatch.setattr(benchmark, "SITES", ("munich-cellfree",))
    monkeypatch.setattr(splits, "SPLITS", {"random": SPLITS["random"]})
    few = {name: channel_twins.get(name) for name in ("traced", "kriging", "path-loss")}
    monkeypatch.setattr(association, "channel_twins", few)
    path = tmp_path / "twins.json"
    benchmark.main(study="coverage", quick=True, seed=0, device="cpu", json_path=path)
    document = json.loads(path.read_text())
    figures = document["figures"]
    twins = channel_twins.names()
    assert list(figures["mae_db"]) == list(figures["within_90"]) == twins
    for by_split in figures["mae_db"].values():
        assert list(by_split) == ["random"]
        assert list(by_split["random"]) == ["munich-cellfree"]
        assert list(by_split["random"]["munich-cellfree"]) == ["40"]
    at_random = {name: by_split["random"]["munich-cellfree"]["40"] for name, by_split in figures["mae_db"].items()}
    assert at_random["neural"] < at_random["path-loss"]
    assert at_random["neural"] < 0.8 * at_random["neural-coordinates"]
    assert all(by_places["40"] > 0 for by_places in figures["resource_elements"].values())
    kept = figures["association"]["gain_kept"]
    assert kept["distance"] < kept["traced"]["40"] <= 1
    assert kept["kriging"]["40"] > kept["path-loss"]["40"]
    assert all(speed > 0 for speed in figures["queries_per_second"].values())
    assert all(name in capsys.readouterr().out for name in twins[:1])


def test_federation_is_told_of(tmp_path, monkeypatch):
    for name, value in {"QUICK_ROUNDS": 2, "STEPS": 3, "PLACES": 100, "JUDGED": 60, "ANCHORS": 20}.items():
        monkeypatch.setattr(federation, name, value)
    path = tmp_path / "federation.json"
    benchmark.main(study="federation", quick=True, seed=0, device="cpu", json_path=path)
    figures = json.loads(path.read_text())["figures"]
    assert all(len(curve) == 2 for curve in figures["mse_db2"].values())
    for box_db in figures["box_db"].values():
        assert box_db == sorted(box_db)
    tally = figures["tally"]
    assert tally["one poisons"]["bounded"] == 2
    assert tally["one not a number"]["refused"] == tally["one drops out"]["dropped"] == 2
    assert tally["federated, 5"]["uplink_bits"] == 2 * 5 * 16 * figures["weights"]
    assert tally["regions, own last layers"]["uplink_bits"] < tally["regions"]["uplink_bits"]
    errors_db = figures["layer_mae_db"]
    assert errors_db["central"] < errors_db["traced world alone"]
    assert errors_db["federated, 5"] < 1.1 * errors_db["central"]
    left = figures["uplink"]["left"]
    assert left["sent_bits"] < left["granted_bits"]
    assert left["left_bits"] >= left["granted_bits"] - left["sent_bits"]
    assert figures["uplink"]["layer"]["bits"] < figures["uplink"]["network"]["bits"]


def test_stages_are_told_of(site):
    figures = stages([site], (40,), 100, 0, new_console())
    told = figures["mae_db"]
    assert list(told) == ["synthetic", "measured", "transfer"]
    assert figures["fewer"]["random"]["munich"]["40"] == {"times": 1.0, "bound": "more"}
    for kind in SPLITS:
        assert told["transfer"][kind]["munich"]["40"] < told["measured"][kind]["munich"]["40"]


@pytest.mark.parametrize(
    ("error_db", "places", "times", "bound"),
    [
        (5.0, 40, 2.0, "exact"),
        (4.0, 40, 4.0, "exact"),
        (3.0, 40, 16.0, "more"),
        (7.0, 80, 0.5, "less"),
        (5.0, 160, 0.5, "exact"),
    ],
)
def test_measurements_that_are_saved_by_hand(error_db, places, times, bound):
    """6 dB from 40 places, 4 dB from 160: 5 dB lies at their geometric mean; more places do not help any more."""
    found = times_fewer({"40": 6.0, "160": 4.0, "640": 4.5}, places, error_db)
    assert found == {"times": pytest.approx(times), "bound": bound}


def test_what_drift_costs_and_reports_mend(tmp_path, monkeypatch):
    """With a twin that costs little; the figures are told of each drift and update."""
    for module in (benchmark, staleness):
        monkeypatch.setattr(module, "TWINS", ("inverse-distance",))
    monkeypatch.setattr(benchmark, "QUICK_REPORTING", (12,))
    monkeypatch.setattr(benchmark, "QUICK_JUDGED", 100)
    monkeypatch.setattr(benchmark, "QUICK_DRIFTED_EPISODES", 2)
    path = tmp_path / "twins-staleness.json"
    benchmark.main(study="staleness", quick=True, seed=0, device="cpu", json_path=path)
    figures = json.loads(path.read_text())["figures"]
    assert list(figures["mae_db"]) == list(staleness.DRIFTS)
    for by_twin in figures["mae_db"].values():
        told = by_twin["inverse-distance"]
        assert list(told) == ["kept", "added", "replaced", "synchronised"]
        assert list(told["synchronised"]) == ["12"]
    stale_db = {drift: told["inverse-distance"]["kept"]["0"] for drift, told in figures["mae_db"].items()}
    assert stale_db["everywhere"] > stale_db["none"]
    over = {drift: told["inverse-distance"] for drift, told in figures["over_fresh"].items()}
    assert list(over) == ["none", "everywhere"]
    assert set(over["none"]["kept"]["0"].values()) == {0.0}
    assert over["everywhere"]["kept"]["0"]["mean"] != 0
    assert "as-it-is" not in channel_twins
    alarms = {drift: told["inverse-distance"] for drift, told in figures["alarms"].items()}
    assert alarms["everywhere"] >= alarms["none"]


def test_what_calibration_wins_back_is_told(tmp_path, monkeypatch):
    """With what was measured in the place of what the ray tracer would say with reality's constants."""

    def exact(site, place_m):
        measured = measure(site, "reality", 60, 0)
        gain_db = torch.full((60, 9), -torch.inf)
        gain_db[measured.place, measured.ap] = measured.values[:, 0]
        return calibration.Traced(place_m, gain_db), torch.zeros(9)

    for name, value in {"FEW_PLACES": (12,), "QUICK_SEEDS": 2, "QUICK_JUDGED": 60}.items():
        monkeypatch.setattr(benchmark, name, value)
    monkeypatch.setattr(calibration, "with_true_constants", exact)
    path = tmp_path / "twins-calibration.json"
    benchmark.main(study="calibration", quick=True, seed=0, device="cpu", json_path=path)
    figures = json.loads(path.read_text())["figures"]
    best, traced = (figures["mae_db"][name]["0"] for name in ("true constants and poses", "traced"))
    assert best == pytest.approx(0, abs=1e-4)
    told = figures["mae_db"]["calibrated"]["12"]
    assert told < traced
    assert figures["closed"]["12"] == pytest.approx((traced - told) / (traced - best))
    assert list(figures["learnt"]["within_90"]) == ["traced", "residual", "calibrated"]
    assert figures["constants"]["12"]["scattering_db"] > 0


def test_what_completing_a_map_is_worth_is_told(tmp_path, monkeypatch):
    for name, value in {"UNKNOWN": (0.5,), "MAP_PLACES": (36,), "QUICK_DRAWS": 1, "QUICK_JUDGED": 200}.items():
        monkeypatch.setattr(benchmark, name, value)
    monkeypatch.setattr(benchmark, "CELL_FREE", "munich")
    path = tmp_path / "twins-completion.json"
    benchmark.main(study="completion", quick=True, seed=0, device="cpu", json_path=path)
    figures = json.loads(path.read_text())["figures"]
    error_db, right = (
        {name: by["36"]["mean"] for name, by in figures[of]["0.5"].items()} for of in ("mae_db", "right")
    )
    assert error_db["whole"] < error_db[completion.FREE]
    assert error_db.keys() == figures["gained_db"]["0.5"].keys()
    gained = figures["gained_db"]["0.5"]["whole"]["36"]
    assert gained == {"mean": pytest.approx(error_db[completion.FREE] - error_db["whole"]), "se": None}
    assert right[completion.FREE] < right[completion.NEAR_BY] < right[completion.EVEN] < 1
    assert right[completion.FREE] < right[completion.MEASURED] < right[completion.EVEN]


TINY_CASES = {
    "ApAssociation": Case(env="ApAssociation", policies=("twin-planner", "twin-gain"), quick={"episode_slots": 400}),
    "BeamSelection": Case(env="BeamSelection", policies=("twin-in-ssb",), quick={"episode_slots": 20_000}),
}


def test_what_twins_are_worth_in_decisions_is_told(tmp_path, monkeypatch, capsys):
    """Each twin beside the traced one, on the same episodes; one that lacks what a policy asks is named."""
    monkeypatch.setattr(benchmark, "CASES", TINY_CASES)
    monkeypatch.setattr(benchmark, "channel_twins", dict.fromkeys(("traced", "path-loss")))
    for name, value in {
        "QUICK_EPISODES": 6,
        "QUICK_TRAINING_EPISODES": 1,
        "QUICK_CONSTANTS": 2,
        "QUICK_JUDGED": 60,
    }.items():
        monkeypatch.setattr(benchmark, name, value)
    path = tmp_path / "twins-decisions.json"
    benchmark.main(study="decisions", quick=True, seed=0, device="cpu", json_path=path)
    figures = json.loads(path.read_text())["figures"]
    assert figures["episodes"] == 6
    cells, beams = (figures["cases"][name] for name in TINY_CASES)
    earned = cells["returns"]["twin-gain"]
    lost = cells["over_traced"]["twin-gain"]["path-loss"]
    assert lost["mean"] == pytest.approx(earned["path-loss"]["mean"] - earned["traced"]["mean"])
    assert lost["low"] < lost["mean"] < lost["high"]
    assert max(score["mean"] for score in earned.values()) < cells["without"]["oracle"]["mean"]
    assert cells["twins"]["traced"]["mae_db"] < cells["twins"]["path-loss"]["mae_db"]
    assert set(cells["over_traced"]["twin-gain"]["traced"].values()) == {0.0}
    assert list(cells["returns"]["twin-planner"]) == ["traced", "traced, twin-depth1", "traced, twin-los"]
    assert "GivesLinks" in cells["refused"]["twin-planner"]["path-loss"]
    assert list(beams["refused"]["twin-in-ssb"]) == ["path-loss"]
    assert beams["without"]["oracle"]["mean"] > beams["without"]["best-fixed"]["mean"]
    assert "ApAssociation: net spectral efficiency" in capsys.readouterr().out


def test_whoever_does_not_know_the_twin_earns_the_same_with_each():
    """So what is compared is what the twin is worth to the policy, and nothing else differs."""
    earned = {
        (env, twin): play(policy, make_envs(env, 2, channel_twin=twin, **options), [5, 6]).returns.tolist()
        for env, policy, options in (
            ("ApAssociation", KeptAps(), {"episode_slots": 400}),
            ("FeedbackInterval", FixedPolicy(3), {"episode_slots": 200, **CASES["FeedbackInterval"].options}),
        )
        for twin in ("traced", "path-loss")
    }
    for env in ("ApAssociation", "FeedbackInterval"):
        assert earned[env, "traced"] == earned[env, "path-loss"]
        assert earned[env, "traced"][0] != earned[env, "traced"][1]


def test_an_unknown_study_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean 'federation'"):
        benchmark.main(study="federations", json_path=tmp_path / "none.json")


def test_maps_are_those_of_what_is_said_and_the_ue_s_choice_is_scored_by_reality(tmp_path):
    path = tmp_path / "twins-maps.json"
    benchmark.main(study="maps", quick=True, seed=0, device="cpu", json_path=path)
    found = json.loads(path.read_text())["figures"]
    told = found["maps"]
    assert list(told) == ["reality", "neural", "path-loss"]
    assert all(len(of_it["gain_db"]) == len(found["y_m"]) for of_it in told.values())
    assert told["reality"]["kept"] == told["reality"]["mean_kept"] == pytest.approx(1.0)
    assert told["path-loss"]["kept"] == pytest.approx(told["path-loss"]["mean_kept"], abs=0.05)
    assert told["path-loss"]["mean_kept"] < told["neural"]["mean_kept"] < 1
    assert all(len(set(of_it["chosen"])) == 5 for of_it in told.values())
    assert len(twin_pictures.maps(found).axes) == 4


def test_beams_of_what_is_traced_are_better_than_those_of_few_measurements():
    found = beams(load_site("munich-28ghz"), ["traced", "kriging"], (0, 36), 150, 0, new_console())
    assert set(found["lost_db"]["kriging"]) == {"36"}  # before it has learnt it knows no beam
    assert set(found["lost_db"]["traced"]) == {"0", "36"}
    assert 0 <= found["lost_in_sight_db"]["traced"]["0"] < found["lost_hidden_db"]["traced"]["0"]
    assert found["lost_in_sight_db"]["traced"]["0"] < 3
    assert found["best"]["traced"]["0"] > found["best"]["kriging"]["36"] > 0.1
    assert 0 < found["common"] <= 150 * (1 - max(found["missed"]["traced"]["0"], found["missed"]["kriging"]["36"]))
    assert 0 <= found["lost_common_db"]["traced"]["0"] < found["lost_common_db"]["kriging"]["36"]
    assert all(seconds > 0 for by_count in found["latency_s"].values() for seconds in by_count.values())


def test_learning_together_is_drawn_as_it_was_found():
    figures = json.loads((RESULTS / "twins-federation.json").read_text(encoding="utf-8"))["figures"]
    learning, boxes = twin_pictures.federation(figures).axes
    for line in learning.lines:
        assert list(line.get_ydata()) == figures["mse_db2"][line.get_label()]
    assert {"federated, 3", "federated, 5"} <= {line.get_label() for line in learning.lines}
    assert boxes.get_yticklabels()[0].get_text() == "path-loss"


def test_accuracy_is_drawn_against_cost():
    figures = json.loads((RESULTS / "twins.json").read_text(encoding="utf-8"))["figures"]
    left, right = twin_pictures.cost(figures).axes
    assert len(left.lines) == len(right.lines) == len(figures["mae_db"])
    assert {text.get_text() for text in left.texts} == set(figures["mae_db"])
