"""Sound at another rate: band-limited interpolation by a windowed sinc, one set of weights for each phase.

Frequencies up to 0.45 of the lower rate pass unchanged (to 1 in 10,000), those above 0.52 of it are damped by 90 dB.
"""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

#: Zeros of the sinc on each side, the share of the band that passes, and the shape of Kaiser's window.
_ZEROS, _BAND, _BETA = 48, 0.96, 9.0
#: So many phases get their weights at once.
_PHASES = 1024

Sound = NDArray[np.float64]


def resampled(sound: Sound, rate: int, wanted: int) -> Sound:
    """[channels, time] at `wanted` samples a second instead of `rate`. Silence lies before and behind it.

    The result has ceil(time × wanted ÷ rate) samples; the n-th is at the time n ÷ wanted.
    """
    if rate == wanted:
        return sound
    up, down = wanted // gcd(rate, wanted), rate // gcd(rate, wanted)
    length = -(-sound.shape[1] * up // down)
    cutoff = _BAND * min(1.0, wanted / rate)
    half = ceil(_ZEROS / cutoff)
    padded = np.pad(sound, ((0, 0), (half, half + 1)))
    windows = sliding_window_view(padded, 2 * half + 1, axis=1)
    made = np.empty((len(sound), length))
    for first in range(0, min(up, length), _PHASES):
        phases = np.arange(first, min(first + _PHASES, up, length))
        for phase, weights in zip(phases.tolist(), _weights(phases * down % up / up, cutoff, half), strict=True):
            count = len(range(phase, length, up))
            made[:, phase::up] = windows[:, phase * down // up :: down][:, :count] @ weights
    return made


def _weights(fractions: Sound, cutoff: float, half: int) -> Sound:
    """For each fraction of a sample behind the middle one, what the samples around it count; their sum is 1."""
    distances = np.arange(-half, half + 1) - fractions[:, np.newaxis]
    inside = np.clip(1 - (distances / (half + 1)) ** 2, 0, None)
    weights: Sound = np.sinc(cutoff * distances) * np.i0(_BETA * np.sqrt(inside))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights
