"""From SINR to delivered bits: the NR link with its modulation and coding schemes, and Shannon's bound."""

from twin_envs.csi.link.nr import EFFECTIVE_SINR_RANGE, OFFSET_RANGE_DB, NrLink
from twin_envs.csi.link.offsets import learn_by_age
from twin_envs.csi.link.protocol import Delivery, Link
from twin_envs.csi.link.shannon import ShannonLink

__all__ = ["EFFECTIVE_SINR_RANGE", "OFFSET_RANGE_DB", "Delivery", "Link", "NrLink", "ShannonLink", "learn_by_age"]
