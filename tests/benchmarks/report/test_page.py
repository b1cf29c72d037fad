import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from twin_envs.agents.core.contenders import contenders
from twin_envs.agents.csi_cell.rules import DOPPLER_CONSTANTS
from twin_envs.base.errors import ConfigurationError
from twin_envs.benchmarks.report import page as report
from twin_envs.benchmarks.report import pictures, site_map, snapshot
from twin_envs.benchmarks.report.drawing import COLOURS, colours, frame_uri
from twin_envs.benchmarks.report.site_map import SiteMap, Track
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.rendering.ground import Ground

MEANS = {
    "random": 20.1,
    **{f"fixed-{p}": 22.0 + 0.1 * i for i, p in enumerate(REPORT_PERIODS_SLOTS)},
    "best-fixed": 22.9,
    "doppler": 23.456,
    "twin": 24.1,
    "ppo": 23.2,
    "oracle": 25.0,
}
COMPARED = {"best-fixed - random": 2.8, "twin - best-fixed": 1.2, "ppo - best-fixed": 0.3, "oracle - twin": 0.9}
CHOSEN = {"fixed-320": {"mean": 22.9, "episodes": 48}, "fixed-4": {"mean": 22.0, "episodes": 6}}
HUES = colours({"reference": "doppler", "twins": ["twin"], "trained": ["ppo"]})
NAMES = ("best-fixed", "doppler", "twin", "ppo", "oracle")


def score(mean, half=0.4):
    return {"mean": mean, "low": mean - half, "high": mean + half}


@pytest.fixture(scope="module")
def document():
    result = {
        "policies": {name: score(mean) for name, mean in MEANS.items()},
        "paired": {name: score(mean) for name, mean in COMPARED.items()},
        "headroom": 25.0 / 22.9 - 1,
        "gap": {"gain_mae_db": 4.04, "best_ap_agreement": 0.87, "cosine_similarity": 0.7},
        "question": "When?",
        "roles": {
            "rivals": ["doppler", "twin", "ppo", "oracle"],
            "reference": "doppler",
            "twins": ["twin"],
            "best_twin": "twin",
            "trained": ["ppo"],
        },
        "site": {"name": "<toy> & co", "source": "a scene", "licence": "a licence"},
        "codec": {
            world: {str(b): {"nmse_db": -0.02 * b + shift, "sgcs": 0.7 + b / 2048} for b in (64, 128, 256, 512)}
            for world, shift in (("twin", 0.0), ("reality", 2.0))
        },
        "options": {"site": "munich", "codeword_bits": 256},
        "episodes": 96,
        "evaluation_seeds": [1_000_000, 1_000_095],
        "training_seeds": [0, 47],
        "chosen": {"best-fixed": {"choice": "fixed-320", "training_returns": CHOSEN}},
        "trained": {
            "ppo": {"steps": 200_000, "options": {"world": "twin"}, "learning_curve": [[8192, 20.0], [16384, 21.5]]}
        },
        "action_shares": {name: [[0.1] * 10] for name in ("doppler", "twin", "ppo", "oracle")},
        "action_names": [str(p) for p in REPORT_PERIODS_SLOTS],
        "best_fixed_by_speed": {
            "walking": {"best_period_slots": 80, "mean_contribution": {"4": 2.0, "80": 4.0, "320": 3.0}},
            "driving": {"best_period_slots": 4, "mean_contribution": {"4": 3.0, "80": 2.0, "320": 1.0}},
        },
        "headroom_by_uplink": {
            "5": {"best_period_slots": 40, "policies": {n: score(MEANS[n]) for n in ("best-fixed", "twin", "oracle")}},
            "40": {"best_period_slots": 80, "policies": {n: score(MEANS[n]) for n in ("best-fixed", "twin", "oracle")}},
        },
        "one_ue": {
            "options": {"num_ue": 1, "link": "<shannon>"},
            "episodes": 16,
            "optimum": 8.0,
            **{"fixed-4": 6.0, "fixed-80": 7.0, "fixed-320": 6.5, "twin": 7.5, "oracle": 7.25},
        },
    }
    origin = {
        "commit": "0123abc",
        "dirty": False,
        "versions": {"torch": "2.13.0"},
        "seed": 0,
        "arguments": {"quick": True},
    }
    return {"benchmark": "decisions", "provenance": origin, "figures": {"FeedbackInterval": result}}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    made = {}
    for name in NAMES:
        made[f"{name}/speed"] = np.concatenate([rng.uniform(0, 2, 200), rng.uniform(4, 14, 200)])
        made[f"{name}/action"] = np.where(made[f"{name}/speed"] > 3, 2, 8)  # 8 and 160 slots
        made[f"{name}/known"] = np.ones(400)
        made[f"{name}/twin_los_probability"] = rng.integers(0, 2, 400).astype(float)
    return made


