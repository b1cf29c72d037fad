"""All that can be reached from an object by looking at attributes, in containers and behind methods."""

import functools
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch


def reachable(root: Any) -> Iterator[tuple[str, Any]]:
    """The object and what it leads to, each once, with the way there.

    Objects, containers, methods, functions with what they close over, and partials are looked into; tensors and arrays
    are not. Modules and classes lead everywhere, so they are left out.
    """
    seen, waiting = set(), deque([("", root)])
    kept = []  # so that no identity is given twice
    while waiting:
        way, thing = waiting.popleft()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType):
            continue
        seen.add(id(thing))
        kept.append(thing)
        yield way, thing
        waiting.extend((f"{way}{step}", found) for step, found in _inside(thing))


def _inside(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in thing.items())
    elif isinstance(thing, list | tuple | set | frozenset | deque):
        yield from ((f"[{place}]", value) for place, value in enumerate(thing))
    elif isinstance(thing, types.MethodType):
        yield ".__self__", thing.__self__
        yield ".__func__", thing.__func__
    elif isinstance(thing, functools.partial):
        yield from ((f".{name}", getattr(thing, name)) for name in ("func", "args", "keywords"))
    elif isinstance(thing, types.FunctionType):
        yield ".__closure__", [cell.cell_contents for cell in thing.__closure__ or ()]
        yield ".__defaults__", (thing.__defaults__, thing.__kwdefaults__)
    elif not isinstance(thing, torch.Tensor | np.ndarray):
        slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        held = {name: getattr(thing, name) for name in slots if hasattr(thing, name)} | getattr(thing, "__dict__", {})
        yield from ((f".{name}", value) for name, value in held.items())
