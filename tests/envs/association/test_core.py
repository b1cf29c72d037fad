"""The core of networks: what is delivered and spent, what is measured, and what depends on what."""

from itertools import pairwise

import pytest
import torch

from twin_envs.csi.joint import SRS_PERIOD_SLOTS
from twin_envs.csi.nr.overhead import csi_rs_resource_elements
from twin_envs.envs.association.configuration import AssociationConfig, SelectionConfig
from twin_envs.envs.association.core import LINK_SLOTS, AssociationCore
from twin_envs.envs.association.view import GAIN_FLOOR_DB

SMALL = {"num_ue": 4, "episode_slots": 400, "link": "shannon", "cluster_size": 3}
NUM_ENVS = 4
ROWS = torch.arange(NUM_ENVS)


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


def make(num_envs=NUM_ENVS, rows=None, **options):
    core = AssociationCore(AssociationConfig(**{**SMALL, **options}), num_envs, torch.device("cpu"))
    rows = torch.arange(num_envs) if rows is None else rows
    core.reset(rows, rows + 100)
    return core


def by_gain(core, rows=None):
    """Scores by the gains that the UEs whose turn it is have measured; nothing is probed."""
    rows = torch.arange(core.num_envs) if rows is None else rows
    state = core.network.state
    scores = (state.gain_db[rows, state.turn[rows]] - GAIN_FLOOR_DB) / 140
    least = scores.topk(core.config.cluster_size).values[:, -1:]
    return torch.where(scores >= least, scores, 0.0)


def play(core, decide=by_gain):
    """All outcomes of an episode."""
    outcomes, rows = [], torch.arange(core.num_envs)
    while not outcomes or not outcomes[-1].truncated.all():
        outcomes.append(core.step(rows, decide(core)))
    return outcomes


def total(outcomes, name):
    return torch.stack([o.info[name] if name in o.info else getattr(o, name) for o in outcomes]).double().sum(0)


def test_turns_are_staggered_evenly_and_fill_the_episode():
    core = make(num_ue=3, decision_slots=200)
    turns, elapsed = [], []
    for outcome in play(core):
        turns.append(outcome.ue.tolist())
        elapsed.append(int(outcome.elapsed_slots[0]))
    assert turns == [[k % 3] * NUM_ENVS for k in range(6)]
    assert elapsed == [66, 67, 67, 66, 67, 67]


def test_a_last_window_ends_with_the_episode():
    core = make(num_ue=1, decision_slots=300)
    outcomes = play(core)
    assert [int(o.elapsed_slots[0]) for o in outcomes] == [300, 100]
    assert [bool(o.truncated[0]) for o in outcomes] == [False, True]


def test_at_the_start_those_that_each_ue_hears_best_serve_it():
    core = make(num_ue=1)
    state = core.network.state
    best = state.gain_db[:, 0].topk(3).indices
    assert state.serving[:, 0].gather(1, best).all()
    assert (state.serving.sum(-1) == 3).all()
    assert (state.measured_slots == 0).all()


def test_no_ap_is_given_more_than_its_load():
    core = make(num_ue=8, cluster_size=5, ap_load=4 if make().network.aps >= 10 else 5)
    assert core.network.load(ROWS).max() <= core.config.ap_load
    for _ in range(12):
        core.step(ROWS, torch.rand(NUM_ENVS, core.network.aps, generator=torch.Generator().manual_seed(0)))
        assert core.network.load(ROWS).max() <= core.config.ap_load


def test_costs_are_what_their_resource_elements_could_have_carried():
    core = make(interruption_slots=0, uplink_price=2.0)
    config, recipe = core.config, core.site.recipe
    whole = config.episode_slots * core.slot_s * recipe.bandwidth_hz
    srs = recipe.csi_blocks * 12 // 4
    for step in range(8):
        scores = torch.linspace(0.1, 1.0, core.network.aps).roll(step).expand(NUM_ENVS, -1)
        outcome = core.step(ROWS, scores)
        bits = core.network.state.bits_per_re
        # 50 slots are 10 periods of 3 slots with 14 symbols and one with 10, less PDCCH and two of DM-RS in each
        data = torch.full((NUM_ENVS,), 10 * (3 * 11 + 7) * recipe.carrier_blocks * 12)
        assert (outcome.elapsed_slots == 50).all()
        torch.testing.assert_close(outcome.delivered_by_ue, bits * (data / whole)[:, None])
        last = outcome.truncated
        who = core.network.state.turn
        measured = core.network.state.serving[ROWS, who].sum(-1) + core.network.state.probing[ROWS, who].sum(-1)
        probes = csi_rs_resource_elements(core.reality.atlas.antenna_m.shape[1], 1.0, recipe.csi_blocks)
        sounding = 2.0 * config.num_ue * srs * outcome.elapsed_slots / SRS_PERIOD_SLOTS
        sounding += 8 * 4 * 240 * 50 / 40  # SSBs: 8 of 4 symbols and 240 subcarriers every 20 ms
        pilots = torch.where(last, 0, measured * probes) + sounding
        torch.testing.assert_close(outcome.info["pilot_cost"], bits.sum(-1) * pilots / whole)
        elements = outcome.info["feedback_cost"] * whole / bits.sum(-1) / 2.0
        assert (elements[last] == 0).all()
        blocks = elements / 168
        torch.testing.assert_close(blocks, blocks.round(), rtol=0, atol=0.02)
        sent = 80 + 14 * measured + 11  # header, index and gain of each AP, CRC
        least, most = (torch.ceil(sent / (bits * 144)) for bits in (6 * 948 / 1024, 2 * 30 / 1024))
        assert ((blocks.round() >= least) & (blocks.round() <= most))[~last].all()
        own = bits[ROWS, outcome.ue]
        torch.testing.assert_close(
            outcome.info["signalling_cost"], own * outcome.info["added_aps"] * config.signalling_elements / whole
        )
        torch.testing.assert_close(
            core.network.state.overhead, (pilots + 2.0 * torch.where(last, 0, elements)) / data, rtol=1e-4, atol=0
        )


