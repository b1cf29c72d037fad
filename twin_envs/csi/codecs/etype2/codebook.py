"""Enhanced Type II codebook of NR, Release 16, one layer (TS 38.214, 5.2.2.2.5).

The precoders of all subbands are W1 C Wf^H. W1 has L orthogonal DFT beams, the same for both groups of ports (see
`panel`). Wf has M columns of the DFT over subbands, which are delays. Of the 2 L x M coefficients C the strongest K0 or
fewer are reported. The strongest of all is 1. The other coefficients of its group have amplitudes of 3 bits, those of
the other group such amplitudes times a reference of 4 bits, and phases are of 16-PSK. Delays are counted from that of
the strongest coefficient, so a phase that grows from subband to subband is lost; no precoder needs it. The decoder
takes W as it is before NR scales the precoder of each subband to unit norm: a cell that knows C knows how strong the
subbands are against each other.

How many coefficients a UE reports is its own choice, made when it reports; it leaves out what would round to nothing. A
cell grants the resources of a report beforehand, so `bits` is what a report of K0 coefficients takes: with less granted
part 2 of the report might have to be cut. What a report really holds, which its part 1 tells, is `sent_bits`.
"""

from __future__ import annotations

import torch

from twin_envs.base.settings import lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.codebook import Codebook
from twin_envs.csi.codecs.etype2.parameters import (
    AMPLITUDE_BITS,
    COEFFICIENT_BITS,
    PHASE_BITS,
    REFERENCE_BITS,
    Format,
    formats,
    strongest_bits,
)
from twin_envs.csi.codecs.fields import by_length, pack, unpack
from twin_envs.csi.codecs.panel import GROUPS, combination, combination_index, panel_of
from twin_envs.csi.codecs.protocol import LEVEL_BITS, SideInformation
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import Site, kept_by_site

_TINY = torch.finfo(torch.float32).tiny
_HEAD = 5
"""Fields before the bitmap: level, number of coefficients, i1,1, i1,2, i1,6."""


