"""Linear precoding for the UEs of a cell, and the SINR that it gives them."""

from __future__ import annotations

import torch

from twin_envs.base.units import squared_magnitude

LOADING_RANGE = (1e-5, 1e6)
"""Range of a UE's loading, the inverse of its SNR. The lower end keeps single precision safe when two UEs report the
same channel; nobody is then nulled deeper than 50 dB, far beyond what CSI allows. The upper end avoids underflow."""


def regularised_zero_forcing(h_hat: torch.Tensor, noise: torch.Tensor, power: float) -> torch.Tensor:
    """Regularised zero forcing with equal power for every UE.

    With the rows of G = diag(noise)^(-1/2) H, the channels in units of each UE's own noise, the precoder is
    W = G^H (G G^H + K / power I)^(-1), K the number of UEs, its columns then scaled to the power of one UE: Peel,
    Hochwald and Swindlehurst, "A vector-perturbation technique for near-capacity multiantenna multiuser communication,
    part I", IEEE Trans. Commun. 53(1), 2005. Each column maximises the power that reaches its UE over the power of one
    unit of noise plus what leaks to the others in units of *their* noise, so UEs of very different path gain are
    treated alike. It is computed from rows of unit norm, where the loading of a UE becomes the inverse of the SNR that
    it would have alone with its share of the power: well conditioned in single precision.

    Args:
        h_hat: the CSI that the cell has, amplitude gains, complex64 [..., F, U, A]. A row of zeros is a UE without CSI.
        noise: power of noise and other-cell interference in a resource element at each UE, real [..., U], not negative.
        power: transmit power of the cell in a resource element, greater than 0, in the unit of `noise`.

    Returns:
        w, complex64 [..., F, A, U], in the square root of the unit of `power`: |w|^2 sums to `power` over A and U. A UE
        without CSI gets a column of zeros and the others its power. The received signal is h^T w, without conjugate.
    """
    smallest = torch.finfo(h_hat.real.dtype).tiny
    conjugate = h_hat.conj_physical()
    gram = h_hat @ conjugate.mT
    gain = gram.diagonal(dim1=-2, dim2=-1).real.clone()  # [..., F, U], the squared norms of the rows
    share = power / (gain > 0).sum(-1, keepdim=True).clamp_min(1)
    gain.clamp_min_(smallest)
    loading = (noise[..., None, :] / (share * gain)).clamp(*LOADING_RANGE)

    scale = gain.rsqrt()
    correlation = gram.mul_(scale[..., :, None] * scale[..., None, :])
    correlation.diagonal(dim1=-2, dim2=-1).add_(loading)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(correlation).L)

    w = (inverse.mT * scale[..., None, :]) @ conjugate  # [..., F, U, A]; the inverse is Hermitian: mT conjugates it
    norm = torch.linalg.vector_norm(torch.view_as_real(w).flatten(-2), dim=-1).clamp_min_(smallest)
    return w.mul_((share.sqrt() / norm)[..., None]).mT


def signal_to_interference(h: torch.Tensor, w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """SINR of every UE when all are served at once, each by its own column of `w`.

    Args:
        h: channel, amplitude gains, complex64 [..., F, U, A].
        w: precoder, complex64 [..., F, A, U]; leading dimensions broadcast, so one `w` serves several times of `h`.
        noise: power of noise and other-cell interference in a resource element, real [..., U], greater than 0.

    Returns:
        SINR, linear, float32 [..., F, U].
    """
    amplitude = h @ w  # row: the UE that receives; column: the UE that it is meant for
    power = squared_magnitude(amplitude)
    own = power.diagonal(dim1=-2, dim2=-1)
    signal = own.clone()
    own.zero_()
    return signal / (power.sum(-1) + noise[..., None, :])
