"""Logs for TensorBoard, written as they come: no thread, any path, and an error where the disk is full."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from twin_envs.base.files import naming_errors

_PREFIX = "events.out.tfevents."


class EventLog(KVWriter):
    """Writes the numbers that Stable-Baselines3 logs into a new file in `folder`.

    TensorBoard reads the files of a folder by name. The name of the new one is later than all that are there, even if
    the clock has gone back since.

    Raises:
        OSError: the file cannot be written; `filename` is its name.
    """

    def __init__(self, folder: Path) -> None:
        starts = [path.name.removeprefix(_PREFIX).partition(".")[0] for path in folder.glob(f"{_PREFIX}*")]
        start = max([int(time.time()), *(int(known) + 1 for known in starts if known.isdecimal())])
        self.path = folder / f"{_PREFIX}{start:010}.{socket.gethostname()}.{os.getpid()}"
        with naming_errors(self.path):
            folder.mkdir(parents=True, exist_ok=True)
        self._put(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write the numbers among `key_values`, as of `step`, but those that are not for TensorBoard."""
        values = [
            Summary.Value(tag=key, simple_value=float(value))
            for key, value in sorted(key_values.items())
            if isinstance(value, int | float | np.number) and "tensorboard" not in (key_excluded.get(key) or ())
        ]
        self._put(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _put(self, event: Event) -> None:
        with naming_errors(self.path), self.path.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())
