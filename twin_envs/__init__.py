"""twin-envs: Gymnasium environments for CSI acquisition on ray-traced sites, with the network's digital twin."""

from twin_envs.registration import register_all

__version__ = "0.1.0"

register_all()
