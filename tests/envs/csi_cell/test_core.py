"""The cell's books: who reports when, what is delivered, what CSI costs, and what must hold in physics on average."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from twin_envs.csi.nr.pilots import PILOT_SPACINGS
from twin_envs.csi.similarity import squared_cosine
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS
from twin_envs.envs.csi_cell.view import AGE_EDGES_SLOTS, FIRST_OFFSETS_DB

NUM_ENVS = 12
ROWS = torch.arange(NUM_ENVS)
EPISODE_SLOTS, SLOT_S, BANDWIDTH_HZ = 240, 0.5e-3, 20e6
CARRIER_BLOCKS = 51  # of a carrier of 20 MHz at 30 kHz (TS 38.101-1, table 5.3.2-1)
DATA_ELEMENTS = CARRIER_BLOCKS * 12 * (14 - 1 - 1)  # of a slot: one symbol of PDCCH, one of DM-RS


def draw(seed, choices, count=NUM_ENVS):
    return torch.from_numpy(np.random.default_rng(seed).choice(choices, count))


def walk(cell, decide, seed=0):
    """Play with random decisions; yields the due times before each step, the rows that took it, and its outcome."""
    rows, step = ROWS, 0
    while len(rows):
        periods = draw((seed, step), REPORT_PERIODS_SLOTS)[rows]
        spacing = draw((seed, step, 1), PILOT_SPACINGS)[rows]
        due, now = cell.network.state.due_slots.clone(), cell.network.state.now_slots.clone()
        who = cell.network.state.turn[rows]
        due[rows, who] = cell.network.state.now_slots[rows] + periods
        outcome = cell.step(rows, decide(cell, periods, spacing))
        yield due[rows], now[rows], rows, outcome
        rows, step = rows[~outcome.truncated], step + 1


@pytest.mark.parametrize("share", [0.005, 0.02, 1.0])
@pytest.mark.parametrize("pattern", ["DDDSU", "DDDSUU"])
def test_reports_wait_for_room_in_the_uplink_the_earliest_due_first(make_cell, decide, share, pattern):
    cell = make_cell(csi_uplink_share=share, tdd_pattern=pattern)
    credit, elapsed, reports = np.zeros(NUM_ENVS), torch.zeros(NUM_ENVS), torch.zeros(NUM_ENVS)
    for due, now, rows, outcome in walk(cell, decide):
        state = cell.network.state
        until, who = state.now_slots[rows], state.turn[rows]
        went = ~outcome.truncated
        assert (outcome.elapsed_slots == until - now).all()
        assert (due.gather(1, who[:, None])[:, 0] == due.amin(1)).all()
        assert (until[~went] == EPISODE_SLOTS).all()
        for row, first, last, earliest, blocks in zip(
            rows[went].tolist(),
            now[went].tolist(),
            until[went].tolist(),
            due.amin(1)[went].tolist(),
            state.blocks[rows[went], who[went]].tolist(),
            strict=True,
        ):
            # Slot by slot: each uplink slot adds the share of its blocks, and the report goes in the first that has
            # room for it once it is due. With the site's links a slot is enough for any report.
            slot = first
            while pattern[slot % len(pattern)] != "U" or slot < earliest or credit[row] < blocks - 1e-3:
                slot += 1
                if pattern[slot % len(pattern)] == "U":
                    credit[row] = min(credit[row] + share * CARRIER_BLOCKS, CARRIER_BLOCKS)
            assert slot == last
            credit[row] -= blocks
        elapsed[rows] += outcome.elapsed_slots
        reports[rows] += went
    assert (elapsed == EPISODE_SLOTS).all()
    assert reports.min() > 2
    uplink_slots = EPISODE_SLOTS * pattern.count("U") / len(pattern)
    assert (reports <= share * CARRIER_BLOCKS * uplink_slots + 1).all()


def test_a_longer_report_keeps_the_others_waiting(make_cell, decide):
    """At the edge of the uplink's power, 64 bits need fewer blocks than 512."""
    options = {"codec": "csinet", "ue_power_dbm": -36.0, "csi_uplink_share": 0.05}
    short, long = (make_cell(codeword_bits=bits, **options) for bits in (64, 512))
    reports = {}
    for cell in (short, long):
        outcomes = [outcome for *_, outcome in walk(cell, decide)]
        reports[cell] = sum(float((~outcome.truncated).sum()) for outcome in outcomes)
    assert short.network.state.blocks.float().mean() < 0.5 * long.network.state.blocks.float().mean()
    assert reports[short] > 1.1 * reports[long]


