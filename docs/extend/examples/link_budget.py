"""A link budget of one's own: three options."""

import twin_envs

if __name__ == "__main__":
    small = {"num_ue": 4, "episode_slots": 400}
    for power_dbm in (10.0, 30.0, 46.0):
        options = {
            "num_ue": 4,
            "episode_slots": 400,
            "transmit_power_dbm": power_dbm,
            "noise_figure_db": 9.0,
            "ue_power_dbm": 26.0,
        }
        print(power_dbm, twin_envs.evaluate("random", "FeedbackInterval", seeds=4, options=options))