@pytest.fixture(scope="module")
def site():
    x = np.linspace(0.0, 1.0, 61)
    tracks = [
        Track(
            time_s=np.linspace(0, 3, n),
            position_m=np.stack([np.linspace(10, 10 + 3 * v, n), np.full(n, 20.0)], 1),
            snr_db=np.linspace(10, 20, n),
            speed_m_s=v,
        )
        for v, n in ((9.0, 30), (0.0, 4), (1.3, 10))
    ]
    return SiteMap(
        name="<toy> & co",
        ground=Ground(
            area_m=(0.0, 0.0, 60.0, 40.0),
            height_m=np.where((np.arange(61) > 40)[None] & (np.arange(41) > 25)[:, None], 20.0, 0.0),
            ap_names=["south", "roof"],
            ap_m=np.array([[30.0, 5.0], [50.0, 30.0]]),
            ap_yaw_rad=np.array([1.5, -2.0]),
            serving=(1,),
            gain_db=-60.0 - 60.0 * np.broadcast_to(x, (41, 61)),
            strongest_db=-60.0,
        ),
        tracks=tracks,
    )


@pytest.fixture(scope="module")
def page(document, arrays, site):
    return report.render(document, arrays, site)


class Reader(HTMLParser):
    """Headings, cells of the tables and tags left open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.rows, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if "h2" in self.open:
            self.headings.append(text)
        elif "td" in self.open:
            self.rows[-1].append(text)


def test_page_is_whole_and_needs_nothing_else(page):
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.headings) == 9
    assert len(reader.links) == 9
    assert all(link.startswith("data:image/png;base64,") for link in reader.links)
    assert all(base64.b64decode(link.split(",")[1]).startswith(b"\x89PNG") for link in reader.links)
    assert not re.search(r"https?:|//cdn|<script|<link|@import|url\(", page)


def test_environment_without_studies_or_a_map_has_fewer_sections(document, arrays):
    result = dict(document["figures"]["FeedbackInterval"])
    for name in ("codec", "best_fixed_by_speed", "headroom_by_uplink", "one_ue"):
        del result[name]
    result["roles"] = {**result["roles"], "twins": [], "best_twin": None}
    seen = ("best-fixed", np.zeros((20, 30, 3), np.uint8))
    reader = Reader(report.render({**document, "figures": {"Other": result}}, {}, seen=seen))
    assert reader.open == []
    assert len(reader.headings) == 7
    assert len(reader.links) == 5


def test_actions_that_cannot_be_counted_are_not_drawn(document, arrays):
    result = document["figures"]["FeedbackInterval"] | {"action_shares": {"twin": [], "oracle": []}}
    page = report.render({**document, "figures": {"Other": result}}, {})
    assert len(Reader(page).links) == 6


def test_names_from_outside_are_escaped(page):
    assert "<toy>" not in page
    assert "&lt;toy&gt; &amp; co" in page


def test_tables_hold_the_numbers_of_the_json(page, document):
    rows = {row[0]: row[1:] for row in Reader(page).rows if row}
    result = document["figures"]["FeedbackInterval"]
    for name, expected in result["policies"].items():
        assert [float(cell) for cell in rows[name][:3]] == pytest.approx(
            [expected[k] for k in ("mean", "low", "high")], abs=5e-4
        )
        assert rows[name][3] == f"{100 * (expected['mean'] / 22.9 - 1):+.2f}%"
    for name, expected in result["paired"].items():
        assert [float(cell) for cell in rows[name]] == pytest.approx(
            [expected[k] for k in ("mean", "low", "high")], abs=5e-4
        )
    assert rows["mean absolute error of the gain, links that both worlds serve"] == ["4.0 dB"]
    assert rows["commit"] == ["0123abc"]
    assert json.loads(rows["options"][0]) == result["options"]
    assert rows["evaluation_seeds"] == ["1000000 to 1000095"]


def test_what_one_ue_earns_is_told_beside_the_optimum(page):
    rows = {row[0]: row[1:] for row in Reader(page).rows if row}
    assert rows["the optimum"] == ["8.000", "100.0%"]
    assert rows["the oracle's planner, which reads reality"] == ["7.250", "90.6%"]
    assert rows["the planner with the twin"] == ["7.500", "93.8%"]
    assert rows["fixed-80, the best fixed choice in these episodes"] == ["7.000", "87.5%"]
    assert "over 16 episodes" in page
    assert "&lt;shannon&gt;" in page
    assert "<shannon>" not in page


def test_the_oracle_is_not_said_to_be_a_bound(page):
    assert "It is no bound" in page


def test_other_json_is_refused(document, arrays, site):
    with pytest.raises(ConfigurationError, match=r"benchmarks\.decisions"):
        report.render({**document, "benchmark": "speed"}, arrays, site)


def test_results_that_are_missing_or_damaged_are_refused(tmp_path, document):
    path = tmp_path / "decisions.json"
    with pytest.raises(ConfigurationError, match=r"decisions\.json"):
        report.read_results(path)
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=r"\.npz"):
        report.read_results(path)
    np.savez(path.with_suffix(".npz"), a=np.arange(3))
    read, arrays = report.read_results(path)
    assert read == document
    assert arrays["a"].tolist() == [0, 1, 2]


def test_bars_are_as_long_as_the_means_and_sorted(document):
    axes = pictures.scores(document["figures"]["FeedbackInterval"]["policies"], HUES).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx(sorted(MEANS.values()))
    assert axes.get_xlim()[0] == 0.0
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [MEANS[name] for name in names] == pytest.approx(widths)
    assert to_hex(axes.patches[names.index("twin")].get_facecolor()) == COLOURS["twin"]
    assert any(set(line.get_xdata()) == {MEANS["oracle"]} for line in axes.lines)
    (intervals,) = (c for c in axes.collections if len(c.get_segments()) == len(names))
    for segment, name in zip(intervals.get_segments(), names, strict=True):
        assert segment[:, 0] == pytest.approx([MEANS[name] - 0.4, MEANS[name] + 0.4])


def test_differences_that_may_be_zero_are_hollow(document):
    axes = pictures.differences(document["figures"]["FeedbackInterval"]["paired"], HUES).axes[0]
    dots = {line.get_xdata()[0]: line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"}
    assert set(dots) == set(COMPARED.values())
    assert [mean for mean, colour in dots.items() if colour == "white"] == [0.3]


def test_chosen_periods_are_medians_over_speed(arrays):
    figure = pictures.chosen_periods(arrays, ["doppler", "twin"], HUES)
    assert [axes.get_title() for axes in figure.axes] == ["doppler", "twin"]
    for line in (line for axes in figure.axes for line in axes.lines):
        x, y = line.get_data()
        assert set(y[x > 3]) == {8.0}
        assert set(y[x < 2]) == {160.0}


def test_chosen_periods_leave_out_what_is_rare_or_unknown(arrays):
    few = {key: values[:400:50] for key, values in arrays.items()}
    assert not pictures.chosen_periods(few, ["twin"], HUES).axes[0].lines
    unknown = {**arrays, "twin/known": np.zeros(400)}
    assert not pictures.chosen_periods(unknown, ["twin"], HUES).axes[0].lines


def test_best_fixed_by_speed_has_its_stars_at_the_best_periods(document):
    classes = document["figures"]["FeedbackInterval"]["best_fixed_by_speed"]
    axes = pictures.best_fixed_by_speed(classes).axes[0]
    stars = [line.get_data() for line in axes.lines if line.get_marker() == "*"]
    assert [(int(x[0]), y[0]) for x, y in stars] == [(80, 1.0), (4, 1.0)]
    assert axes.lines[0].get_ydata() == pytest.approx([0.5, 1.0, 0.75])


def test_shares_of_actions_are_drawn_for_each_component():
    shares = {"twin": [[0.0, 1.0, 0.0], [0.5, 0.5]], "ppo": [[0.2, 0.3, 0.5], [1.0, 0.0]]}
    first, second = pictures.action_shares(shares, [], HUES).axes
    assert first.images[0].get_array().tolist() == [[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]
    assert {text.get_text() for text in second.texts} == {"50%", "100%"}
    assert [label.get_text() for label in first.get_yticklabels()] == ["twin", "ppo"]
    (axes,) = pictures.action_shares({"twin": [[0.5, 0.5]]}, ["short", "long"], HUES).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["short", "long"]


def test_learning_curve_and_headroom_show_the_figures(document):
    result = document["figures"]["FeedbackInterval"]
    line = pictures.learning_curve(result["trained"]["ppo"]["learning_curve"]).axes[0].lines[0]
    assert line.get_ydata().tolist() == [20.0, 21.5]
    assert line.get_xdata().tolist() == [8.192, 16.384]
    axes = pictures.headroom(result["headroom_by_uplink"]).axes[0]
    assert axes.lines[1].get_xdata().tolist() == [5, 40]
    assert axes.lines[1].get_ydata() == pytest.approx(2 * [result["headroom"]])


def test_codec_curves_show_both_worlds(document):
    nmse, sgcs = pictures.codec(document["figures"]["FeedbackInterval"]["codec"]).axes
    assert nmse.lines[1].get_ydata() == pytest.approx([2 - 0.02 * b for b in (64, 128, 256, 512)])
    assert sgcs.lines[0].get_xdata().tolist() == [64, 128, 256, 512]


def test_map_has_every_access_point_and_every_report(site):
    figure = site_map.draw(site)
    overview, _, near, reports, _ = figure.axes
    assert {text.get_text() for text in overview.texts} == {"", "south", "roof"}
    assert {"1", "2", "3"} <= {text.get_text() for text in near.texts}
    assert (overview.get_xlim(), overview.get_ylim()) == ((0.0, 60.0), (0.0, 40.0))
    for track in site.tracks:
        assert (np.array([near.get_xlim()[0], near.get_ylim()[0]]) < track.position_m).all()
        assert (np.array([near.get_xlim()[1], near.get_ylim()[1]]) > track.position_m).all()
    strokes = [len(points.get_offsets()) for points in reports.collections]
    assert strokes == [4, 10, 30]  # the slowest UE on top
    assert [label.get_text().split()[1] for label in reports.get_yticklabels()] == ["0.0", "1.3", "9.0"]


def test_numbers_on_the_map_keep_clear_of_each_other():
    taken = []
    for _ in range(5):
        taken.append(site_map.free_place(np.zeros(2), taken or [np.array([50.0, 0.0])], 2.0))
    apart = np.linalg.norm(np.array(taken)[:, None] - np.array(taken), axis=-1) + 9 * np.eye(5)
    assert apart.min() >= 2.0 - 1e-9
    assert np.linalg.norm(taken, axis=-1).max() <= 2.0 * 2.2


def test_snapshot_is_the_middle_of_the_first_evaluation_episode():
    result = {
        "roles": {"best_twin": "doppler"},
        "options": {"num_ue": 2, "episode_slots": 100},
        "evaluation_seeds": [1_000_000, 1_000_003],
        "chosen": {"best-fixed": {"choice": "fixed-40"}, "doppler": {"choice": DOPPLER_CONSTANTS[0]}},
    }
    name, frame = snapshot.picture("FeedbackInterval", result)
    assert name == "doppler"
    assert frame.dtype == np.uint8
    candidates = contenders("FeedbackInterval")
    assert snapshot.policy_named(candidates, name, result["chosen"]).constant == DOPPLER_CONSTANTS[0]
    assert snapshot.policy_named(candidates, "best-fixed", result["chosen"]).action == 6
    png = base64.b64decode(frame_uri(frame).split(",")[1])
    assert np.array_equal(np.round(imread(io.BytesIO(png))[..., :3] * 255).astype(np.uint8), frame)


def test_episode_for_the_map_is_what_the_network_saw(monkeypatch):
    monkeypatch.setattr(site_map, "EPISODE_SLOTS", 400)
    options = {"num_ue": 3}
    site = site_map.collect("FeedbackInterval", options, seed=1_000_000)
    times = np.sort(np.concatenate([track.time_s for track in site.tracks]))
    slots = times / 0.5e-3
    assert slots == pytest.approx(np.round(slots), abs=1e-5)
    assert slots[0] == 0
    assert (np.round(slots[slots > 0.5]) % 5 == 4).all()  # the uplink slots of DDDSU
    x0, y0, x1, y1 = site.ground.area_m
    for track in site.tracks:
        assert len(track.time_s) == len(track.position_m) == len(track.snr_db)
        assert ((track.position_m > (x0 - 20, y0 - 20)) & (track.position_m < (x1 + 20, y1 + 20))).all()  # GNSS errs
    assert site.ground.gain_db.shape == (121, 121)
    assert np.isnan(site.ground.gain_db).any()


def test_codecs_stand_at_what_their_reports_hold_in_either_world():
    def report(twin, reality):
        worlds = {"twin": twin, "reality": reality}
        return {
            world: dict(zip(("bits", "sgcs", "nmse_db", "rate"), (bits, sgcs, -8.0, 20.0)))
            for world, (bits, sgcs) in worlds.items()
        }

    about = {
        "path": {
            "bound": False,
            "reports": {"35": report((42, 0.87), (42, 0.85)), "56": report((63, 0.93), (63, 0.9))},
        },
        "path-twin": {"bound": False, "reports": {"30": report((25, 0.87), (26, 0.85))}},
        "uncompressed": {"bound": True, "reports": {"64": report((98304, 1.0), (98304, 1.0))}},
    }
    panels = pictures.codecs({"codecs": about}).axes
    assert len(panels) == 6
    for axes, bits in zip(panels, 3 * [[[42, 63], [25]]] + 3 * [[[42, 63], [26]]]):
        assert [list(line.get_xdata()) for line in axes.lines] == bits
        assert [line.get_label() for line in axes.lines] == ["path", "path-twin"]
    assert list(panels[0].lines[0].get_ydata()) == pytest.approx([0.13, 0.07])
    assert list(panels[5].lines[0].get_ydata()) == [20.0, 20.0]
