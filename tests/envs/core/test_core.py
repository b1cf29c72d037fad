"""What holds of every core: copies, clearing, random numbers by time, and environments that do not matter to others."""

import itertools
from dataclasses import fields

import numpy as np
import pytest
import torch
from reachable import reachable

from twin_envs.envs.association.configuration import AssociationConfig
from twin_envs.envs.association.core import AssociationCore
from twin_envs.envs.beams.configuration import FidelityConfig
from twin_envs.envs.beams.core import BeamCore, Sweep
from twin_envs.envs.csi_cell.actions import Decision
from twin_envs.envs.csi_cell.configuration import REPORT_PERIODS_SLOTS, CellConfig
from twin_envs.envs.csi_cell.core import CsiCell

CPU = torch.device("cpu")
NUM_ENVS, STEPS = 7, 5
ROWS = torch.arange(NUM_ENVS)


class Csi:
    """Cells that acquire CSI, and random decisions in them; likewise the two below."""

    def make(self, num_envs):
        config = CellConfig(num_ue=3, episode_slots=2000, csi_rs="aperiodic", csi_uplink_share=0.05)
        return CsiCell(config, num_envs, CPU)

    def decide(self, core, rng):
        def draw(choices):
            return torch.from_numpy(rng.choice(choices, NUM_ENVS))

        return {
            "period_slots": draw(REPORT_PERIODS_SLOTS[:8]),
            "ports": draw((32,)),
            "spacing": draw((1, 2, 4)),
            "codeword_bits": draw(core.network.codec.codeword_lengths),
            "dmrs_additional": draw(range(4)),
        }

    def step(self, core, rows, about):
        return core.step(rows, Decision(**about))


class Association:
    def make(self, num_envs):
        config = AssociationConfig(num_ue=3, episode_slots=2000, cluster_size=3, decision_slots=100)
        return AssociationCore(config, num_envs, CPU)

    def decide(self, core, rng):
        return {"scores": torch.from_numpy(rng.random((NUM_ENVS, core.network.aps), np.float32))}

    def step(self, core, rows, about):
        return core.step(rows, **about)


class Beams:
    def make(self, num_envs):
        config = FidelityConfig(twin="twin-los", num_ue=3, episode_slots=20_000, cycle_slots=960, burst_slots=20)
        return BeamCore(config, num_envs, CPU, (20, 40, 80))

    def decide(self, core, rng):
        codebook = core.network.codebook
        beams = [
            codebook.swept(
                torch.from_numpy(rng.integers(codebook.beams, size=NUM_ENVS)),
                codebook.sweep_sizes[torch.from_numpy(rng.integers(4, size=NUM_ENVS))],
            )
            for _ in range(2)
        ]
        return {"first": beams[0], "beams": beams[1], "after_slots": torch.from_numpy(rng.integers(1, 60, NUM_ENVS))}

    def step(self, core, rows, about):
        return core.step(
            rows,
            lambda: Sweep(beams=about["first"]),
            lambda: Sweep(beams=about["beams"], after_slots=about["after_slots"]),
        )


@pytest.fixture(params=[Csi(), Association(), Beams()], ids=["csi_cell", "association", "beams"])
def family(request):
    return request.param


def begin(family, num_envs=NUM_ENVS, first_key=50):
    core = family.make(num_envs)
    rows = torch.arange(num_envs)
    core.reset(rows, rows + first_key)
    return core


def play(family, core, rows=ROWS, seed=0, steps=STEPS, environments=None):
    """Random decisions, of which environment `rows[i]` takes those drawn for environment `environments[i]`."""
    environments = rows if environments is None else environments
    played = []
    for step in range(steps):
        about = family.decide(core, np.random.default_rng((seed, step)))
        played.append(family.step(core, rows, {name: values[environments] for name, values in about.items()}))
    return played


def tensors(core):
    """Copies of all that `states` yields, by class and name, the environments first."""
    return {(type(s).__name__, name): v.clone() for s in core.states() for name, v in s.rows().items()}


def assert_same(one, other, mine=ROWS, theirs=ROWS):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name][mine], other[name][theirs])]
    assert different == []


def terms(step):
    return {"reward": step.reward, "truncated": step.truncated, **step.info}


