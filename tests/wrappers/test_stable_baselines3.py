import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from toy_task import make_toys

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from twin_envs.base.errors import ConfigurationError
from twin_envs.envs.csi_cell.observation import CSI_LAYOUT
from twin_envs.wrappers import RelativeRewardVector
from twin_envs.wrappers.stable_baselines3 import SB3VecEnv

OPTIONS = {"num_ue": 2, "episode_slots": 200, "device": "cpu"}
SYNC = {"vector_kwargs": {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}}
ID = "twin_envs/FeedbackInterval-v1"


def batch(num_envs=3, mode="vector_entry_point", **options):
    return gymnasium.make_vec(
        ID,
        num_envs=num_envs,
        vectorization_mode=mode,
        **({"autoreset_mode": "SameStep"} if mode == "vector_entry_point" else SYNC),
        **OPTIONS,
        **options,
    )


def rollout(venv, actions):
    """Observations, rewards, dones and infos of one step for each row of `actions`."""
    return [venv.step(row) for row in actions]


def test_steps_are_those_of_the_batch():
    actions = np.random.default_rng(0).integers(0, 10, (25, 3))
    venv, envs = SB3VecEnv(batch()), batch()
    venv.seed(7)
    observation, _ = envs.reset(seed=7)
    assert np.array_equal(venv.reset(), observation)
    ends = 0
    for row in actions:
        observation, rewards, _, truncated, info = envs.step(row)
        seen, earned, dones, infos = venv.step(row)
        assert np.array_equal(seen, observation)
        assert earned.dtype == np.float32
        assert np.array_equal(earned, rewards.astype(np.float32))
        assert np.array_equal(dones, truncated)
        final = info.get("final_info", info)
        elapsed_slots = np.where(truncated, final["elapsed_slots"], info["elapsed_slots"])
        assert [i["elapsed_slots"] for i in infos] == elapsed_slots.tolist()
        for index in range(3):
            assert ("terminal_observation" in infos[index]) == truncated[index]
            if truncated[index]:
                ends += 1
                assert infos[index]["TimeLimit.truncated"] is True
                last = infos[index]["terminal_observation"]
                assert np.array_equal(last, info["final_obs"][index])
                assert CSI_LAYOUT.value(last, "time_left") == 0.0
                assert CSI_LAYOUT.value(seen[index], "time_left") == 1.0
    assert ends >= 3


def test_same_seed_same_episodes_and_seed_is_used_once():
    venv = SB3VecEnv(batch())
    first, again, on = (venv.seed(3), venv.reset())[1], (venv.seed(3), venv.reset())[1], venv.reset()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, on)


@pytest.mark.parametrize("monitor", [VecMonitor, None])
def test_monitors_see_whole_episodes_in_bits_per_second_and_hertz(monitor):
    """That of Stable-Baselines3 outside, or Gymnasium's inside."""
    venv = monitor(SB3VecEnv(batch())) if monitor else SB3VecEnv(RelativeRewardVector(RecordEpisodeStatistics(batch())))
    envs = batch()
    venv.seed(0)
    venv.reset()
    envs.reset(seed=0)
    earned, told = np.zeros(3), []
    for row in np.full((21, 3), 6):
        _, _, dones, infos = venv.step(row)
        earned += envs.step(row)[1]
        for index in range(3):
            assert ("episode" in infos[index]) == dones[index]
        for index in np.flatnonzero(dones):
            told.append((infos[index]["episode"]["r"], earned[index]))
            earned[index] = 0.0
    assert told
    assert np.allclose(*zip(*told, strict=True), atol=1e-5)


def test_infos_are_those_of_the_step_whichever_batch_it_is():
    """Also where the batch tells of the new episode beside the old one's last step."""
    native, sync = (SB3VecEnv(batch(2, mode)) for mode in ("vector_entry_point", "sync"))
    for venv in (native, sync):
        venv.seed(5)
        venv.reset()
    ends = 0
    for row in np.full((22, 2), 7):
        (*_, dones, one), (*_, other) = native.step(row), sync.step(row)
        ends += dones.sum()
        for mine, theirs in zip(one, other, strict=True):
            assert mine["elapsed_slots"] == theirs["elapsed_slots"]
            assert mine["delivered"] == pytest.approx(theirs["delivered"], rel=1e-4)
    assert ends >= 2


def test_ppo_learns_in_the_native_batch():
    venv = SB3VecEnv(RelativeRewardVector(RecordEpisodeStatistics(batch(4))))
    model = PPO("MlpPolicy", venv, n_steps=16, batch_size=32, n_epochs=2, gamma=0.95, seed=0, device="cpu")
    before = [weights.detach().clone() for weights in model.policy.parameters()]
    model.learn(128)
    assert any(not np.array_equal(a, b.detach()) for a, b in zip(before, model.policy.parameters(), strict=True))
    assert np.mean([episode["r"] for episode in model.ep_info_buffer]) > 1.0


def test_pictures_are_those_of_the_batch():
    venv = SB3VecEnv(batch(2, render_mode="rgb_array"))
    venv.reset()
    one, other = venv.get_images()
    assert one.shape == other.shape
    assert one.dtype == np.uint8
    assert SB3VecEnv(batch(2)).get_attr("render_mode") == [None, None]


def test_missing_stable_baselines3_is_told_with_its_extra():
    code = "import sys; sys.modules['stable_baselines3'] = None; import twin_envs.wrappers.stable_baselines3"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "DependencyMissing" in run.stderr
    assert "'.[agents]'" in run.stderr


def test_wrong_autoreset_mode_is_refused():
    with pytest.raises(ConfigurationError, match="'SameStep'"):
        SB3VecEnv(gymnasium.make_vec(ID, num_envs=1, **OPTIONS))


def test_environments_of_a_batch_have_no_attributes_of_their_own():
    venv = SB3VecEnv(batch())
    assert venv.get_attr("num_envs", [0, 2]) == [3, 3]
    assert venv.env_is_wrapped(VecMonitor, 1) == [False]
    for call in (lambda: venv.set_attr("x", 1), lambda: venv.env_method("render")):
        with pytest.raises(AttributeError, match="batch"):
            call()


def test_actions_in_a_box_are_scaled_to_the_environments():
    venv, envs = (make_toys("toy", 2, actions="Box", autoreset_mode="SameStep") for _ in range(2))
    venv = SB3VecEnv(venv)
    assert venv.action_space == spaces.Box(-1.0, 1.0, (3,), np.float32)
    venv.seed(3)
    venv.reset()
    envs.reset(seed=3)
    earned = venv.step(np.array([[-1.0, 0.0, 1.0], [0.5, -0.5, 0.0]], np.float32))[1]
    assert np.allclose(earned, envs.step(np.array([[0.0, 1.0, 2.0], [1.5, 0.5, 1.0]], np.float32))[1])