class EType2(Codebook[Format]):
    """The codec `etype2`: a codeword length for each parameter combination.

    Args:
        grid: sizes of a channel.
        device: where it computes.
        groups: of ports (see `panel`); 2 is NR's codebook, 1 the same idea for an array of one polarisation.

    Attributes:
        formats: by codeword length [bits].

    Raises:
        ConfigurationError: NR has no panel for the array, or no subbands for so few blocks.
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device, groups: int = GROUPS) -> None:
        panel = panel_of("etype2" if groups == GROUPS else "etype2-copolar", grid, device, groups)
        super().__init__(grid, panel, formats(panel))
        o1, o2 = self.panel.oversampling
        n1, n2 = self.panel.n1, self.panel.n2
        # Beam (q1 + O1 n1, q2 + O2 n2) is number n2 N1 + n1 of the orthogonal set q = q1 O2 + q2.
        beams = self.panel.beams().view(n1, o1, n2, o2, -1).permute(1, 3, 2, 0, 4)
        self._beams = beams.reshape(o1 * o2, n1 * n2, n1 * n2) / (n1 * n2) ** 0.5  # [q, beam, port], unitary
        index = torch.arange(self.panel.subbands, dtype=torch.float64)
        phase = 2.0 * torch.pi * torch.outer(index, index) / len(index)
        self._delays = torch.polar(torch.full_like(phase, len(index) ** -0.5), phase).to(device, torch.complex64)
        self._references = 2.0 ** ((torch.arange(2**REFERENCE_BITS, device=device) - 15) / 4)
        self._amplitudes = 2.0 ** ((torch.arange(2**AMPLITUDE_BITS, device=device) - 7) / 2)
        # Halfway between amplitudes, nothing being the least: what is below the first is not reported.
        self._edges = (torch.nn.functional.pad(self._amplitudes, (1, 0))[:-1] + self._amplitudes) / 2

    def sent_bits(self, bits: torch.Tensor, side: SideInformation) -> torch.Tensor:
        """Number of bits that the reports `bits`, from `encode`, really hold, level included, int64 [N]."""
        sent = torch.zeros_like(side.codeword_bits)
        for length, rows in by_length(side.codeword_bits, self.formats):
            form = self.formats[length]
            sent[rows] = LEVEL_BITS + form.sent(self._reported(bits[rows], form))
        return sent

    def _encode(self, w: torch.Tensor, level: torch.Tensor, form: Format, columns: int) -> torch.Tensor:
        """Level, header, bitmap, strongest, reference, coefficients."""
        n, subbands = len(w), self.panel.subbands
        everything = torch.arange(n, device=w.device)
        # The set of orthogonal beams whose strongest L receive most, and these.
        turned = w.flatten(1, 2) @ self._beams.flatten(0, 1).mH
        received = turned.unflatten(1, (subbands, self.panel.groups)).unflatten(-1, self._beams.shape[:2])
        power = squared_magnitude(received).sum((1, 2))  # [N, q, beam]
        widest = power.topk(form.beams, -1)
        q = widest.values.sum(-1).argmax(-1)
        beam = widest.indices[everything, q].sort(-1).values
        received = received[everything, :, :, q]  # [N, subbands, groups, beam]
        chosen = received.gather(-1, beam[:, None, None].expand(-1, subbands, self.panel.groups, -1)).flatten(2)
        c = chosen.mT @ self._delays.conj()  # [N, 2 L, delays]

        # The strongest coefficient; delays from its own on, with the strongest others.
        size = squared_magnitude(c)
        first = size.amax(1).argmax(1)
        turn = (torch.arange(subbands, device=w.device) + first[:, None]) % subbands
        c = c.gather(2, turn[:, None].expand_as(c))
        others = squared_magnitude(c).sum(1)[:, 1:].topk(form.delays - 1, -1).indices + 1
        delay = torch.nn.functional.pad(others.sort(-1).values, (1, 0))  # the first is 0
        c = c.gather(2, delay[:, None].expand(-1, c.shape[1], -1))  # [N, 2 L, M]
        top = c[:, :, 0].abs().argmax(1)

        # Amplitudes and phases against it, the strongest K0.
        strong = c[everything, top, 0][:, None, None]
        ratio = c * strong.conj() / squared_magnitude(strong).clamp_min(_TINY)
        amplitude = ratio.abs().flatten(1)
        strongest = amplitude.topk(form.most, -1)
        amplitude = torch.zeros_like(amplitude).scatter_(1, strongest.indices, strongest.values).view_as(c.real)
        amplitude = amplitude.unflatten(1, (self.panel.groups, form.beams))
        weaker = (top // form.beams + 1) % self.panel.groups
        loudest = amplitude[everything, weaker].amax((1, 2))
        reference = (15 + 4 * torch.log2(loudest.clamp_min(_TINY))).round().clamp(1, 15).long()
        scale = torch.ones(n, self.panel.groups, device=w.device)
        scale[everything, weaker] = self._references[reference]
        step = torch.bucketize(amplitude / scale[..., None, None], self._edges, right=True).flatten(1, 2) - 1
        step[everything, top, 0] = 2**AMPLITUDE_BITS - 1
        phase = (ratio.angle() * (2**PHASE_BITS / (2 * torch.pi))).round().long() % 2**PHASE_BITS
        bitmap = (step >= 0).mT.flatten(1).long()  # delay by delay
        reported = bitmap.sum(1)

        # The coefficients that are reported, but the strongest, moved to the front.
        wanted = bitmap.clone()
        wanted[everything, top] = 0
        order = wanted.argsort(dim=1, descending=True, stable=True)[:, : form.most - 1]
        symbol = (step.clamp_min(0) << PHASE_BITS | phase).mT.flatten(1).gather(1, order)
        number = bitmap.cumsum(1)[everything, top] - 1
        head = [
            level,
            reported - 1,
            q,
            combination_index(beam, self.panel.group),
            combination_index(delay[:, 1:] - 1, subbands - 1),
        ]
        fields = torch.cat([torch.stack(head, 1), bitmap, torch.stack([number, reference], 1), symbol], 1)
        return pack(fields, self._widths(reported, form), columns)

    def _precoders(self, bits: torch.Tensor, form: Format) -> torch.Tensor:
        """Precoders, complex64 [N, subbands, groups, group], from bit strings of one format."""
        everything, subbands = torch.arange(len(bits), device=bits.device), self.panel.subbands
        fields = unpack(bits, self._widths(self._reported(bits, form), form))
        q, index, delay_index = fields[:, 2:_HEAD].unbind(1)
        beam = combination(index, self.panel.group, form.beams)
        others = combination(delay_index, subbands - 1, form.delays - 1) + 1
        delay = torch.nn.functional.pad(others, (1, 0))
        bitmap = fields[:, _HEAD : _HEAD + form.coefficients]
        number, reference = fields[:, _HEAD + form.coefficients : _HEAD + form.coefficients + 2].unbind(1)
        symbol = fields[:, _HEAD + form.coefficients + 2 :]

        place = (bitmap.cumsum(1) > number[:, None]).int().argmax(1)
        wanted = bitmap.clone()
        wanted[everything, place] = 0
        order = (wanted.cumsum(1) - 1).clamp_min(0)
        symbol = torch.nn.functional.pad(symbol, (0, 1)).gather(1, order)  # one more: there may be none
        phase = (symbol % 2**PHASE_BITS) * (2 * torch.pi / 2**PHASE_BITS)
        c = torch.polar(self._amplitudes[symbol >> PHASE_BITS] * wanted, phase)
        c[everything, place] = 1.0
        c = c.unflatten(1, (form.delays, self.panel.groups, form.beams))
        scale = torch.ones(len(bits), self.panel.groups, device=bits.device)
        if form.reference_bits:
            scale[everything, 1 - place // form.beams] = self._references[reference]
        c = c * scale[:, None, :, None]
        over_subbands = self._delays[delay].mT @ c.flatten(2)  # [N, subbands, 2 L]
        return over_subbands.unflatten(2, (self.panel.groups, form.beams)) @ self._beams[q[:, None], beam][:, None]

    def _reported(self, bits: torch.Tensor, form: Format) -> torch.Tensor:
        """How many coefficients the reports hold, int64 [N]."""
        width = torch.full((len(bits), 1), form.header[0], device=bits.device)
        return unpack(bits, width, LEVEL_BITS)[:, 0] + 1

    def _widths(self, reported: torch.Tensor, form: Format) -> torch.Tensor:
        """Bits of every field, int64 [N, fields]; those of coefficients that are not reported are 0."""
        device = reported.device
        head = torch.tensor([LEVEL_BITS, *form.header, *[1] * form.coefficients], device=device)
        reference = torch.full_like(reported, form.reference_bits)
        there = torch.arange(form.most - 1, device=device) < reported[:, None] - 1
        strongest = torch.stack([strongest_bits(reported), reference], 1)
        return torch.cat([head.expand(len(reported), -1), strongest, there * COEFFICIENT_BITS], 1)


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> EType2:
    """NR's codebook for the array of a site."""
    return EType2(angle_delay_grid(site), device)


@kept_by_site
@lasting()
def copolar_from_site(site: Site, device: torch.device) -> EType2:
    """The codebook for the array of a site taken as it is, with one polarisation; NR has no such panels."""
    return EType2(angle_delay_grid(site), device, groups=1)