def test_a_smaller_share_of_the_uplink_delivers_less(play):
    """With a hundredth of the uplink a vehicle reports in 30 slots, in which it moves by a wavelength or so."""
    shares = (1.0, 0.01, 0.002)
    delivered = [play(4, csi_uplink_share=share, population="vehicles")["delivered"].mean() for share in shares]
    assert delivered[0] > 1.02 * delivered[1] > 1.02 * delivered[2]


@pytest.mark.parametrize(("csi_rs", "period"), [("aperiodic", 0), ("periodic", 20), ("periodic", 80)])
def test_a_report_is_about_the_last_csi_rs_five_slots_before_it(make_cell, decide, csi_rs, period):
    cell, similar = make_cell(csi_rs=csi_rs, csi_rs_period_slots=period or 20, population="vehicles"), []
    for _, _, rows, outcome in walk(cell, decide):
        went = ~outcome.truncated
        some, state = rows[went], cell.network.state
        until, who = state.now_slots[some], state.turn[some]
        # At 30 kHz 69 symbols are five slots; five slots before a U of DDDSU is a U, and before that one is an S.
        measured = (until - 5) // period * period if period else until - 6
        assert torch.equal(state.report_slots[some, who], measured.clamp_min(0))
        for slots in (measured, until) if len(some) else ():
            position, _ = cell.reality.position(some, slots * SLOT_S)
            h = cell.reality.channel(some, position, cell.network.subband_hz, synchronised=True)
            own = h[torch.arange(len(some)), who]
            similar.append(squared_cosine(own, state.h_hat[some, :, who]).mean())
    assert sum(similar[::2]) > sum(similar[1::2])


def test_the_age_of_csi_is_the_time_since_the_last_was_measured(make_cell, decide):
    cell = make_cell(num_ue=2)
    last = np.zeros((NUM_ENVS, 2), int)
    for _, _, rows, outcome in walk(cell, decide):
        until, who = cell.network.state.now_slots[rows], cell.network.state.turn[rows]
        assert outcome.info["csi_age_slots"].tolist() == (until.numpy() - last[rows, who]).tolist()
        went = (~outcome.truncated).numpy()
        last[rows[went], who[went]] = (until[went] - 6).clamp_min(0)


def downlink(pattern, start, until):
    """Slots with downlink and downlink symbols, counted slot by slot."""
    letters = [pattern[slot % len(pattern)] for slot in range(start, until)]
    return sum(letter != "U" for letter in letters), sum({"D": 14, "S": 10, "U": 0}[letter] for letter in letters)


