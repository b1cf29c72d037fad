"""The stored tables of the NR link against sionna.sys, whole curves and block sizes; and a damaged file."""

import json
import math
from importlib import resources

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sionna.phy.nr.utils import CodedAWGNChannelNR, MCSDecoderNR, TransportBlockNR
from sionna.sys import EESM, PHYAbstraction

from twin_envs.base.errors import TwinEnvsError
from twin_envs.csi.link import NrLink, generate_tables, nr_tables, simulate_low_rates
from twin_envs.csi.link.transport_block import transport_block

PDSCH = 1
DEFAULT = 51 * 12 * 11
SLOTS = [100, 101, 137, 250, 600, 1000, 2777, DEFAULT, 10_000, 23_456, 46_200]


@pytest.fixture(scope="module", params=nr_tables.MCS_TABLES)
def mcs_table(request):
    return request.param


@pytest.fixture(scope="module")
def abstraction(mcs_table):
    curves = resources.files("sionna.sys") / "bler_tables" / f"PDSCH_table{mcs_table}.json"
    return PHYAbstraction(load_bler_tables_from=str(curves), device="cpu")


def sionnas_blocks(mcs_table, resource_elements):
    """Bits, size of a code block and number of code blocks of every MCS."""
    mcs = torch.arange(len(nr_tables.load_nr_tables(mcs_table).beta))
    modulation_order, code_rate = MCSDecoderNR(device="cpu")(mcs, mcs_table, PDSCH)
    return TransportBlockNR(device="cpu").transport_block_size(
        modulation_order, code_rate, modulation_order * resource_elements
    )


@pytest.mark.parametrize("resource_elements", SLOTS)
def test_the_link_has_the_curves_of_sionna_bit_for_bit(abstraction, mcs_table, resource_elements):
    """At every effective SINR of the grid, for every MCS, whatever the number and size of code blocks."""
    bits, code_block_bits, code_blocks = sionnas_blocks(mcs_table, resource_elements)
    first_db, last_db, step_db = abstraction.snr_db_interp_min_max_delta
    sinr = torch.pow(10.0, torch.arange(first_db, last_db, step_db) / 10.0)
    shape = (len(bits), len(sinr))
    of_code_block = abstraction.get_bler(
        torch.arange(len(bits))[:, None].expand(shape),
        mcs_table,
        PDSCH,
        code_block_bits[:, None].expand(shape),
        sinr.expand(shape),
    ).clamp(max=1.0)
    link = NrLink(mcs_table=mcs_table, resource_elements=resource_elements)
    mcs = torch.arange(len(bits))[:, None].expand(shape)
    met = sinr.expand(shape)[..., None]
    bler = link.deliver(mcs, met, torch.ones(*shape, 1)).bler
    known = slice({1: 3, 2: 2}[mcs_table], None)  # sionna has no curves of the lower MCSs
    assert torch.equal(bler[known], 1.0 - (1.0 - of_code_block[known]) ** code_blocks[known, None])
    assert (of_code_block[: known.start] == 1).all()
    assert torch.equal(link.bits_per_re, bits / resource_elements)


def threshold_db(link, mcs, bler):
    """Least SINR [dB] of a flat channel at which an MCS has at most this BLER."""
    sinr_db = torch.arange(-12.0, 5.0, 0.1)
    sinr = (10 ** (sinr_db / 10))[:, None]
    met = link.deliver(torch.full((len(sinr),), mcs), sinr, torch.ones(len(sinr), 1)).bler <= bler
    return sinr_db[met.nonzero()[0, 0]].item()


@pytest.mark.parametrize("resource_elements", [1000, DEFAULT])
def test_low_mcss_follow_the_others_at_about_their_distance_from_capacity(mcs_table, resource_elements):
    link = NrLink(mcs_table=mcs_table, resource_elements=resource_elements)
    thresholds = [threshold_db(link, mcs, 0.1) for mcs in range(6)]
    assert thresholds == sorted(thresholds)
    capacity_db = 10 * torch.log10(2 ** link.bits_per_re[:6] - 1)
    gap_db = torch.tensor(thresholds) - capacity_db
    assert (gap_db > 0.3).all()
    assert (gap_db < 3.0).all()
    sinr = 10 ** (torch.arange(-12.0, 5.0, 0.1) / 10)
    bler = link.deliver(
        torch.arange(3)[:, None].expand(3, len(sinr)), sinr.expand(3, -1)[..., None], torch.ones(3, 170, 1)
    ).bler
    assert (bler[:, 0] == 1).all()
    assert (bler[:, -1] == 0).all()
    assert (bler.diff(dim=-1) <= 1e-6).all()


