"""Errors that name the field, the value and the allowed range."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real


class TwinEnvsError(Exception):
    """Base of every error that twin-envs raises on purpose."""


class ConfigurationError(TwinEnvsError, ValueError):
    """An option, recipe field or argument is outside its allowed range."""


class SiteError(TwinEnvsError):
    """A site, or a file of it, is missing, damaged or does not hold what was asked for."""


class DependencyMissing(TwinEnvsError, ImportError):
    """An optional part of the installation is needed and not there; the message says how to install it."""


def check_number(
    field: str, value: object, low: float = -math.inf, high: float = math.inf, *, integer: bool = False
) -> None:
    """Raise `ConfigurationError` unless `value` is a finite number in [low, high] (an integer if asked)."""
    kind = Integral if integer else Real
    name = "an integer" if integer else "a number"
    whole = isinstance(value, Integral)  # and so finite, even where it is too large for a float
    if isinstance(value, bool) or not isinstance(value, kind) or not (whole or math.isfinite(value)):
        raise ConfigurationError(f"{field} must be {name} from {low} to {high}, got {value!r}")
    if not low <= value <= high:  # type: ignore[operator]
        raise ConfigurationError(f"{field} must be from {low} to {high}, got {value!r}")


def check_choice(field: str, value: object, choices: Iterable[object]) -> None:
    """Raise `ConfigurationError`, naming the nearest valid choice, unless `value` is one of `choices`."""
    choices = list(choices)
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(repr(c) for c in choices)
    raise ConfigurationError(f"{field} must be one of {listed}, got {value!r}{hint}")


def check_keys(where: str, keys: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `ConfigurationError`, naming the nearest valid key, if `keys` holds one that is not `allowed`."""
    allowed = list(allowed)
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"{where} has no field {key!r}{hint} (fields: {', '.join(allowed)})")
