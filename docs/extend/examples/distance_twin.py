"""A channel twin of one's own: it knows the distance to each access point, and a path-loss law, and nothing else."""

import torch

import twin_envs
from twin_envs.twin.knowledge import KNOWLEDGE_FIELDS, Knowledge


class DistanceTwin:
    """Gain by a log-distance law; in the open every UE has a path, and nothing is known of angles and delays."""

    def __init__(self, ap_position_m, wavelength_m):
        self.ap_m, self.wavelength_m = ap_position_m[:, :2], wavelength_m

    def predict(self, sensed, ap):
        """Knowledge of N UEs and their links to access points `ap` [N]."""
        away_m = (sensed.position_m - self.ap_m[ap]).norm(dim=-1).clamp_min(1.0)
        speed = sensed.velocity_m_s.norm(dim=-1)
        known = {
            "gain_db": -43.0 - 32.0 * torch.log10(away_m),
            "coherence_time_s": (0.18 * self.wavelength_m / speed.clamp_min(0.01)).clamp_max(10.0),
            "doppler_spread_hz": speed / self.wavelength_m,
        }
        nothing = torch.zeros_like(away_m)
        values = torch.stack([known.get(name, nothing) for name in KNOWLEDGE_FIELDS], -1)
        std = torch.zeros_like(values)
        std[:, list(KNOWLEDGE_FIELDS).index("gain_db")] = 8.0
        return Knowledge(covered=torch.ones_like(away_m), values=values, std=std)


def from_site(site, world, device):
    """What the option `channel_twin` names; `world` is the twin world that is asked for, not needed here."""
    return DistanceTwin(site.geometry.ap_position_m, site.recipe.wavelength_m)


if __name__ == "__main__":
    # Without paths there is no prior for the estimator: least squares.
    twin = {"channel_twin": "distance_twin:from_site", "num_ue": 4, "episode_slots": 400}
    print(twin_envs.evaluate("random", "FeedbackInterval", seeds=4, options=twin | {"estimator": "ls"}))
    print(twin_envs.evaluate("nearest_aps", "ApSelection", seeds=4, options=twin))
