"""Pictures: they show what the network knows and what was decided, and nothing else."""

import sys
from contextlib import nullcontext
from dataclasses import replace

import gymnasium
import numpy as np
import pygame
import pytest
from gymnasium.error import ResetNeeded
from ids import ENVIRONMENTS
from matplotlib.colors import to_rgb
from poison import poisoned

from twin_envs.base.errors import ConfigurationError, DependencyMissing
from twin_envs.envs.core.snapshot import Beam, Connection, Snapshot
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.feedback_interval import FeedbackIntervalEnv, FeedbackIntervalVectorEnv
from twin_envs.envs.faces.multi_agent import aec_env
from twin_envs.envs.rendering.history import History
from twin_envs.envs.rendering.layout import DECIDED, NEXT, Pen
from twin_envs.envs.rendering.map import frame_points, spread
from twin_envs.envs.rendering.picture import HEIGHT, WIDTH, Picture
from twin_envs.envs.rendering.renderer import Renderer

OPTIONS = {"num_ue": 3, "episode_slots": 200, "device": "cpu"}
SERVING_RED = "#b3001b"
MAP = np.s_[16:544, 16:608]
TABLE = np.s_[280:620, 628:]
EARLIER_PX = 266  # width of an earlier decision


def make(mode="rgb_array", seed=0, **options):
    env = FeedbackIntervalEnv(render_mode=mode, **{**OPTIONS, **options})
    env.reset(seed=seed)
    return env


def snapshot(ue_m=((20.0, 0.0), (-30.0, 10.0)), **changes):
    ue_m = np.array(ue_m, dtype=float)
    plain = Snapshot(
        time_s=0.1,
        ue_m=ue_m,
        ue_std_m=np.full(len(ue_m), 0.01),
        deciding=None,
        decided=None,
        decision="",
        serving=(0,),
        ue_rate=np.ones(len(ue_m)),
        rate=float(len(ue_m)),
        overhead=0.02,
        notes={"speed [m/s]": np.arange(len(ue_m))},
    )
    return replace(plain, **changes)


@pytest.fixture
def draw(site):
    """The frame of snapshots that follow one another."""

    def frame(*snapshots):
        picture = Picture(site, "twin", title="Toy", episode_s=1.0)
        for each in snapshots:
            picture.add(each)
        return picture.draw()

    return frame


def centre(frame, colour):
    """Mean place (x, y) in pixels, y upwards, of what has a colour on the map."""
    there = np.abs(frame[MAP] - 255 * np.array(to_rgb(colour))).max(-1) < 40
    rows, columns = np.nonzero(there)
    assert len(rows) > 20
    return np.array([columns.mean(), -rows.mean()])


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_draws_what_was_decided(name):
    env = gymnasium.make(f"twin_envs/{name}-v1", render_mode="rgb_array", **OPTIONS)
    env.reset(seed=1)
    env.action_space.seed(1)
    first = env.render()
    before = env.unwrapped.task.snapshot(0)
    assert (before.time_s, before.decided, before.decision) == (0.0, None, "")
    env.step(env.action_space.sample())
    after = env.unwrapped.task.snapshot(0)
    assert after.time_s > 0
    assert after.decision.startswith(f"UE {after.decided}")
    assert before.deciding in (None, after.decided)
    assert all(len(values) == OPTIONS["num_ue"] for values in (after.ue_m, after.ue_rate, *after.notes.values()))
    assert 0 <= after.overhead <= 1
    second = env.render()
    for frame in (first, second):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        assert frame.dtype == np.uint8
    assert (first != second).any()


@pytest.mark.parametrize("name", ["CsiProtocol", "PilotDensity", "BeamSelection", "TwinFidelity"])
def test_an_earlier_decision_is_told_in_one_line(name):
    """Not of association, which may name five APs."""
    env = gymnasium.make(f"twin_envs/{name}-v1", **{**OPTIONS, "episode_slots": 100_000})
    env.reset(seed=1)
    env.action_space.seed(1)
    pen = Pen(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    for _ in range(12):
        env.step(env.action_space.sample())
        decision = env.unwrapped.task.snapshot(0).decision.replace("UE ", "UE 1")
        assert pen.broken(decision, EARLIER_PX, 1, size_px=10) == [decision]


def test_a_chosen_period_is_said_in_slots_and_milliseconds():
    env = make(mode=None)
    for action, slots in enumerate(REPORT_PERIODS_SLOTS):
        asked = env.turn
        env.step(action)
        assert env.task.snapshot(0).decision == f"UE {asked}: reports again in {slots} slots ({slots / 2:g} ms)"


def test_a_snapshot_of_a_cell_agrees_with_what_the_step_tells():
    env = make(mode=None, dmrs_additional=1)
    recipe = env.core.site.recipe
    for _ in range(8):
        asked = env.turn
        _, reward, _, truncated, info = env.step(4)
        seen = env.task.snapshot(0)
        assert not truncated
        assert (seen.decided, seen.deciding) == (asked, info["ue"])
        now = round(seen.time_s / env.core.slot_s)
        window = ["DDDSU"[slot % 5] for slot in range(now - info["elapsed_slots"], now)]
        symbols = sum({"D": 13, "S": 9, "U": 0}[letter] for letter in window)  # all but PDCCH
        if not symbols:
            continue
        elements = symbols * recipe.carrier_blocks * 12
        possible = seen.ue_rate.sum() * elements / (200 * env.core.slot_s * recipe.bandwidth_hz)
        assert reward == pytest.approx(possible * (1 - seen.overhead), rel=1e-5)
        spent = (info["pilot_cost"] + info["feedback_cost"]) / possible
        dmrs = 2 * sum(letter != "U" for letter in window) / symbols
        assert seen.overhead == pytest.approx(spent + dmrs, rel=1e-5)
        measured = (now - 5) // 10 * 10  # the last CSI-RS early enough
        age_ms = 1e3 * env.core.slot_s * (now - max(measured, 0))
        assert seen.notes["CSI age [ms]"][info["ue"]] == pytest.approx(age_ms)
        assert (seen.notes["CSI age [ms]"] >= 0).all()
    assert seen.ue_rate.sum() > 0


def test_same_seed_same_frames_however_often_they_are_asked_for():
    often, seldom, other = make(num_ue=4), make(num_ue=4), make(num_ue=4, seed=1)
    for step in range(12):
        for env in (often, seldom, other):
            env.step(step % 10)
        frame = often.render()
    assert np.array_equal(frame, often.render())
    assert np.array_equal(frame, seldom.render())
    assert (frame != other.render()).any()
    for env in (often, other):
        env.reset(seed=5)
    assert np.array_equal(often.render(), other.render())


def test_no_picture_depends_on_reality():
    frames = []
    for hidden in (nullcontext, poisoned):
        env = make(mode=None)
        renderer = Renderer(env.task, 0, "rgb_array")
        renderer.begin()
        env.step(3)
        with hidden(env.core):
            renderer.look()
            frames.append(renderer.frame())
    assert np.array_equal(*frames)


def test_ues_are_drawn_where_they_are_to_one_scale_in_both_directions(draw):
    fixed = ((-60.0, -60.0), (60.0, 60.0))
    at = {
        (x, y): centre(draw(snapshot([(x, y), *fixed], decided=0)), DECIDED)
        for x, y in ((0.0, 0.0), (24.0, 0.0), (0.0, 24.0), (-24.0, 0.0))
    }
    right, up, left = (at[place] - at[0.0, 0.0] for place in ((24.0, 0.0), (0.0, 24.0), (-24.0, 0.0)))
    assert right[0] > 50
    assert right == pytest.approx([right[0], 0.0], abs=1.5)
    assert up == pytest.approx([0.0, right[0]], abs=1.5)
    assert left == pytest.approx(-right, abs=1.5)


def test_serving_aps_are_marked_where_they_are(draw, site):
    fixed = [(-85.0, -85.0), (85.0, 85.0)]
    for index, ap in enumerate(site.recipe.access_points[:3]):
        marked = centre(draw(snapshot(fixed, serving=(index,))), SERVING_RED)
        there = centre(draw(snapshot([ap.position_m[:2], *fixed], serving=(index,), decided=0)), DECIDED)
        assert np.abs(marked - there).max() < 20


def test_the_next_ue_is_marked_and_links_and_beams_are_drawn(draw):
    plain = draw(snapshot())
    assert (np.abs(draw(snapshot(deciding=1))[MAP] - plain[MAP].astype(int)) > 20).sum() > 100
    centre(draw(snapshot(deciding=1)), NEXT)

    def changed(**parts):
        return np.abs(draw(snapshot(**parts))[MAP] - plain[MAP].astype(int)).sum()

    faint, strong = (changed(links=(Connection(ap=0, ue=0, strength=s),)) for s in (0.2, 1.0))
    assert 0 < faint < strong
    narrow, wide = (changed(beams=(Beam(ap=0, azimuth_rad=-1.0, width_rad=w),)) for w in (0.2, 0.6))
    assert 2.5 < wide / narrow < 3.5
    centre(draw(snapshot(decided=1, beams=(Beam(ap=0, azimuth_rad=-1.0, width_rad=0.5, ue=1),))), DECIDED)


def test_a_long_decision_keeps_clear_of_the_table(draw):
    short = draw(snapshot(), snapshot(decided=0, decision="UE 0: stays"))
    long = draw(snapshot(), snapshot(decided=0, decision="UE 0: " + "served by another AP, " * 20))
    assert (short != long).any()
    assert np.array_equal(short[TABLE], long[TABLE])
    assert np.array_equal(short[MAP], long[MAP])


def test_what_is_not_known_is_drawn_without_a_number(draw):
    known, unknown = (draw(snapshot(notes={"coherence [ms]": np.array([1.0, v])})) for v in (2.0, np.nan))
    assert (known != unknown).any()


def test_words_are_broken_where_they_fit_and_end_where_they_do_not():
    pen = Pen(np.full((100, 400, 3), 255, np.uint8))
    text = "UE 4: served by square-east, square-west, town-hall-north and market"
    lines = pen.broken(text, 200, 5, size_px=14, bold=True)
    assert " ".join(lines) == text
    for y_px, line in enumerate(lines, start=1):
        pen.write(10, 15 * y_px, line, size_px=14, bold=True)
    columns = np.flatnonzero((pen.pixels < 128).any((0, 2)))
    assert 10 <= columns.min() < 13
    assert 150 < columns.max() <= 211
    (short,) = pen.broken(text, 200, 1)
    assert short.endswith("…")
    assert text.startswith(short[:-1])


def test_a_history_forgets_no_bit_and_shows_the_last_decisions():
    history, total, spent, track = History(snapshot=snapshot(time_s=0.0)), 0.0, 0.0, []
    lengths = np.random.default_rng(0).uniform(0.5, 2.0, 3000)
    for step, (length, time_s) in enumerate(zip(lengths, lengths.cumsum())):
        total, spent = total + 2 * step * length, spent + 1e-4 * step * length
        track.append(float(step))
        moved = snapshot(
            [(step, 0.0), (0.0, 0.0)], time_s=time_s, ue_rate=np.full(2, step), rate=2.0 * step, overhead=1e-4 * step
        )
        history.add(replace(moved, decided=0, decision=f"UE 0: {step}"))
    assert len(history.rate) == len(history.overhead) == len(history.time_s) - 1 == len(history.track_m) - 1 <= 1024
    assert history.rate @ np.diff(history.time_s) == pytest.approx(total)
    assert history.overhead @ np.diff(history.time_s) == pytest.approx(spent)
    assert set(history.track_m[1:, 0, 0]) <= set(track)
    assert history.time_s[-1] == pytest.approx(lengths.sum())
    assert history.track_m[-1, 0, 0] == 2999
    assert [said for _, said in history.decisions] == [f"UE 0: {step}" for step in (2999, 2998, 2997, 2996, 2995)]
    assert history.decisions[0][0] == pytest.approx(lengths[:-1].sum())  # decided when its window began


def test_the_part_of_the_site_that_is_shown_holds_all_and_stays_within():
    area = np.array([[-90.0, -90.0], [90.0, 90.0]])
    rng = np.random.default_rng(1)
    for size in (2.0, 30.0, 80.0):
        points = rng.uniform(-80, 80, 2) + rng.uniform(-size, size, (6, 2))
        low, high = frame_points(points, area, 1.2)
        assert (high - low) @ [1, -1.2] == pytest.approx(0)
        assert ((points > low) & (points < high)).all()
        extent = np.stack([np.minimum(area[0] - 4, points.min(0) - 10), np.maximum(area[1] + 4, points.max(0) + 10)])
        fits = high - low <= extent[1] - extent[0]
        assert ((low >= extent[0] - 1e-9) & (high <= extent[1] + 1e-9))[fits].all()


def test_numbers_of_ues_at_one_place_are_parted():
    places = spread(np.zeros((16, 2)), 5.0)
    distance = np.linalg.norm(places[:, None] - places, axis=-1) + 99 * np.eye(16)
    assert distance.min() > 4.0
    alone = np.array([[0.0, 0.0], [50.0, 0.0]])
    assert spread(alone, 5.0) == pytest.approx(alone, abs=0.01)


class Clock:
    ticks: list[float] = []  # noqa: RUF012

    def tick(self, frames_per_second):
        self.ticks.append(frames_per_second)


def test_a_window_shows_the_same_frames_by_itself(monkeypatch):
    monkeypatch.setattr(pygame.time, "Clock", Clock)
    Clock.ticks.clear()
    shown, array = make("human"), make()
    for action in (2, 7):
        for env in (shown, array):
            env.step(action)
        surface = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        assert np.array_equal(surface, array.render())
    assert Clock.ticks == 3 * [FeedbackIntervalEnv.metadata["render_fps"]]
    assert shown.render() is None
    shown.close()
    assert not pygame.display.get_init()
    shown.close()


def test_without_a_display_human_says_what_to_do(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "none-such")
    with pytest.raises(ConfigurationError, match=r"needs a display \(.*\); without one take 'rgb_array'"):
        make("human")


def test_a_batch_draws_each_environment_as_it_draws_itself():
    envs = FeedbackIntervalVectorEnv(2, render_mode="rgb_array", **{**OPTIONS, "episode_slots": 100})
    alone = [make(seed=seed, episode_slots=100) for seed in (3, 4)]
    envs.reset(seed=3)
    over = np.zeros(2, bool)
    for _ in range(12):  # past the end of an episode
        _, _, _, ended, _ = envs.step(np.array([4, 6]))
        for env, action, was_over in zip(alone, (4, 6), over):
            env.reset() if was_over else env.step(action)
        over = ended
    frames = envs.render()
    assert isinstance(frames, tuple)
    for frame, env in zip(frames, alone):
        assert np.array_equal(frame, env.render())
    assert (frames[0] != frames[1]).any()
    with pytest.raises(ConfigurationError, match="render_mode must be one of None, 'rgb_array', got 'human'"):
        FeedbackIntervalVectorEnv(2, render_mode="human")


def test_many_agents_have_pictures_too():
    env, single = aec_env("FeedbackInterval", render_mode="rgb_array", **OPTIONS), make(seed=2)
    env.reset(seed=2)
    for action in (1, 5):
        env.step(action)
        single.step(action)
    assert np.array_equal(env.render(), single.render())


def test_rendering_without_a_mode_warns_and_gives_nothing():
    with pytest.warns(UserWarning, match="made without a render_mode"):
        assert make(mode=None).render() is None
    envs = FeedbackIntervalVectorEnv(2, **OPTIONS)
    with pytest.warns(UserWarning, match="made without a render_mode"):
        assert envs.render() == (None, None)


def test_nothing_is_drawn_before_the_first_reset():
    with pytest.raises(ResetNeeded, match="call reset before render"):
        FeedbackIntervalEnv(render_mode="rgb_array", **OPTIONS).render()


@pytest.mark.parametrize(("package", "module"), [("matplotlib", "picture"), ("pygame", "window")])
def test_a_missing_extra_names_the_command(monkeypatch, package, module):
    for name in [n for n in sys.modules if n == f"{package}.figure" or n.endswith(f"rendering.{module}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyMissing, match=rf"'human' needs {package}.*: pip install '\.\[render\]'"):
        FeedbackIntervalEnv(render_mode="human", **OPTIONS)
    FeedbackIntervalEnv(**OPTIONS)