def test_a_core_that_imitates_another_goes_on_bit_for_bit_as_it_does_noise_included(family):
    """In the middle of episodes, whatever was there before; and nothing of the original changes."""
    real, copies = begin(family), begin(family, first_key=900)
    play(family, real)
    play(family, copies, seed=1, steps=2)
    copies.imitate(ROWS, real, ROWS)
    before = tensors(real)
    assert_same(tensors(copies), before)
    ahead = play(family, copies, seed=2)
    assert_same(tensors(real), before)
    for seen, happened in zip(ahead, play(family, real, seed=2), strict=True):
        for term, values in terms(happened).items():
            assert torch.equal(values, terms(seen)[term]), term
    assert_same(tensors(copies), tensors(real))


def test_environments_may_imitate_others_than_those_in_their_rows(family):
    """What follows is equal to rounding alone: that differs with the place in a batch."""
    real, copies, others = begin(family), begin(family, first_key=900), ROWS.flip(0)
    play(family, real)
    copies.imitate(ROWS, real, others)
    assert_same(tensors(copies), tensors(real), ROWS, others)
    ahead = play(family, copies, seed=2, environments=others)
    for seen, happened in zip(ahead, play(family, real, seed=2), strict=True):
        for term, values in terms(happened).items():
            torch.testing.assert_close(values[others], terms(seen)[term], rtol=1e-4, atol=1e-6)


def test_some_environments_may_imitate_and_the_others_stay(family):
    real, copies = begin(family), begin(family, first_key=900)
    play(family, real, steps=2)
    before, some, others = tensors(copies), torch.tensor([1, 4]), torch.tensor([6, 6])
    copies.imitate(some, real, others)
    assert_same(tensors(copies), tensors(real), some, others)
    rest = torch.tensor([0, 2, 3, 5, 6])
    assert_same(tensors(copies), before, rest, rest)


def test_all_that_tells_environments_apart_is_imitated(family):
    """Every tensor that two episodes differ in, wherever in the core it is, is the same after.

    But for the one by which policies see that another episode is in the environment.
    """
    num_envs = 23  # no other size is
    real, copy = begin(family, num_envs), begin(family, num_envs, first_key=900)

    def found(core):
        return {
            way: thing for way, thing in reachable(core) if isinstance(thing, torch.Tensor) and num_envs in thing.shape
        }

    mine, theirs = found(copy), found(real)
    assert mine.keys() == theirs.keys()
    assert sum(not torch.equal(values, theirs[way]) for way, values in mine.items()) > 15
    copy.imitate(torch.arange(num_envs), real, torch.arange(num_envs))
    assert [way for way, values in mine.items() if not torch.equal(values, theirs[way])] == [".network.episode"]


def test_clearing_gives_some_environments_what_all_had_when_they_were_made(family):
    core, some, rest = begin(family), torch.tensor([0, 3]), torch.tensor([1, 2, 4, 5, 6])
    new = tensors(family.make(NUM_ENVS))
    play(family, core, steps=2)
    played = tensors(core)
    assert sum(not torch.equal(values, new[name]) for name, values in played.items()) > 10
    for state in core.states():
        state.clear(some)
    assert_same(tensors(core), new, some, some)
    assert_same(tensors(core), played, rest, rest)


def test_an_episode_leaves_no_trace_in_the_next(family):
    used, fresh = begin(family, first_key=900), family.make(NUM_ENVS)
    play(family, used)
    for core in (used, fresh):
        core.reset(ROWS, ROWS + 50)
    assert_same(tensors(used), tensors(fresh))
    for one, other in zip(play(family, used, steps=2), play(family, fresh, steps=2), strict=True):
        assert torch.equal(one.reward, other.reward)
    assert_same(tensors(used), tensors(fresh))


def test_the_view_says_where_another_episode_is_in_an_environment(family):
    core, some, rest = begin(family), torch.tensor([2, 5]), torch.tensor([0, 1, 3, 4, 6])
    for another in (lambda: core.reset(some, some + 50), lambda: core.imitate(some, begin(family), rest[:2])):
        before = core.network.episode.clone()
        play(family, core, steps=2)
        assert torch.equal(core.network.episode, before)
        another()
        assert torch.equal(core.network.episode[rest], before[rest])
        assert (core.network.episode[some] != before[some]).all()


