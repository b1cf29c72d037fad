"""Makes `nr_tables.safetensors` from `sionna.sys`: `python -m twin_envs.csi.link.generate_tables`.

Sionna has no block error curves for code rates below 1/5, and none below -5 dB. The curves of such rates come from
`low_rates.json` (see `simulate_low_rates`), linear between the points and between the sizes as sionna's are; below its
first SNR every other block is lost.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from twin_envs.base.generators import generators_kept
from twin_envs.csi.link import simulate_low_rates
from twin_envs.csi.link.nr_tables import COMMAND, FILE, MCS_TABLES, tensors_sha256

FIRST_DB = -12
"""Effective SINR at which the tables begin: no curve has a BLER below 1 there."""
_PDSCH = 1  # the category of the downlink in sionna's tables


def _low_rate(rate_1024: int, sizes: list[int], step_db: float, points: int) -> torch.Tensor:
    """BLER of code blocks of `sizes` S bits, at G = `points` effective SINRs, float32 [S, G]."""
    curves = json.loads(simulate_low_rates.FILE.read_text())
    grid_db = FIRST_DB + step_db * np.arange(points)
    simulated = []
    for bits in simulate_low_rates.BITS:
        sinr_db, bler = zip(*curves[f"{rate_1024}/1024 {bits}"], strict=True)
        simulated.append(np.interp(grid_db, sinr_db, np.minimum.accumulate(bler)))
    by_size = [np.interp(sizes, simulate_low_rates.BITS, column) for column in np.stack(simulated, -1)]
    return torch.from_numpy(np.stack(by_size, -1)).float()


def _read_sionna(mcs_table: int) -> tuple[dict[str, torch.Tensor], dict[str, float], bytes]:
    """Tensors of an MCS table by their names in `NrTables`, its other fields, and the file of curves in sionna."""
    with generators_kept():
        from sionna.phy.nr.utils import MCSDecoderNR
        from sionna.sys import EESM, PHYAbstraction

        curves = resources.files("sionna.sys") / "bler_tables" / f"PDSCH_table{mcs_table}.json"
        abstraction = PHYAbstraction(load_bler_tables_from=str(curves), device="cpu")
        decoder, eesm = MCSDecoderNR(device="cpu"), EESM(device="cpu")
    first_db, last_db, step_db = abstraction.snr_db_interp_min_max_delta
    first_bits, last_bits, step_bits = abstraction.cbs_interp_min_max_delta
    sinr = torch.pow(10.0, torch.arange(first_db, last_db, step_db) / 10.0)
    size = torch.arange(first_bits, last_bits, step_bits)
    mcs = torch.arange(abstraction.bler_table_interp.shape[2])
    modulation_order, code_rate = decoder(mcs, mcs_table, _PDSCH)
    shape = (len(mcs), len(size), len(sinr))
    bler = abstraction.get_bler(
        mcs[:, None, None].expand(shape), mcs_table, _PDSCH, size[:, None].expand(shape), sinr.expand(shape)
    ).clamp(max=1.0)  # infinite where sionna has no curve
    differs = (bler[:, 1:] != bler[:, :-1]).any(-1).any(0)
    sizes = int(differs.nonzero().max()) + 2  # sionna has the same curves for all that are larger
    bler = torch.nn.functional.pad(bler[:, :sizes], (round((first_db - FIRST_DB) / step_db), 0), value=1.0)
    for index, rate in enumerate(code_rate.tolist()):
        if rate < 0.2:
            bler[index] = _low_rate(round(rate * 1024), size[:sizes].tolist(), step_db, bler.shape[-1])
    tensors = {
        "modulation_order": modulation_order.long(),
        "code_rate": code_rate.float(),
        "beta": eesm.beta_tensor[mcs_table - 1, : len(mcs)].clone(),
        "bler": bler.contiguous(),
    }
    grid = {"first_db": FIRST_DB, "step_db": step_db, "first_bits": first_bits, "step_bits": step_bits}
    return tensors, grid, curves.read_bytes()


def read_sionna() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and header of the file, from the sionna that is installed."""
    tables = {number: _read_sionna(number) for number in MCS_TABLES}
    tensors = {f"table{number}.{name}": value for number, (own, *_) in tables.items() for name, value in own.items()}
    (grid,) = {json.dumps(grid, sort_keys=True) for _, grid, _ in tables.values()}
    header = {
        "command": COMMAND,
        "source": f"sionna {importlib.metadata.version('sionna')}, sionna.sys (Apache-2.0)",
        "grid": grid,
        "tensors_sha256": tensors_sha256(tensors),
    }
    header["low_rates.json_sha256"] = hashlib.sha256(simulate_low_rates.FILE.read_bytes()).hexdigest()
    for number, (*_, curves) in tables.items():
        header[f"PDSCH_table{number}.json_sha256"] = hashlib.sha256(curves).hexdigest()
    return tensors, header


def main(file: Path = FILE) -> None:
    """Write the file, at once or not at all."""
    draft = file.with_name(file.name + ".part")
    tensors, header = read_sionna()
    save_file(tensors, draft, header)
    os.replace(draft, file)


if __name__ == "__main__":
    main()
