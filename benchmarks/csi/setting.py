"""What every study of CSI networks is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twin_envs.base.progress import TellProgress
from twin_envs.world.store.site import Site


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a study is run.

    Attributes:
        site: where.
        elsewhere: name of the site that stands for another city.
        quick: less of everything.
        seed: of all that is drawn.
        run: folder of what is finished, from which an interrupted study goes on.
        report: told what is being done.
    """

    site: Site
    elsewhere: str
    quick: bool
    seed: int
    run: Path
    report: TellProgress
