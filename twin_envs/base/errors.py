"""Errors that name the field, the value and the allowed range."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard


class TwinEnvsError(Exception):
    """Base of every error that twin-envs raises on purpose."""


class ConfigurationError(TwinEnvsError, ValueError):
    """An option, recipe field or argument is outside its allowed range."""


class UnknownOption(ConfigurationError, TypeError):
    """A keyword argument is none of the options; a `TypeError`, as of any function that has no such argument."""


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
    """Raise `ConfigurationError`, naming the nearest valid choice, unless `value` is one of `choices`.

    A choice that is a float may be given as an integer, for JSON has `1` for `1.0`.
    """
    choices = list(choices)
    kinds = {float, type(value)} if type(value) is int else {type(value)}
    if any(type(choice) in kinds and value == choice for choice in choices):
        return
    listed = ", ".join(repr(c) for c in choices)
    raise ConfigurationError(f"{field} must be one of {listed}, got {value!r}{hint(value, choices)}")


def hint(value: object, choices: Iterable[object]) -> str:
    """The end of a message about a misspelt name or a number that is none of `choices`: "; did you mean ...?" or ""."""
    near = nearest(value, choices)
    return "" if near is None else f"; did you mean {near!r}?"


def nearest(value: object, choices: Iterable[object]) -> Any:
    """The choice that a misspelt name or a number may have meant; None if there is none like it."""
    if isinstance(value, str):
        names = [choice for choice in choices if isinstance(choice, str)]
        return next(iter(difflib.get_close_matches(value, names, n=1, cutoff=0.5)), None)
    if not _is_number(value):
        return None
    numbers = [choice for choice in choices if _is_number(choice)]
    return min(numbers, key=lambda choice: abs(choice - value), default=None)


def _is_number(value: object) -> TypeGuard[float]:
    """Whether one can calculate with it: neither infinite nor an integer that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def check_keys(where: str, keys: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `ConfigurationError`, naming the nearest valid key, if `keys` holds one that is not `allowed`."""
    allowed = list(allowed)
    for key in keys:
        if key not in allowed:
            raise ConfigurationError(_no_field(where, key, allowed))


def check_keywords(where: str, keywords: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `UnknownOption`, naming the nearest, if `keywords` of a call holds one that is not `allowed`.

    The message has Python's own words for that: libraries read them to find out what an environment takes.
    """
    allowed = list(allowed)
    for keyword in keywords:
        if keyword not in allowed:
            said = _no_field(where, keyword, allowed)
            raise UnknownOption(f"{said}: got an unexpected keyword argument {keyword!r}")


def _no_field(where: str, key: str, allowed: list[str]) -> str:
    return f"{where} has no field {key!r}{hint(key, allowed)} (fields: {', '.join(allowed)})"