def test_probing_costs_pilots_and_feedback_and_changes_nothing_else():
    def blind(core):
        serving = (torch.arange(core.network.aps) + core.network.state.now_slots[0] // 100) % core.network.aps < 3
        return serving.float().expand(NUM_ENVS, -1)

    without = play(make(), blind)
    most = play(make(), lambda core: blind(core).clamp_min(1e-3))
    for name in ("delivered_by_ue", "signalling_cost", "added_aps"):
        assert torch.equal(total(without, name), total(most, name)), name
    assert (total(without, "pilot_cost") < total(most, "pilot_cost")).all()
    # More gains may fit into the same resource block.
    assert (total(without, "feedback_cost") <= total(most, "feedback_cost")).all()
    assert (total(without, "feedback_cost") < total(most, "feedback_cost")).any()


def test_a_change_interrupts_the_data_of_its_ue_alone_and_for_its_time():
    assert LINK_SLOTS == 25  # a window of 100 slots is looked at in four parts of 25
    got = {}
    for slots in (0, 25, 30, 50, 100):
        core = make(num_ue=2, interruption_slots=slots)
        scores = core.network.state.gain_db[:, 0] - GAIN_FLOOR_DB
        second = scores.topk(2).indices[:, 1:]
        got[slots] = core.step(ROWS, scores.scatter(1, second, 0.0)).delivered_by_ue  # another takes its place
        assert torch.equal(got[slots][:, 1], got[0][:, 1])
        kept = core.step(ROWS, core.network.state.serving[:, 1].float()).delivered_by_ue
        got[0, slots] = kept
        assert torch.equal(kept, got[0, 0])  # nothing was added, and the interruption is over
    own = {slots: got[slots][:, 0] for slots in (0, 25, 30, 50, 100)}
    assert (own[0] > own[25]).all()
    torch.testing.assert_close(own[30], own[25] - (own[25] - own[50]) / 5)
    assert (own[100] == 0).all()


def test_a_whole_window_can_be_lost():
    core = make(num_ue=4, interruption_slots=400)
    core.step(ROWS, torch.arange(core.network.aps).expand(NUM_ENVS, -1) / core.network.aps)
    assert (core.network.state.bits_per_re[:, 0] == 0).all()
    assert (core.network.state.bits_per_re[:, 1:].sum(-1) > 0).all()


def test_measured_gains_are_the_true_ones_to_fading_and_a_decibel():
    core = make(num_ue=8, ap_load=16, population="vehicles")
    errors = []
    for _ in range(8):
        core.step(ROWS, torch.ones(NUM_ENVS, core.network.aps))
        state, who = core.network.state, core.network.state.turn
        position = core.reality.position(ROWS, state.now_slots * core.slot_s)[0][ROWS, who]
        h = core.reality.channels(position[:, None])[:, 0]
        true_db = 10 * torch.log10(h.abs().square().mean((-1, -2)).clamp_min(1e-20))
        fresh = state.measured_slots[ROWS, who] == state.now_slots[:, None]
        assert torch.equal(fresh, state.serving[ROWS, who] | state.probing[ROWS, who])
        heard = fresh & (true_db > 10 * torch.log10(torch.tensor(core.noise)) + 10)
        errors.append((state.gain_db[ROWS, who] - true_db)[heard])
    error_db = torch.cat(errors)
    assert len(error_db) > 50
    assert error_db.abs().max() < 2.5
    assert error_db.abs().median() < 0.5
    assert (core.network.state.gain_db == core.network.state.gain_db.round()).all()


def test_what_is_not_asked_for_keeps_its_old_gain():
    core = make()
    before = core.network.state.gain_db.clone()
    for _ in range(5):
        core.step(ROWS, by_gain(core))
    state = core.network.state
    old = state.measured_slots == 0
    assert old.any()
    assert torch.equal(state.gain_db[old], before[old])
    assert ((state.measured_slots > 0) <= (state.serving | state.probing)).float().mean() > 0.9


def test_environments_that_wait_do_not_change_and_do_not_matter():
    alone, among = make(), make()
    some = torch.tensor([1, 3])
    for _ in range(5):
        alone.step(some, by_gain(alone, some))
        among.step(ROWS, by_gain(among))
    for name in ("serving", "gain_db", "bits_per_re", "offset_db", "measured_slots", "now_slots"):
        assert torch.equal(getattr(alone.network.state, name)[some], getattr(among.network.state, name)[some]), name
    assert (alone.network.state.now_slots[torch.tensor([0, 2])] == 0).all()


def test_a_single_network_is_that_of_the_batch():
    batch, single = make(), make(1, torch.tensor([0]))
    for _ in range(8):
        many, one = batch.step(ROWS, by_gain(batch)), single.step(torch.tensor([0]), by_gain(single))
        for name, value in {"truncated": one.truncated, **one.info}.items():
            assert torch.equal(value[0], {"truncated": many.truncated, **many.info}[name][0]), name


def test_worse_receivers_never_help():
    returns = []
    for scale in (1.0, 100.0, 10_000.0):
        core = make(num_ue=2)
        core.reality.noise *= scale
        returns.append(total(play(core), "delivered_by_ue").sum(-1))
    assert (returns[0] > returns[1]).all()
    assert (returns[1] > returns[2]).all()


def test_a_pedestrian_alone_gains_by_every_ap_of_its_cluster():
    still = {"num_ue": 1, "interruption_slots": 0, "population": "walkers"}
    returns = [total(play(make(cluster_size=k, **still)), "delivered_by_ue") for k in (1, 3, 5)]
    assert (returns[0] < returns[1]).all()
    assert (returns[1] <= returns[2]).all()


@pytest.mark.parametrize("time_s", [0.0, 0.0123, 0.2])
def test_pilots_are_at_most_a_period_old_and_none_is_from_before_the_start(time_s):
    core, periods = make(num_ue=4, population="vehicles"), 2
    reality, slots = core.reality, time_s / core.slot_s
    sounded = reality.sounded(ROWS, torch.full((NUM_ENVS,), time_s))
    for ue in range(4):
        sent = [first + 2.5 * ue for first in range(-periods * SRS_PERIOD_SLOTS, 1000, SRS_PERIOD_SLOTS)]
        last = max(0.0, max(slot for slot in sent if slot <= slots + 1e-6))
        assert 0 <= slots - last < SRS_PERIOD_SLOTS
        expected, _ = reality.position(ROWS, torch.full((NUM_ENVS,), last * core.slot_s, dtype=torch.float64))
        torch.testing.assert_close(sounded[:, ue], expected[:, ue], atol=1e-4, rtol=0)


def test_older_pilots_never_help_and_cost_only_those_who_move(monkeypatch):
    """In 1.25 ms a walker makes 2 mm, a vehicle a quarter of the wavelength at most; after that the loss saturates."""
    returns = {}
    for population in ("walkers", "vehicles"):
        for period in (0.01, 2.5, 10, 40):
            monkeypatch.setattr("twin_envs.envs.reality.network.SRS_PERIOD_SLOTS", period)
            outcomes = play(make(population=population, num_ue=4))
            returns[population, period] = float(total(outcomes, "delivered_by_ue").sum())
    for population in ("walkers", "vehicles"):
        assert all(returns[population, a] > returns[population, b] for a, b in pairwise((0.01, 2.5, 10, 40)))
    lost = {p: 1 - returns[p, 2.5] / returns[p, 0.01] for p in ("walkers", "vehicles")}
    assert lost["vehicles"] > 3 * lost["walkers"]


def test_nr_delivers_less_than_shannon():
    shannon, nr = (total(play(make(link=link)), "delivered_by_ue").sum(-1) for link in ("shannon", "nr"))
    assert (nr < shannon).all()


def test_strong_aps_deliver_more_than_weak_ones():
    def worst(core):
        return 1 - by_gain(core)

    good, bad = (total(play(make(), decide), "delivered_by_ue").sum(-1) for decide in (by_gain, worst))
    assert (good > 1.5 * bad).all()


def test_a_selected_ap_is_the_only_one_that_serves():
    core = AssociationCore(SelectionConfig(num_ue=3, episode_slots=400), NUM_ENVS, torch.device("cpu"))
    core.reset(ROWS, ROWS)
    assert (core.network.state.serving.sum(-1) == 1).all()
