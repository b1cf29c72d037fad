"""Sites that come with somebody's package: each a function that gives the path of a site's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twin_envs.base.registry import Registry

sites: Registry[Callable[[], Path | str]] = Registry("site", "twin_envs.sites")
