"""Long tables, of which the operating system keeps in memory what is used."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np
import torch

from twin_envs.base.errors import SiteError

IN_MEMORY_BYTES = 2**28
"""Tables that are larger lie in a file."""


class Rows:
    """Rows that come piece by piece, of one shape and type, and are read as one tensor.

    What is larger than `IN_MEMORY_BYTES` lies in a temporary file without a name, which is mapped into memory: the
    operating system reads the pages that are used, and drops them where memory is short. The file goes with the tensor.
    """

    def __init__(self) -> None:
        self._pieces: list[torch.Tensor] = []
        self._rows = self._bytes = 0
        self._file: IO[bytes] | None = None

    def append(self, rows: torch.Tensor) -> None:
        """Add `rows` [N, ...].

        Raises:
            SiteError: the folder for temporary files has no room; the message says what to set.
        """
        self._pieces.append(rows.cpu().contiguous())
        self._rows, self._bytes = self._rows + len(rows), self._bytes + rows.nbytes
        if self._bytes <= IN_MEMORY_BYTES:
            return
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 (open until all rows are there)
            for piece in self._pieces:
                self._file.write(piece.numpy().data.cast("B") if piece.nbytes else b"")
            self._file.flush()
        except OSError as error:
            raise SiteError(
                f"cannot write a table of {self._bytes} bytes to the folder for temporary files: {error.strerror}; "
                "make room there, or set TMPDIR to a folder with room"
            ) from None
        self._pieces = [self._pieces[-1][:0]]

    def tensor(self, device: torch.device | str) -> torch.Tensor:
        """All rows [rows, ...], once; on the CPU writing to them changes the copy in memory only."""
        if self._file is None:
            return torch.cat(self._pieces).to(device)
        like = self._pieces[0].numpy()
        shape = (self._rows, *like.shape[1:])
        with self._file as file:
            return torch.from_numpy(np.memmap(file, like.dtype, mode="c", shape=shape)).to(device)