def test_a_longer_code_block_at_a_low_rate_needs_less(mcs_table):
    tables = nr_tables.load_nr_tables(mcs_table)
    for mcs in range({1: 3, 2: 2}[mcs_table]):
        points = [(tables.bler[mcs, index] > 0.1).sum().item() for index in (0, 1, 5, 20)]  # 24, 124, 524, 2024 bits
        assert points == sorted(points, reverse=True)


def test_low_rates_are_as_sionnas_own_encoder_and_channel_have_them():
    """At code rate 1/5, the lowest of sionna's encoder: encoded random bits over AWGN against the word of zeros."""
    bits, snr_db, blocks = 100, -4.0, 400
    coded = CodedAWGNChannelNR(num_bits_per_symbol=2, num_info_bits=bits, target_coderate=0.2, device="cpu")
    sent, decoded = coded(blocks, snr_db - 10 * math.log10(2 * 0.2))
    expected = (sent != decoded).any(-1).float().mean().item()
    lost = (
        simulate_low_rates.low_rate_decoder(0.2 * 1024, bits)(snr_db, blocks, torch.Generator().manual_seed(0)) / blocks
    )
    assert 0.1 < expected < 0.9
    assert lost == pytest.approx(expected, abs=4 * (0.5 / blocks) ** 0.5)


@pytest.mark.parametrize("rate_1024", simulate_low_rates.RATES_1024)
def test_a_simulation_with_another_seed_lands_on_the_stored_curve(rate_1024):
    curve = json.loads(simulate_low_rates.FILE.read_text())[f"{rate_1024}/1024 100"]
    snr_db, stored = min(curve, key=lambda point: abs(point[1] - 0.5))
    blocks = 300
    lost = (
        simulate_low_rates.low_rate_decoder(rate_1024, 100)(snr_db, blocks, torch.Generator().manual_seed(77)) / blocks
    )
    assert lost == pytest.approx(stored, abs=0.15)  # four standard deviations of both
    below = simulate_low_rates.low_rate_decoder(rate_1024, 100)(snr_db - 3, 20, torch.Generator().manual_seed(78))
    assert below == 20


def test_transport_blocks_are_cut_as_in_sionna(mcs_table):
    tables = nr_tables.load_nr_tables(mcs_table)
    for resource_elements in range(100, 46_201, 97):
        ours = [
            transport_block(resource_elements, order, rate)
            for order, rate in zip(tables.modulation_order.tolist(), tables.code_rate.tolist())
        ]
        bits, code_block_bits, code_blocks = sionnas_blocks(mcs_table, resource_elements)
        assert torch.equal(torch.tensor(ours), torch.stack([bits, code_blocks, code_block_bits], -1)), resource_elements


def test_a_low_rate_has_smaller_code_blocks():
    block = transport_block(46_200, 2, 0.2)  # TS 38.212, 7.2.2: base graph 2, at most 3840 bits each
    assert block.code_blocks == 5
    assert block.code_block_bits <= 3840
    assert block.code_blocks * (block.code_block_bits - 24) == block.bits + 24


def test_parameters_of_the_effective_sinr_are_sionnas(mcs_table):
    beta = nr_tables.load_nr_tables(mcs_table).beta
    assert torch.equal(beta, EESM(device="cpu").beta_tensor[mcs_table - 1, : len(beta)])


def test_the_command_makes_the_file_of_the_package(tmp_path):
    again = tmp_path / "again.safetensors"
    generate_tables.main(again)
    with safe_open(nr_tables.FILE, "pt") as packaged, safe_open(again, "pt") as made:
        assert made.metadata()["tensors_sha256"] == packaged.metadata()["tensors_sha256"]
        assert made.keys() == packaged.keys()
        assert packaged.metadata().keys() == made.metadata().keys()
        assert packaged.metadata()["source"].startswith("sionna ")


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_file_is_refused_by_name(tmp_path, monkeypatch, damage):
    file = tmp_path / "tables.safetensors"
    if damage == "changed":
        with safe_open(nr_tables.FILE, "pt") as packaged:
            tensors, header = {name: packaged.get_tensor(name) for name in packaged.keys()}, packaged.metadata()  # noqa: SIM118
        tensors["table2.bler"][5, 7, 100] += 0.01
        save_file(tensors, file, header)
    if damage == "cut":
        file.write_bytes(nr_tables.FILE.read_bytes()[:-10])
    monkeypatch.setattr(nr_tables, "FILE", file)
    nr_tables.load_nr_tables.cache_clear()
    with pytest.raises(TwinEnvsError, match=rf"{file.name} cannot be used: .*{nr_tables.COMMAND}"):
        nr_tables.load_nr_tables(2)
