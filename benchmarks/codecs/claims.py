"""Which claims about codecs hold, by the figures of a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

WANTED = {0.86: 22, 0.91: 34, 0.94: 46, 0.965: 70}
"""By SGCS in reality: the bits that a codec with a twin should need at most."""
OF_A_CODEBOOK = 0.5
"""And the share of enhanced Type II's bits."""
CODEBOOK = "etype2"
BEATEN = (CODEBOOK, "etype2-copolar", "klt", "csinet", "csinet-plus", "transformer")
"""What the best codec without a twin should beat at every length."""
WRONG_PLACE_COSTS = 0.1
"""So many more bits than without a twin a wrong twin may cost."""
NOISE_COSTS = 0.01
"""So much less SGCS a report of noisy estimates may have than these."""


def claims(figures: dict[str, Any]) -> dict[str, Any]:
    """What was claimed, what was found, and whether it `holds`.

    Bits are those that reports hold on average, level included; between lengths the logarithm of what is missing to an
    SGCS of 1 is taken as linear in the logarithm of bits. All is of reality.

    Args:
        figures: `codecs` and `noisy`, as the comparison has them.
    """
    lines = {name: _line(about) for name, about in figures["codecs"].items() if not about["bound"]}
    plain = {name: line for name, line in lines.items() if not figures["codecs"][name]["twin"]}
    best = max(plain, key=lambda name: _margin(plain[name], (plain[CODEBOOK],)))
    aided = min(
        (name for name in lines if figures["codecs"][name]["twin"] and "," not in name),
        key=lambda name: _bits(lines[name], max(WANTED)) or float("inf"),
    )
    found: dict[str, Any] = {"best_without_twin": best, "best_with_twin": aided}
    rows = {}
    for sgcs, limit in WANTED.items():
        needs, codebook = _bits(lines[aided], sgcs), _bits(lines[CODEBOOK], sgcs)
        rows[str(sgcs)] = {
            "limit": limit,
            "bits": needs,
            CODEBOOK: codebook,
            "holds": needs is not None and needs <= limit,
            "half": codebook is None or (needs is not None and needs <= OF_A_CODEBOOK * codebook),
        }
    found["few_bits"] = {"by_sgcs": rows, "holds": all(row["holds"] and row["half"] for row in rows.values())}
    margin = {name: _margin(plain[best], (plain[name],)) for name in BEATEN if name in plain and name != best}
    found["best_at_every_length"] = {"margin": margin, "holds": all(value > 0 for value in margin.values())}
    far = lines.get(f"{aided}, 4 m")
    if far is not None:
        margin_far = _margin(far, (plain[best],))
        found["never_worse_at_4_m"] = {"margin": margin_far, "holds": margin_far >= 0}
    wrong = lines.get(f"{aided}, wrong place")
    if wrong is not None:
        more = {str(sgcs): _more(_bits(wrong, sgcs), _bits(plain[best], sgcs)) for sgcs in WANTED}
        known = [value for value in more.values() if value is not None]
        found["wrong_twin"] = {"more_bits": more, "holds": bool(known) and max(known) <= WRONG_PLACE_COSTS}
    noisy = {
        snr: {"estimate": row["estimate"], "best": max((k for k in row if k != "estimate"), key=lambda k: row[k])}
        for snr, row in figures["noisy"].items()
    }
    lost = {snr: about["estimate"] - figures["noisy"][snr][about["best"]] for snr, about in noisy.items()}
    found["noisy_estimates"] = {
        "by_snr_db": {snr: {**about, "lost": lost[snr]} for snr, about in noisy.items()},
        "holds": lost["cell"] <= NOISE_COSTS,
    }
    return found


def _line(about: dict[str, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Bits held and SGCS in reality of a codec's lengths, by bits."""
    points = sorted((report["reality"]["bits"], report["reality"]["sgcs"]) for report in about["reports"].values())
    bits, sgcs = np.array(points).T
    return bits, np.maximum.accumulate(sgcs)


def _sgcs(line: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], bits: float) -> float | None:
    """SGCS with so many bits; None with fewer than a codec has."""
    if bits < line[0][0]:
        return None
    return float(1 - np.exp(np.interp(np.log(bits), np.log(line[0]), np.log(1 - line[1]))))


def _bits(line: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], sgcs: float) -> float | None:
    """Bits for an SGCS; None for one that the codec does not reach, its fewest for less than it has."""
    if sgcs > line[1][-1]:
        return None
    return float(np.exp(np.interp(-np.log(1 - sgcs), -np.log(1 - line[1]), np.log(line[0]))))


def _margin(
    line: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    others: Iterable[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]],
) -> float:
    """The least by which a codec is better than others at their lengths, of those for which it has enough bits."""
    differences = [
        mine - float(theirs)
        for other in others
        for bits, theirs in zip(*other, strict=True)
        if (mine := _sgcs(line, bits)) is not None
    ]
    return min(differences, default=float("-inf"))


def _more(bits: float | None, without: float | None) -> float | None:
    return None if bits is None or without is None else bits / without - 1
