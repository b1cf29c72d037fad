"""Docstrings of environments: what many have in common, and tables made from what they describe."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Any

from twin_envs.envs.core.layout import ObservationLayout


def option_table(config: type[Any]) -> str:
    """The fields of a configuration as a Markdown table: name, default, and what the docstring's `Args` say.

    Where a configuration derives from another one, each docstring says what is its own. An option that has no default
    has an empty place.
    """
    said: dict[str, str] = {}
    for kind in reversed(config.__mro__):
        arguments = inspect.cleandoc(kind.__doc__ or "").partition("Args:")[2].partition("\n\n")[0]
        matches = re.finditer(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", arguments, re.MULTILINE | re.DOTALL)
        said |= {match[1]: " ".join(match[2].split()) for match in matches}
    fields = {
        f.name: "" if f.default is dataclasses.MISSING else f"`{f.default!r}`" for f in dataclasses.fields(config)
    }
    rows = [f"| `{name}` | {default} | {said[name]} |" for name, default in fields.items()]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


COMMON = {
    "Observation Space": """A flat `Box(0, 1, float32)`. `observation_layout` names every number with unit, range and
slice. With the default options, index, field, unit and the range that 0 to 1 stands for are:

{observation}""",
    "Episode End": "Truncation after `episode_slots` slots. There is no termination.",
    "Information": """`by_ue`: what each UE added to the reward. `reset` tells the same: whose turn it is in `ue`, and
zeros.""",
    "Arguments": """{options}

Besides, `scenario` (a name such as "street", or the path of a TOML file: options by one name; those that are given
beside it win), `device` ("auto" or one of torch) and `render_mode` (None, "rgb_array", "human"; the batch has no
"human").""",
    "Training": "{training}",
}
"""What the docstrings of all environments say, by section."""
SECTIONS = (
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Information",
    "Arguments",
    "Training",
    "Version History",
)
"""Of an environment's docstring, in Gymnasium's order."""


def document(env: type[Any], layout: ObservationLayout, family: Mapping[str, str], **texts: str) -> None:
    """Complete the docstring of an environment's class, which says what is this environment's own.

    A section that the docstring leaves out is that of `family`, or else that of `COMMON`. Where a section says
    `{usual}`, the text that it would have had instead is put in. `{observation}`, `{options}`, `{training}` and the
    names of further `texts` are filled, too.

    Under `python -OO` there are no docstrings, and so there is nothing to complete.

    Args:
        env: has its task in `task_type`.
        layout: of its observations, with the default options.
        family: what the environments of a family have in common, by section.
        texts: by name.

    Raises:
        ValueError: a section is none of `SECTIONS`, or nobody says anything in one of them.
    """
    if env.__doc__ is None:  # python -OO
        return
    question, *parts = re.split(r"^## (.+)\n", inspect.cleandoc(env.__doc__), flags=re.MULTILINE)
    own = dict(zip(parts[::2], parts[1::2], strict=True))
    sections: dict[str, str] = {}
    for layer in (COMMON, family, own):
        for section, said in layer.items():
            sections[section] = said.strip().replace("{usual}", sections.get(section, ""))
    if set(sections) != set(SECTIONS):
        raise ValueError(f"the docstring of {env.__name__} must have the sections {SECTIONS}, got {tuple(sections)}")
    text = "\n\n".join([question.strip(), *(f"## {section}\n\n{sections[section]}" for section in SECTIONS)])
    task = env.task_type
    filled = {
        "observation": f"{layout.table()}\n\n{layout.meaning}",
        "options": option_table(task.options),
        "training": task.training.text(),
    }
    for name, value in (filled | texts).items():
        text = text.replace(f"{{{name}}}", value)
    env.__doc__ = text + "\n"
