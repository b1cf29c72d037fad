"""What is committed of the generated parts: `python docs/make.py` draws the picture and renews the README's table."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from hooks import decisions  # noqa: E402

from twin_envs.benchmarks.report import episode, tables  # noqa: E402

README = HERE.parent / "README.md"
_TABLE = re.compile(r"(?<=<!-- table: overview -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def with_table(text: str) -> str:
    """The README with the table as the results have it."""
    environments = {name: f"`{name}`: {decision}" for name, decision in decisions().items()}
    return _TABLE.sub(lambda _: tables.overview(environments), text)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    episode.main(HERE / "assets" / "episode.png")
