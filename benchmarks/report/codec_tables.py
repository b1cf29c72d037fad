"""The comparison of codecs as tables, for the documentation: from `benchmarks/results/codecs.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin_envs.benchmarks.report.tables import load_figures, markdown_table


def figures() -> dict[str, Any]:
    """What the comparison said."""
    return load_figures("codecs")


def reports() -> str:
    """What is left of channels in reality, and what a cell makes of it, by codec and codeword."""
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "bits held": lambda score: f"{score['bits']:.0f}",
        "SGCS": lambda score: f"{score['sgcs']:.3f}",
        "on streets": lambda score: f"{score['streets']['sgcs']:.3f}",
        "at an AP": lambda score: f"{score['ap']['sgcs']:.3f}",
        "NMSE": lambda score: f"{score['nmse_db']:.1f}",
        "sum rate": lambda score: f"{score['rate']:.0f}",
    }
    rows = []
    for name, about in figures()["codecs"].items():
        if about["bound"]:
            continue
        scores = [report["reality"] for report in about["reports"].values()]
        reserved = ", ".join(str(report["bits"]) for report in about["reports"].values())
        told = (", ".join(show(score) for score in scores) for show in columns.values())
        rows.append((name, reserved, *told, str(about["downlink_bits"])))
    return markdown_table(("codec", "bits reserved", *columns, "bits told beforehand"), rows)


def costs() -> str:
    """What a report costs to compute."""
    rows = []
    for name, about in figures()["codecs"].items():
        if "costs" in about and not about["bound"]:
            cost = about["costs"]
            times = ["" if cost[where] is None else f"{cost[where]:.2f} ms" for where in ("cpu_ms", "gpu_ms")]
            parameters = f"{cost['parameters']:,}" if cost["parameters"] else ""
            rows.append((name, parameters, f"{cost['multiply_adds'] / 1e6:.1f} million", *times))
    return markdown_table(("codec", "parameters", "multiplications of a report", "CPU", "GPU"), rows)


def claims() -> str:
    """What was claimed of codecs, and what was found."""
    found = figures()["claims"]
    few = found["few_bits"]["by_sgcs"]
    rows = [
        (f"SGCS {sgcs} with a twin takes at most {row['limit']} bits", _bits(row["bits"]), _holds(row["holds"]))
        for sgcs, row in few.items()
    ]
    codebook = [_bits(row["etype2"]) for row in few.values()]
    shown = ", ".join(f"{_bits(row['bits'])} ({has})" for row, has in zip(few.values(), codebook, strict=True))
    halved = all(row["half"] for row in few.values())
    rows.append(("and each at most half of enhanced Type II's (in brackets)", shown, _holds(halved)))
    beaten = ", ".join(f"`{name}` {margin:+.3f}" for name, margin in found["best_at_every_length"]["margin"].items())
    rows.append(
        (
            f"`{found['best_without_twin']}`, the best without a twin, is better than these at each of their lengths",
            f"at least {beaten}",
            _holds(found["best_at_every_length"]["holds"]),
        )
    )
    far = found["never_worse_at_4_m"]
    rows.append(("with 4 m it is never worse than that one", f"at least {far['margin']:+.3f}", _holds(far["holds"])))
    more = found["wrong_twin"]["more_bits"].values()
    shown = ", ".join("not known" if value is None else f"{value:+.0%}" for value in more)
    rows.append(("with a wrong twin it takes at most a tenth more bits", shown, _holds(found["wrong_twin"]["holds"])))
    lost = found["noisy_estimates"]["by_snr_db"]
    shown = ", ".join(f"{about['lost']:.3f} ({_snr(snr)}, `{about['best']}`)" for snr, about in lost.items())
    rows.append(
        ("of estimates with noise 100 bits lose at most 0.01", shown, _holds(found["noisy_estimates"]["holds"]))
    )
    return markdown_table(("claim", "found", "holds"), rows)


def again() -> str:
    """Bits of reports 20 slots after another, by what their paths are coded with."""
    rows = []
    for who, by_bits in figures()["again"].items():
        for reserved, by_prior in by_bits.items():
            bits = {prior: score["bits"] for prior, score in by_prior.items()}
            saved = (1 - bits[prior] / bits["twin"] for prior in ("last", "shorter"))
            rows.append(
                (who, reserved, *(f"{held:.0f}" for held in bits.values()), *(f"{share:.0%}" for share in saved))
            )
    head = ("UE", "most bits", "nothing known", "twin", "last report", "the shorter", "last saves", "the shorter saves")
    return markdown_table(head, rows)


def _bits(bits: float | None) -> str:
    return "out of reach" if bits is None else f"{bits:.0f}"


def _holds(value: bool) -> str:
    return "yes" if value else "no"


def _snr(snr: str) -> str:
    return "a cell's own" if snr == "cell" else f"{snr} dB"
