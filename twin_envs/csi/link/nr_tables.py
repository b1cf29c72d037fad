"""The tables of the NR link, in a file of the package: no simulator is needed to read them.

`nr_tables.safetensors` holds what `sionna.sys` says of PDSCH. It is made by

    python -m twin_envs.csi.link.generate_tables

and its header tells the command, the version of sionna, the sha256 of the curves in sionna, and the sha256 of the
tensors, by which a damaged file is refused.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from twin_envs.base.errors import TwinEnvsError
from twin_envs.base.settings import lasting

FILE = Path(__file__).with_name("nr_tables.safetensors")
COMMAND = "python -m twin_envs.csi.link.generate_tables"
MCS_TABLES = (1, 2)
"""TS 38.214, tables 5.1.3.1-1 (64QAM) and -2 (256QAM)."""


class NrTables(NamedTuple):
    """C modulation and coding schemes, their block error curves at G effective SINRs for code blocks of S sizes.

    Fields:
        modulation_order: int64 [C].
        code_rate: target code rate, float32 [C].
        beta: parameter of the exponential effective SINR, float32 [C].
        bler: of one code block, float32 [C, S, G]; 1 where sionna has no curve.
        first_db, step_db: effective SINR g is `first_db + g * step_db`.
        first_bits, step_bits: size s is `first_bits + s * step_bits`; the largest stands for all that are larger.
    """

    modulation_order: torch.Tensor
    code_rate: torch.Tensor
    beta: torch.Tensor
    bler: torch.Tensor
    first_db: float
    step_db: float
    first_bits: int
    step_bits: int

    def size_index(self, code_block_bits: torch.Tensor) -> torch.Tensor:
        """Index of the size next to each of `code_block_bits`, int64 of the same shape."""
        index = ((code_block_bits - self.first_bits) / self.step_bits).round()
        return index.clamp(0, self.bler.shape[1] - 1).long()


def tensors_sha256(tensors: dict[str, torch.Tensor]) -> str:
    """sha256 over names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@functools.cache
@lasting()
def load_nr_tables(mcs_table: int) -> NrTables:
    """The tables of MCS table `mcs_table`, one of `MCS_TABLES`, on the CPU.

    Raises:
        TwinEnvsError: the file is missing or damaged.
    """
    try:
        with safe_open(FILE, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError) as error:
        raise _damaged(str(error)) from error
    if metadata.get("tensors_sha256") != tensors_sha256(tensors):
        raise _damaged("it was changed after it was made")
    grid = json.loads(metadata["grid"])
    prefix = f"table{mcs_table}."
    return NrTables(
        **{name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}, **grid
    )


def _damaged(reason: str) -> TwinEnvsError:
    return TwinEnvsError(f"{FILE} cannot be used: {reason}; install twin-envs anew, or make the file with `{COMMAND}`")