@pytest.mark.parametrize(
    ("csi_rs", "codec", "bits"),
    [("aperiodic", "csinet", 128), ("periodic", "csinet", 128), ("periodic", "path-twin", 124)],
)
def test_delivered_and_costs_are_resource_elements_at_the_cells_rate(make_cell, decide, csi_rs, codec, bits):
    cell = make_cell(link="nr", uplink_price=3.0, codec=codec, codeword_bits=bits, csi_rs=csi_rs, ue_power_dbm=0.0)
    told = {"csinet": 0, "path-twin": cell.network.codec.downlink_bits}[codec]
    spacing = torch.ones(NUM_ENVS, 3, dtype=torch.int64)
    reporter = cell.network.state.turn.clone()
    thermal_w = 1.380649e-23 * 290 * 30e3 * 10**0.5  # in a subcarrier, noise figure 5 dB
    for step, (due, now, rows, outcome) in enumerate(walk(cell, decide)):
        spacing[rows, reporter[rows]] = draw((0, step, 1), PILOT_SPACINGS)[rows]  # asked of who reported before
        state, scale = cell.network.state, 1 / (EPISODE_SLOTS * SLOT_S * BANDWIDTH_HZ)
        who, until = state.turn[rows], state.now_slots[rows]
        rate = state.bits_per_re[rows].sum(1) * scale
        counts = [downlink("DDDSU", int(a), int(b)) for a, b in zip(now, until, strict=True)]
        elements = torch.tensor([(symbols - 2 * slots) * CARRIER_BLOCKS * 12.0 for slots, symbols in counts])
        torch.testing.assert_close(outcome.delivered, rate * elements)
        paid = (~outcome.truncated).float()
        if csi_rs == "aperiodic":
            torch.testing.assert_close(outcome.info["pilot_cost"], paid * rate * 32 * (48 / spacing[rows, who]))
        else:
            occasions = [sum(slot % 10 == 0 for slot in range(a, b)) for a, b in zip(now, until, strict=True)]
            common = rate * 32 * 48 * torch.tensor(occasions)
            torch.testing.assert_close(outcome.info["pilot_cost"], common)
            each = outcome.by_ue + outcome.info["pilot_cost"][:, None] / 3  # all pay the same part of what is common
            others = torch.ones_like(each, dtype=torch.bool).scatter(1, who[:, None], False)
            torch.testing.assert_close(each[others], outcome.delivered_by_ue[others])
        at = (due.gather(1, who[:, None])[:, 0].maximum(now) + 5) // 5 * 5 - 1  # the first uplink slot from then on
        position = cell.reality.position(rows, at * SLOT_S)[0]
        gain = cell.reality.gain(rows, position[torch.arange(len(rows)), who])
        fed_back = []
        for g in gain.tolist():
            blocks = 1
            while True:
                snr = g * 32 * 1e-3 / (12 * blocks) / thermal_w  # 0 dBm over the blocks
                bits_per_re = min(max(math.log2(1 + snr), 2 * 30 / 1024), 6 * 948 / 1024)
                if blocks * 144 * bits_per_re >= bits + 7 + 11:  # the codeword, the level, CRC
                    break
                blocks += 1
            fed_back.append(blocks * 168.0)
        feedback = rate * torch.tensor(fed_back) * 3.0 + told * scale  # what a UE is told takes the place of its data
        torch.testing.assert_close(outcome.info["feedback_cost"], paid * feedback)
        costs = outcome.info["pilot_cost"] + outcome.info["feedback_cost"]
        torch.testing.assert_close(outcome.reward, outcome.delivered - costs)
        reporter = cell.network.state.turn.clone()


def test_reports_of_one_slot_pass_no_time_and_share_its_blocks(make_cell, decide):
    cell = make_cell(num_ue=4, csi_rs="periodic")
    same = 0
    for *_, outcome in walk(cell, decide):
        still = (outcome.elapsed_slots == 0) & ~outcome.truncated
        same += int(still.sum())
        assert (outcome.delivered[still] == 0).all()
        assert (outcome.reward[still] < 0).all()
    assert same > NUM_ENVS


def test_ues_that_share_an_occasion_meet_noise_of_their_own_and_one_ue_the_same_noise_twice(make_cell, decide):
    cell = make_cell(csi_rs="periodic", csi_rs_period_slots=160, estimator="ls", neighbour_load=1.0)
    decoded = {}
    for _, _, rows, outcome in walk(cell, decide):
        state = cell.network.state
        for row in rows[~outcome.truncated].tolist():
            ue = int(state.turn[row])
            key = (row, ue, int(state.report_slots[row, ue]))
            h_hat = state.h_hat[row, :, ue].clone()
            if key in decoded and int(state.reports_apart_slots[row, ue]) == 0:
                torch.testing.assert_close(decoded[key], h_hat)
            decoded[key] = h_hat
    assert len(decoded) > NUM_ENVS


