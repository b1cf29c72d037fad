"""The names of our environments, for tests over all of them."""

from twin_envs.envs.registry import specifications

ENVIRONMENTS = [known.name for known in specifications() if known.id.startswith("twin_envs/")]
SIMULTANEOUS = [known.name for known in specifications() if known.simultaneous and known.name in ENVIRONMENTS]
"""Those whose UEs decide in turn, each once in a period."""
