"""Docstrings of environments: tables of options and observations, made from what they describe."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from twin_envs.envs.core.layout import ObservationLayout


def option_table(config: type[Any]) -> str:
    """The fields of a configuration as a Markdown table: name, default, and what the docstring's `Args` say.

    Where a configuration derives from another one, each docstring says what is its own.
    """
    said: dict[str, str] = {}
    for kind in reversed(config.__mro__):
        arguments = inspect.cleandoc(kind.__doc__ or "").partition("Args:")[2].partition("\n\n")[0]
        matches = re.finditer(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", arguments, re.MULTILINE | re.DOTALL)
        said |= {match[1]: " ".join(match[2].split()) for match in matches}
    rows = [f"| `{f.name}` | `{f.default!r}` | {said[f.name]} |" for f in dataclasses.fields(config)]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def document(env: type[Any], layout: ObservationLayout, config: type[Any], **texts: str) -> None:
    """Fill `{observation}`, `{options}` and the names of further `texts` in the docstring of an environment's class.

    Under `python -OO` there are no docstrings, and so there is nothing to fill.
    """
    if env.__doc__ is None:  # python -OO
        return
    text = inspect.cleandoc(env.__doc__)
    observation = f"{layout.table()}\n\n{layout.meaning}"
    for name, value in {"observation": observation, "options": option_table(config), **texts}.items():
        text = text.replace(f"{{{name}}}", value)
    env.__doc__ = text