def test_rates_are_those_of_an_independent_calculation(make_cell, decide):
    """Shannon's rate, averaged over the middles of the halves of a window of 19 slots, for UEs that move.

    Data is equalised with the channel as estimated at the DM-RS in symbols 2 and 11, with the channel of every symbol.
    """
    cell = make_cell(population="vehicles", frequency_tracking=False, dmrs_additional=1, tdd_pattern="D" * 19 + "U")
    data = [symbol for symbol in range(1, 14) if symbol not in (2, 11)]
    share = np.clip((np.array(data) - 2) / 9, 0, 1)  # of the second DM-RS symbol in the estimate
    pilot_noise = np.mean((1 - share) ** 2 + share**2) / 48  # averaged over 4 blocks of 12 resource elements
    w = cell.network.state.w[ROWS].numpy().astype(complex)
    np.testing.assert_allclose((np.abs(w) ** 2).sum((2, 3)), 1.0, rtol=1e-4)
    rate = np.zeros((NUM_ENVS, 3))
    for half in range(2):
        time_s = torch.full((NUM_ENVS,), (half + 0.5) * 19 / 2 * SLOT_S)
        position, velocity = cell.reality.position(ROWS, time_s)
        h = cell.reality.channel(ROWS, position, cell.network.subband_hz).numpy().astype(complex)
        symbols = []
        for symbol in range(14):
            moved, _ = cell.reality.position(ROWS, time_s.double() + (symbol - 6.5) * SLOT_S / 14)
            symbols.append(cell.reality.channel(ROWS, moved, cell.network.subband_hz).numpy().astype(complex))
        for env, ue, band in np.ndindex(NUM_ENVS, 3, 6):
            power = np.abs(h[env, ue, band] @ w[env, band]) ** 2
            disturbance = (power.sum() - power[ue] + cell.noise) / power[ue]
            own = np.array([at[env, ue, band] @ w[env, band, :, ue] for at in symbols])
            error = own[data] - (1 - share) * own[2] - share * own[11]
            disturbance += pilot_noise * disturbance + np.mean(np.abs(error) ** 2) / power[ue]
            rate[env, ue] += math.log2(1 + 1 / disturbance) / (2 * 6)
    assert velocity.norm(dim=-1).max() > 8
    outcome = cell.schedule(ROWS, torch.zeros_like(ROWS))
    assert (outcome.elapsed_slots == 19).all()
    np.testing.assert_allclose(cell.network.state.bits_per_re.numpy(), rate, rtol=2e-3, atol=1e-4)


def test_the_precoder_takes_the_codecs_error_for_noise(make_cell):
    cell = make_cell(codec="csinet", codeword_bits=64)
    h = cell.network.state.h_hat.numpy().astype(complex)  # [B, F, U, A]
    error_share = cell.network.codec_nmse(torch.tensor([64])).item()
    assert 0.05 < error_share < 0.5
    for env, band in np.ndindex(NUM_ENVS, 6):
        noise = cell.noise + error_share * (np.abs(h[env]) ** 2).mean((0, 2))  # what a white error catches of power 1
        g = h[env, band] / np.sqrt(noise)[:, None]
        w = g.conj().T @ np.linalg.inv(g @ g.conj().T + 3 * np.eye(3))
        w /= np.linalg.norm(w, axis=0) * math.sqrt(3)
        np.testing.assert_allclose(cell.network.state.w[ROWS][env, band].numpy(), w, atol=2e-3)


def test_nobody_gets_more_than_all_the_power_in_his_own_direction_would_give(make_cell, decide):
    cell = make_cell()
    for _ in range(5):
        cell.step(ROWS, decide(cell, 4))
        position = cell.reality.position(ROWS, cell.network.state.now_slots * SLOT_S)[0]
        power = cell.reality.channel(ROWS, position, cell.network.subband_hz).abs().square().sum(-1)
        bound = torch.log2(1 + power / cell.noise).mean(-1)
        got = cell.network.state.bits_per_re
        assert (got < 1.01 * bound).all()  # the window ends here: a hundredth for the way walked
        assert (got > 0).all()


def test_a_dearer_uplink_costs_in_proportion_and_changes_nothing_else(play):
    free, one, ten = (play(40, link="nr", uplink_price=price) for price in (0.0, 1.0, 10.0))
    for term in ("delivered", "pilot_cost", "elapsed_slots", "reports"):
        assert torch.equal(free[term], one[term])
        assert torch.equal(one[term], ten[term])
    assert (free["feedback_cost"] == 0).all()
    torch.testing.assert_close(10 * one["feedback_cost"], ten["feedback_cost"], rtol=1e-5, atol=0)
    assert (ten["reward"] < one["reward"]).all()
    assert (one["reward"] < free["reward"]).all()


@pytest.mark.parametrize(("population", "link"), [("walkers", "shannon"), ("vehicles", "shannon"), ("vehicles", "nr")])
def test_older_csi_delivers_less(play, population, link):
    delivered = [play(period, population=population, link=link)["delivered"].mean() for period in (16, 80, 320)]
    assert delivered[0] > 1.01 * delivered[1] > 1.01 * delivered[2]


