"""Infos: the same keys in resets and steps, and those of the batch as Gymnasium's own batch has them."""

import gymnasium
import numpy as np
import pytest
from ids import ENVIRONMENTS

OPTIONS = {"num_ue": 3, "episode_slots": 100, "device": "cpu"}
BEAMS = {"episode_slots": 200, "cycle_slots": 96, "burst_slots": 2}
NETWORK = {"decision_slots": 30}
SMALL = {
    **dict.fromkeys(("BeamSelection", "TwinFidelity"), OPTIONS | BEAMS),
    **dict.fromkeys(("ApAssociation", "ApSelection"), OPTIONS | NETWORK),
}
"""Options with which an episode has some decisions."""
MODES = ("NextStep", "SameStep", "Disabled")
NUM_ENVS = 3
_MOST_STEPS = 100


def options(name):
    return SMALL.get(name, OPTIONS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_reset_tells_what_a_step_tells_of_whom_and_zeros(name):
    env = gymnasium.make(f"twin_envs/{name}-v1", **options(name))
    _, told = env.reset(seed=0)
    turn = env.unwrapped.turn
    _, reward, _, _, info = env.step(env.action_space.sample())
    assert {key: type(value) for key, value in told.items()} == {key: type(value) for key, value in info.items()}
    assert told["by_ue"].shape == info["by_ue"].shape == (3,)
    assert told["by_ue"].dtype == info["by_ue"].dtype == np.float32
    assert info["by_ue"].sum() == pytest.approx(reward, abs=1e-6)
    assert told.pop("ue") == turn
    assert not any(np.any(value) for value in told.values())
    told["by_ue"][:] = 1.0
    assert not env.reset()[1]["by_ue"].any()


def check_equal(one, other):
    """Equal keys, types and values, nested ones, too."""
    assert one.keys() == other.keys()
    for key, expected in other.items():
        if isinstance(expected, dict):
            check_equal(one[key], expected)
        else:
            assert one[key].dtype == expected.dtype, key
            assert one[key].shape == expected.shape, key
            for mine, theirs in zip(one[key], expected):
                assert (mine is None) == (theirs is None), key
                if mine is not None:
                    np.testing.assert_allclose(mine, theirs, atol=1e-4, err_msg=key)


def make_both(name, mode, **more):
    """The native batch, and Gymnasium's own of single environments."""
    kept = {**options(name), **more}
    native = gymnasium.make_vec(f"twin_envs/{name}-v1", num_envs=NUM_ENVS, autoreset_mode=mode, **kept)
    made = gymnasium.make_vec(
        f"twin_envs/{name}-v1",
        num_envs=NUM_ENVS,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **kept,
    )
    return native, made


def check_alike(native, theirs, ends=2):
    """The same happens in both batches, past as many ends of episodes and resets of some environments."""
    check_equal(native.reset(seed=5)[1], theirs.reset(seed=5)[1])
    native.action_space.seed(0)
    met = 0
    for step in range(_MOST_STEPS):
        actions = native.action_space.sample()
        (*mine, my_infos), (*others, other_infos) = (envs.step(actions) for envs in (native, theirs))
        for one, other in zip(mine, others, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, atol=1e-4)
        check_equal(my_infos, other_infos)
        over = mine[-1]
        met += over.sum()
        renewed = over if native.metadata["autoreset_mode"].value == "Disabled" else np.zeros(NUM_ENVS, bool)
        if step == 1:
            renewed = renewed | np.array([False, True, False])  # so that episodes end at different times
        if renewed.any():
            mine, others = (envs.reset(options={"reset_mask": renewed.copy()}) for envs in (native, theirs))
            np.testing.assert_allclose(mine[0], others[0], atol=1e-4)
            check_equal(mine[1], others[1])
        if met >= ends and not over.any():  # what follows the last end, too
            return
    pytest.fail(f"{met} ends in {_MOST_STEPS} steps")


TURNS = [(name, MODES[turn % len(MODES)]) for turn, name in enumerate(ENVIRONMENTS)]
"""Modes are the batch's and what is told is the environment's, so environments take turns with the modes."""


@pytest.mark.parametrize(("name", "mode"), TURNS)
def test_the_batch_tells_what_gymnasiums_own_batch_tells(name, mode):
    check_alike(*make_both(name, mode))


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_of_steps_ends_an_episode_in_the_batch_and_alone(mode):
    native, theirs = make_both("FeedbackInterval", mode, max_episode_steps=3)
    check_alike(native, theirs, ends=2 * NUM_ENVS)


def test_a_registered_limit_holds_in_the_batch(monkeypatch):
    monkeypatch.setattr(gymnasium.spec("twin_envs/FeedbackInterval-v1"), "max_episode_steps", 4)
    check_alike(*make_both("FeedbackInterval", "SameStep"), ends=2 * NUM_ENVS)
    for limit in (-1, 1000):  # no limit of steps, and one that the episode's time is shorter than
        longer, _ = make_both("FeedbackInterval", "SameStep", max_episode_steps=limit)
        longer.reset(seed=5)
        over = [longer.step(np.zeros(NUM_ENVS, int))[3].any() for _ in range(120)]
        assert not any(over[:5])
        assert any(over)
