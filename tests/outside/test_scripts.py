"""Single-file research scripts of our own, in the manner of CleanRL: they know nothing of an environment but its id."""

import math
import re
import runpy
import sys
from pathlib import Path

import gymnasium
import pytest
from ids import ENVIRONMENTS

SCRIPTS = Path(__file__).parent / "scripts"


def test_a_script_runs_on_a_flat_id(env_id, options, monkeypatch, capsys):
    """The scripts take turns with the ids: both see no more than observations, actions and rewards."""
    script = ("dqn", "ppo")[[f"twin_envs/{name}-v1" for name in ENVIRONMENTS].index(env_id) % 2]
    options |= {"episode_slots": 100}
    if not isinstance(gymnasium.make(env_id, **options).action_space, gymnasium.spaces.Discrete):
        pytest.skip("its actions are not flat")
    for name, value in options.items():
        monkeypatch.setitem(gymnasium.spec(env_id).kwargs, name, value)
    arguments = ["--env-id", f"twin_envs:{env_id}", "--total-timesteps", "128"]
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
    runpy.run_path(str(SCRIPTS / f"{script}.py"), run_name="__main__")
    said = capsys.readouterr().out
    returns = [float(value) for value in re.findall(r"episodic_return=(\S+)", said)]
    assert len(returns) >= 2
    assert len(set(returns)) > 1
    assert all(map(math.isfinite, returns))
    assert math.isfinite(float(re.search(r"loss=(\S+)", said)[1]))