def test_parked_ues_need_no_reports(make_cell, play, monkeypatch):
    monkeypatch.setattr("twin_envs.envs.reality.population.MOVING_SHARE", 0.0)
    often, seldom = (play(period, population="vehicles", uplink_price=0.5) for period in (8, 320))
    assert not make_cell(population="vehicles").reality.motion.state.speed_m_s.any()
    assert often["reports"].min() > 10 * seldom["reports"].max()
    assert (often["delivered"] / seldom["delivered"] - 1).abs().mean() < 0.02
    assert often["delivered"].mean() == pytest.approx(seldom["delivered"].mean().item(), rel=0.01)
    assert (often["reward"] < seldom["reward"]).all()


def test_more_bits_deliver_no_less(play):
    delivered = [play(40, codeword_bits=bits)["delivered"].mean() for bits in (35, 56, 119, 329)]
    assert all(more > less for less, more in pairwise(delivered))


def test_denser_pilots_deliver_no_less_and_cost_more(play):
    sums = [play(40, spacing=spacing, neighbour_load=1.0, estimator="ls") for spacing in PILOT_SPACINGS]
    delivered = [s["delivered"].mean() for s in sums]
    assert all(dense > 0.999 * sparse for dense, sparse in pairwise(delivered))
    assert delivered[0] > delivered[-1]
    cost = [(s["pilot_cost"].mean() / s["delivered"].mean()).item() for s in sums]
    assert cost[0] > 1.5 * cost[1]  # not twice: UEs 1 and 2 sound densely until they are first asked not to
    assert cost[1] > 1.5 * cost[2]


def test_with_the_twins_prior_most_reports_in_strong_noise_are_nearer_to_the_channel(make_cell):
    """The first reports of all UEs of 48 cells, uncompressed, below and above an SNR of 10 dB of a pilot."""
    wrong = {}
    for name in ("lmmse", "ls"):
        cell = make_cell(num_envs=48, estimator=name, codec="uncompressed", neighbour_load=1.0)
        rows = torch.arange(48)
        position = cell.reality.position(rows, torch.zeros(48))[0]
        h = cell.reality.channel(rows, position, cell.network.subband_hz, synchronised=True)  # [B, U, F, A]
        wrong[name] = 1 - squared_cosine(h, cell.network.state.h_hat.transpose(1, 2)).mean(-1)
    noisy = h.abs().square().mean((2, 3)) < 10 * cell.noise
    lmmse, ls = wrong["lmmse"], wrong["ls"]
    assert 60 < noisy.sum() < 120
    assert (lmmse < ls)[noisy].float().mean() > 0.75  # of 95: chance would be within .15 of a half
    assert lmmse[noisy].median() < 0.95 * ls[noisy].median()
    assert lmmse[~noisy].mean() < 1.01 * ls[~noisy].mean()


def test_nr_delivers_less_than_shannon(play):
    assert (play(40, link="nr")["delivered"] < play(40, link="shannon")["delivered"]).all()


@pytest.mark.parametrize("link", ["shannon", "nr"])
def test_busier_neighbours_never_help(play, link):
    quiet, usual, loud = (play(40, neighbour_load=load, link=link)["delivered"] for load in (0.0, 0.1, 1.0))
    assert quiet.mean() > usual.mean() > loud.mean()
    assert (quiet > loud).float().mean() > 0.9  # with NR's steps in rate a single cell may be lucky


def test_link_adaptation_keeps_to_its_target_where_nothing_moves(make_cell, decide, monkeypatch):
    monkeypatch.setattr("twin_envs.envs.reality.population.MOVING_SHARE", 0.0)
    cell = make_cell(population="vehicles", link="nr", bler_target=0.3, num_ue=2)
    acknowledged = []
    for _ in range(30):
        cell.step(ROWS, decide(cell, 4))
        acknowledged.append(cell.network.state.acknowledged.clone())
    late = torch.stack(acknowledged[10:]).mean((0, 2))
    assert late.mean() > 0.6
    assert (late < 1).any()  # it is sought, not avoided


