"""Docstrings of environments: tables of options and observations, made from what they describe."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from twin_envs.envs.observation import ObservationLayout


def option_table(config: type[Any]) -> str:
    """The fields of a configuration as a Markdown table: name, default, and what the `Args` of its docstring say."""
    text = inspect.getdoc(config) or ""
    arguments = text.partition("Args:")[2].partition("\n\n")[0]
    said = {
        match[1]: " ".join(match[2].split())
        for match in re.finditer(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", arguments, re.MULTILINE | re.DOTALL)
    }
    rows = [f"| `{f.name}` | `{f.default!r}` | {said[f.name]} |" for f in dataclasses.fields(config)]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def document(env: type[Any], layout: ObservationLayout, config: type[Any]) -> None:
    """Fill `{observation}` and `{options}` in the docstring of an environment's class."""
    text = inspect.cleandoc(env.__doc__ or "")
    env.__doc__ = text.replace("{observation}", layout.table()).replace("{options}", option_table(config))
