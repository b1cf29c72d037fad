"""Type I single-panel codebook of NR, one layer (TS 38.214, 5.2.2.2.1; TS 38.212, table 6.3.1.1.2-1).

The precoder of a subband is [v_(l, m); phi_n v_(l, m)] / sqrt(P): a beam, and the phase phi_n = exp(j pi n / 2) between
the two groups of ports (see `panel`). A UE reports the beam for the whole band (i1,1 and i1,2), in mode 2 four beams
that are neighbours, and i2 for each subband: n and, in mode 2, which of the four. Nothing tells the phase or strength
of one subband against another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twin_envs.base.constant import Constant
from twin_envs.base.settings import lasting
from twin_envs.base.units import squared_magnitude
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.codebook import Codebook
from twin_envs.csi.codecs.fields import pack, unpack
from twin_envs.csi.codecs.panel import Panel, bits_for, panel_of
from twin_envs.csi.codecs.protocol import LEVEL_BITS
from twin_envs.csi.transforms import AngleDelayGrid
from twin_envs.world.store.site import Site, kept_by_site

PHASES = 4
"""Values of n."""


@dataclass(frozen=True, kw_only=True)
class Type1Format(Constant):
    """One way to report.

    Attributes:
        mode: 1 or 2, `codebookMode`.
        subband: i2 is reported for each subband, or once.
        beam: beams l * N2 O2 + m that i2 chooses among, int64 [i1,1 and i1,2 as one index, beams].
        widths: bits of i1,1, of i1,2 and of each i2, int64 [fields].
        i12: values of i1,2.
    """

    mode: int
    subband: bool
    beam: torch.Tensor
    widths: torch.Tensor
    i12: int

    @property
    def codeword_bits(self) -> int:
        """Bits of the PMI."""
        return int(self.widths.sum())


class Type1(Codebook[Type1Format]):
    """The codec `type1`: wideband PMI of mode 1, then PMI for each subband of mode 1 and of mode 2.

    Args:
        grid: sizes of a channel.
        device: where it computes.

    Raises:
        ConfigurationError: NR has no panel for the array, or no subbands for so few blocks.
    """

    def __init__(self, grid: AngleDelayGrid, device: torch.device) -> None:
        panel = panel_of("type1", grid, device)
        made = [_format(panel, mode, subband) for mode, subband in ((1, False), (1, True), (2, True))]
        super().__init__(grid, panel, {form.codeword_bits: form for form in made})
        self._beams = self.panel.beams().flatten(0, 1)
        self._turns = torch.tensor([1, 1j, -1, -1j], dtype=torch.complex64, device=device)

    def _encode(self, w: torch.Tensor, level: torch.Tensor, form: Type1Format, columns: int) -> torch.Tensor:
        """Level, i1,1, i1,2 and every i2. The beam is the one that receives most power over all subbands."""
        fields = torch.cat([level[:, None], self._choose(w, form)], 1)
        return pack(fields, torch.nn.functional.pad(form.widths, (1, 0), value=LEVEL_BITS), columns)

    def _choose(self, w: torch.Tensor, form: Type1Format) -> torch.Tensor:
        """i1,1, i1,2 and every i2 for precoders [N, subbands, groups, group], int64 [N, fields]."""
        received = w @ self._beams.mH  # [N, subbands, groups, beams]
        power = squared_magnitude(received).sum(2)
        across = received[:, :, 0].conj() * received[:, :, 1]
        if not form.subband:
            power, across = power.sum(1, keepdim=True), across.sum(1, keepdim=True)
        # Of the four phases the best gains the larger of |Re| and |Im|, twice.
        gained = power + 2.0 * torch.maximum(across.real.abs(), across.imag.abs())
        best, which = gained[..., form.beam].max(-1)  # [N, subbands, i1]
        i1 = best.sum(1).argmax(1)
        which = which.gather(2, i1[:, None, None].expand(-1, which.shape[1], 1))[..., 0]
        beam = form.beam[i1[:, None], which]
        turned = across.gather(2, beam[..., None]) * self._turns.conj()  # [N, subbands, n]
        i2 = which * PHASES + turned.real.argmax(-1)
        return torch.cat([torch.stack([i1 // form.i12, i1 % form.i12], 1), i2], 1)

    def _precoders(self, bits: torch.Tensor, form: Type1Format) -> torch.Tensor:
        """Precoders, complex64 [N, subbands, groups, group], from bit strings of one format."""
        fields = unpack(bits, form.widths.expand(len(bits), -1), LEVEL_BITS)
        i2 = fields[:, 2:]
        beam = form.beam[(fields[:, 0] * form.i12 + fields[:, 1])[:, None], i2 // PHASES]
        v = self._beams[beam]
        return torch.stack([v, self._turns[i2 % PHASES][..., None] * v], 2)  # one i2 serves all subbands


@kept_by_site
@lasting()
def from_site(site: Site, device: torch.device) -> Type1:
    """The codebook for the array of a site."""
    return Type1(angle_delay_grid(site), device)


def _format(panel: Panel, mode: int, subband: bool) -> Type1Format:
    (o1, o2), device = panel.oversampling, panel.antenna.device
    size1, size2 = panel.n1 * o1, panel.n2 * o2
    near: tuple[tuple[int, int], ...]
    if mode == 1:
        step1, step2, near = 1, 1, ((0, 0),)
    elif panel.n2 > 1:
        step1, step2, near = 2, 2, ((0, 0), (1, 0), (0, 1), (1, 1))
    else:
        step1, step2, near = 2, 1, ((0, 0), (1, 0), (2, 0), (3, 0))
    first, second = size1 // step1, size2 // step2
    beam = [
        [(i11 * step1 + d1) % size1 * size2 + (i12 * step2 + d2) % size2 for d1, d2 in near]
        for i11 in range(first)
        for i12 in range(second)
    ]
    widths = [bits_for(first), bits_for(second)]
    widths += [bits_for(PHASES * len(near))] * (panel.subbands if subband else 1)
    return Type1Format(
        mode=mode,
        subband=subband,
        beam=torch.tensor(beam, device=device),
        widths=torch.tensor(widths, device=device),
        i12=second,
    )