def test_what_the_cell_remembers_of_reports_is_what_was_reported(make_cell, decide):
    cell = make_cell()
    before, at = cell.network.state.h_hat.clone(), torch.zeros(NUM_ENVS, 3, dtype=torch.int64)
    assert (cell.network.state.similarity == 1).all()
    for _ in range(6):
        cell.step(ROWS, decide(cell, 4))
        who, now = cell.network.state.turn, cell.network.state.now_slots
        old, new = before[ROWS, :, who].numpy(), cell.network.state.h_hat[ROWS, :, who].numpy()
        inner = np.abs((old.conj() * new).sum(-1)) ** 2
        cosine = inner / ((np.abs(old) ** 2).sum(-1) * (np.abs(new) ** 2).sum(-1))
        np.testing.assert_allclose(cell.network.state.similarity[ROWS, who].numpy(), cosine.mean(-1), rtol=1e-3)
        measured = cell.network.state.report_slots[ROWS, who]
        assert torch.equal(measured, (now - 6).clamp_min(0))
        assert torch.equal(cell.network.state.reports_apart_slots[ROWS, who], measured - at[ROWS, who])
        before, at[ROWS, who] = cell.network.state.h_hat.clone(), measured
    assert cell.network.state.similarity.max() <= 1 + 1e-5


def test_environments_that_wait_do_not_change(make_cell, decide):
    cell, reference = make_cell(), make_cell()
    some = torch.tensor([1, 4, 5])
    for _ in range(4):
        cell.step(some, decide(cell, 8))
        reference.step(ROWS, decide(reference, 8))
    for name in ("h_hat", "report_slots", "due_slots", "offset_db", "bits_per_re", "similarity"):
        mine, theirs = (getattr(each.network.state, name)[some] for each in (cell, reference))
        torch.testing.assert_close(mine, theirs)
    others = torch.tensor([0, 2, 3, 6, 7, 8, 9, 10, 11])
    assert (cell.network.state.now_slots[others] == 0).all()
    for name in ("h_hat", "report_slots", "due_slots"):
        assert torch.equal(getattr(cell.network.state, name)[others], getattr(make_cell().network.state, name)[others])


SLOW = {"tdd_pattern": "D" * 19 + "U", "episode_slots": 2000}
"""A block of the uplink, and so a report, in 20 slots, if the share is one block."""


def test_link_adaptation_has_an_offset_for_each_age_and_lowers_the_rate_as_csi_ages(make_cell, decide):
    cell = make_cell(link="nr", num_ue=2, population="vehicles", csi_uplink_share=1 / 51, **SLOW)
    edges = torch.tensor([0, *AGE_EDGES_SLOTS, 10**9])
    cell.schedule(ROWS, torch.ones_like(ROWS))  # the first window has 19 slots
    for turn in range(95):
        before = cell.network.state.offset_db.clone()
        since, start = cell.network.state.report_slots.clone(), cell.network.state.now_slots.clone()
        cell.schedule(ROWS, torch.full_like(ROWS, turn % 2))
        middle = start[:, None] + torch.tensor([5, 15])  # of the evaluations in a window of 20 slots
        age = middle[:, None] - since[..., None]  # [B, U, 2]
        met = ((age[..., None] >= edges[:-1]) & (age[..., None] < edges[1:])).any(2)  # [B, U, K]
        assert (met.sum(-1) >= 1).all()
        after, older, younger = cell.network.state.offset_db, met.flip(-1).cumsum(-1).flip(-1) == 0, met.cumsum(-1) == 0
        assert (after.diff(dim=-1) >= 0).all()  # older CSI deserves no more trust
        assert (after[older] >= before[older]).all()  # where it was not used it is raised to what was learnt
        assert (after[younger] <= before[younger]).all()
    # The two take turns, so CSI is 5 to 45 slots old, 40 in the last evaluation; nothing else is learnt of older CSI.
    assert (cell.network.state.offset_db[..., 4:] >= torch.tensor(FIRST_OFFSETS_DB[4:])).all()
    driving = cell.reality.motion.state.speed_m_s > 5
    offset_db = cell.network.state.offset_db[driving].mean(0)
    assert (offset_db[:3].diff() > 1).all()
    assert offset_db[2] - offset_db[0] > 3


def test_how_many_reports_are_computed_at_once_changes_nothing_but_rounding(make_cell, decide, monkeypatch):
    def play():
        cell = make_cell()
        rewards = [outcome.reward for *_, outcome in walk(cell, decide)]
        return torch.cat(rewards), cell.network.state.h_hat

    rewards, h_hat = play()
    monkeypatch.setattr("twin_envs.envs.csi_cell.core.REPORTS_AT_ONCE", 5)
    rewards_in_parts, h_hat_in_parts = play()
    torch.testing.assert_close(rewards, rewards_in_parts, rtol=0, atol=1e-5)
    torch.testing.assert_close(h_hat, h_hat_in_parts, rtol=0, atol=1e-5 * float(h_hat.abs().max()))