def test_a_reset_changes_the_environments_that_it_is_about_and_no_others(family):
    core, some, rest = begin(family), torch.tensor([2, 5]), torch.tensor([0, 1, 3, 4, 6])
    play(family, core, steps=2)
    before = tensors(core)
    core.reset(some, some + 400)
    after = tensors(core)
    assert_same(after, before, rest, rest)
    assert (core.network.state.now_slots[some] == 0).all()
    assert not torch.equal(after["Trajectories", "start_m"][some], before["Trajectories", "start_m"][some])


def test_environments_that_wait_do_not_change_and_do_not_matter(family):
    alone, among, some = begin(family), begin(family), torch.tensor([1, 4])
    before = tensors(alone)
    rest = torch.tensor([0, 2, 3, 5, 6])
    for one, other in zip(play(family, alone, some, steps=3), play(family, among, steps=3), strict=True):
        torch.testing.assert_close(one.reward, other.reward[some], rtol=1e-4, atol=1e-6)
    assert_same(tensors(alone), before, rest, rest)
    for name in ("now_slots", "turn", "decided"):
        assert torch.equal(getattr(alone.network.state, name)[some], getattr(among.network.state, name)[some])


@pytest.mark.parametrize("env", [0, 4])
def test_an_environment_of_a_batch_behaves_as_it_would_alone(family, env):
    batch, alone = begin(family), begin(family, 1, first_key=50 + env)
    row = torch.tensor([0])
    there = play(family, alone, row, environments=torch.tensor([env]))
    for many, one in zip(play(family, batch), there, strict=True):
        for term, values in terms(one).items():
            torch.testing.assert_close(terms(many)[term][env : env + 1], values, rtol=1e-4, atol=1e-5)
    for name in ("StreamsState", "Trajectories"):  # no rounding: they are computed with nothing of the others
        mine = {key: values[env] for key, values in tensors(batch).items() if key[0] == name}
        assert mine
        assert all(torch.equal(values, tensors(alone)[key][0]) for key, values in mine.items())


def watch(core, rows):
    """Notes, whenever the core says what the next random numbers are for, which draws there have been since."""
    used, begun, seek = [], [], core.seek

    def note():
        if begun:
            used.append((*begun.pop(), int(core.streams.state.counter[rows])))

    def watched(of, slots, draw):
        note()
        seek(of, slots, draw)
        begun.append((int(slots[0]), int(draw), int(core.streams.state.counter[rows])))

    core.seek = watched
    return used, note


def draws(family, seed, steps=8):
    """Of one environment: (slot, what for, first draw, the one after the last), in the order in which they came."""
    core, row = begin(family, 1), torch.tensor([0])
    used, note = watch(core, 0)
    play(family, core, row, seed, steps, environments=torch.tensor([1]))
    note()
    return used


def test_draws_depend_on_the_time_and_on_what_they_are_for_alone(family):
    """Whatever was decided before: equal decisions meet equal noise."""
    first = {}
    for seed in range(3):
        for slot, what, start, _ in draws(family, seed):
            assert first.setdefault((slot, what), start) == start
    assert len(first) > 20
    assert len(set(first.values())) == len(first)


def test_no_random_number_is_used_for_two_things(family):
    used = sorted((start, end) for _, _, start, end in draws(family, 0))
    assert sum(end > start for start, end in used) > 12
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(used))


def test_equal_keys_give_equal_noise_and_others_other_noise(family):
    one, again, other = begin(family), begin(family), begin(family, first_key=51)
    assert_same(tensors(one), tensors(again))
    shifted = tensors(other)
    for name, values in tensors(one).items():  # but for rounding, which differs with the place in a batch
        torch.testing.assert_close(values[1:], shifted[name][:-1], rtol=1e-6, atol=0.0, msg=str(name))
    for core in (one, again):
        play(family, core, steps=2)
    assert_same(tensors(one), tensors(again))


def test_states_are_distinct_and_hold_nothing_twice(family):
    core = begin(family)
    held = [getattr(state, field.name) for state in core.states() for field in fields(state)]
    assert len({values.data_ptr() for values in held if values.numel()}) == len([v for v in held if v.numel()])
    assert any(state is core.network.state for state in core.states())
    assert any(state is core.sensing.state for state in core.states())
