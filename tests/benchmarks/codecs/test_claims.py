"""Which claims hold, by made-up figures."""

import copy

import pytest

from twin_envs.benchmarks.codecs.claims import WANTED, claims


def about(bits_and_sgcs, twin=False, bound=False):
    reports = {str(bits - 7): {"bits": bits, "reality": {"bits": bits, "sgcs": sgcs}} for bits, sgcs in bits_and_sgcs}
    return {"bound": bound, "twin": twin, "reports": reports}


FIGURES = {
    "codecs": {
        "csinet": about([(71, 0.7), (519, 0.9)]),
        "etype2": about([(50, 0.8), (200, 0.9)]),
        "path": about([(40, 0.86), (60, 0.91), (80, 0.94), (120, 0.965), (160, 0.98)]),
        "path-twin": about([(20, 0.86), (30, 0.91), (40, 0.94), (60, 0.965), (80, 0.98)], twin=True),
        "path-twin, 4 m": about([(22, 0.86), (33, 0.91), (44, 0.94), (66, 0.965), (90, 0.98)], twin=True),
        "path-twin, wrong place": about([(43, 0.86), (65, 0.91), (86, 0.94), (130, 0.965)], twin=True),
        "uncompressed": about([(71, 1.0)], bound=True),
    },
    "noisy": {"cell": {"estimate": 0.99, "path": 0.985, "csinet": 0.7}, "0": {"estimate": 0.8, "path": 0.78}},
}


def test_claims_that_hold():
    found = claims(FIGURES)
    assert (found["best_without_twin"], found["best_with_twin"]) == ("path", "path-twin")
    held = [found[name]["holds"] for name in found if not name.startswith("best_with")]
    assert held == [True] * 5
    rows = found["few_bits"]["by_sgcs"]
    assert [row["bits"] for row in rows.values()] == pytest.approx([20, 30, 40, 60])
    assert rows["0.94"]["etype2"] is None  # it never gets there
    assert found["best_at_every_length"]["margin"].keys() == {"csinet", "etype2"}
    assert found["noisy_estimates"]["by_snr_db"]["0"] == pytest.approx(
        {"estimate": 0.8, "best": "path", "lost": 0.02}, abs=1e-9
    )


@pytest.mark.parametrize(
    ("claim", "codec", "points"),
    [
        ("few_bits", "path-twin", [(23, 0.86), (30, 0.91), (40, 0.94), (60, 0.965)]),
        ("best_at_every_length", "csinet", [(71, 0.7), (100, 0.96)]),
        ("never_worse_at_4_m", "path-twin, 4 m", [(41, 0.86), (61, 0.91), (81, 0.94), (121, 0.965)]),
        ("wrong_twin", "path-twin, wrong place", [(43, 0.86), (67, 0.91), (86, 0.94), (130, 0.965)]),
    ],
)
def test_claims_that_do_not_hold(claim, codec, points):
    figures = copy.deepcopy(FIGURES)
    figures["codecs"][codec] = about(points, twin="twin" in codec)
    found = claims(figures)
    assert not found[claim]["holds"]
    assert all(found[name]["holds"] for name in found if name not in ("best_without_twin", "best_with_twin", claim))


def test_bits_between_lengths_are_interpolated_in_the_logarithm_of_what_is_missing():
    figures = copy.deepcopy(FIGURES)
    figures["codecs"]["path-twin"] = about([(10, 0.8), (1000, 0.99)], twin=True)
    needs = claims(figures)["few_bits"]["by_sgcs"]
    for sgcs in WANTED:
        assert needs[str(sgcs)]["bits"] == pytest.approx(10 * (0.2 / (1 - sgcs)) ** (2 / 1.30103), rel=1e-5)
