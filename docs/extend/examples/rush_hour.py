"""A scenario of one's own, in environments of two families; what is given beside it wins."""

from pathlib import Path

import twin_envs

SCENARIO = str(Path(__file__).with_name("rush_hour.toml"))

if __name__ == "__main__":
    print(twin_envs.load_scenario(SCENARIO).description)
    for env in ("FeedbackInterval", "ApSelection"):
        for given in ({"num_ue": 4}, {"num_ue": 4, "population": "walkers"}):
            options = {"scenario": SCENARIO, "episode_slots": 400, **given}
            print(env, given, twin_envs.evaluate("random", env, seeds=4, options=options))
