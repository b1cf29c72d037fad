"""What the commands `python -m agents...` and `python -m benchmarks...` share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer

from twin_envs.base.console import telling_errors
from twin_envs.base.errors import ConfigurationError, TwinEnvsError


def run_command(main: Callable[..., None]) -> None:
    """Run `main` with the arguments of the command line; an error that we raise on purpose is told without a trace."""
    with telling_errors(TwinEnvsError):
        typer.run(main)


def parse_json_object(field: str, text: str) -> dict[str, Any]:
    """The object that a JSON text holds. Raises `ConfigurationError`, naming `field`, if it holds none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{field} must be a JSON object, got {text!r}: {error}") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{field} must be a JSON object, got {text!r}")
    return value
