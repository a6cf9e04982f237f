"""What sound is like at a moment: how loud in three bands, and where something begins. Only numbers leave."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from livedream.curves import decay
from livedream.frame import Array

#: (lowest, highest) frequency in Hz: kick and bass line; voices and most instruments; hi-hats and breath.
BANDS = {"bass": (20.0, 200.0), "mid": (200.0, 2000.0), "treble": (2000.0, 12000.0)}
#: One spectrum each 10 ms, of the last 43 ms: two periods of the lowest bass.
_HOP_S, _WINDOW_S = 0.01, 0.043
#: Gain follows the loudest of the last while, up at once and down by this half-life, and the quietest
#: upwards: a quiet and a loud input both use the whole range.
_TOP_HALF_LIFE_S, _FLOOR_HALF_LIFE_S = 10.0, 20.0
#: The floor is at most this part of the top: a steady tone is not taken for silence.
_HIGHEST_FLOOR = 0.5
#: Below this RMS (-60 dB of full scale) is the noise of an input, which no gain lifts up.
_SILENCE = 0.001
#: An onset is a rise of the compressed spectrum within two hops, above the mean of the last while by so many
#: deviations, and above what steady noise does; the next comes no sooner than this.
_FLUX_S, _DEVIATIONS, _LEAST_RISE, _DEAD_S = 1.5, 1.5, 0.35, 0.1
#: Onsets are looked for in octaves: a kick has few frequencies, a hi-hat thousands. The lowest are in one.
_OCTAVES_HZ = (20.0, *(80.0 * 2**n for n in range(8)))
#: How far loud parts of a spectrum are pressed together before it is compared.
_COMPRESSION = 100.0


@dataclass(frozen=True)
class Heard:
    """Bands and level, 0..1 after the automatic gain; ``onsets`` counts beginnings."""

    bass: float = 0.0
    mid: float = 0.0
    treble: float = 0.0
    level: float = 0.0
    onsets: int = 0


class _Gain:
    """Lays an amplitude over 0..1, between the quietest and the loudest of the last while."""

    def __init__(self) -> None:
        self._top = self._floor = 0.0

    def __call__(self, amplitude: float, elapsed_s: float) -> float:
        self._top = max(amplitude, self._top * decay(_TOP_HALF_LIFE_S, elapsed_s), _SILENCE)
        risen = amplitude + (self._floor - amplitude) * decay(_FLOOR_HALF_LIFE_S, elapsed_s)
        self._floor = min(amplitude, risen, _HIGHEST_FLOOR * self._top)
        return min(1.0, max(0.0, (amplitude - self._floor) / (self._top - self._floor)))


class Analyser:
    """Takes mono samples as they come. ``heard`` is what the newest of them are like.

    ``rate_hz`` is their rate. Nothing older than a window is kept.
    """

    def __init__(self, rate_hz: float) -> None:
        self.heard = Heard()
        self._hop = max(1, round(_HOP_S * rate_hz))
        self._elapsed_s = self._hop / rate_hz
        size = round(_WINDOW_S * rate_hz)
        self._window = np.hanning(size).astype(np.float32)
        self._scale = float(2 / (size * np.square(self._window).sum()))
        hz = np.fft.rfftfreq(size, 1 / rate_hz)
        self._bins = [(hz >= low) & (hz < high) for low, high in BANDS.values()]
        self._octaves = np.searchsorted(hz, [edge for edge in _OCTAVES_HZ if edge < hz[-1]])
        self._samples = np.zeros(size, np.float32)
        self._waiting = np.zeros(0, np.float32)
        self._gains = [_Gain() for _ in range(len(BANDS) + 1)]
        self._loudest = _SILENCE
        self._spectra: deque[Array] = deque(maxlen=2)
        self._flux: deque[float] = deque(maxlen=round(_FLUX_S / _HOP_S))
        self._before = 0.0
        self._since_s = _DEAD_S

    def feed(self, samples: Array) -> Heard:
        """Take samples (n,) float32 in -1..1, of any number; what is heard now."""
        waiting = np.concatenate((self._waiting, samples.astype(np.float32, copy=False)))
        hops = len(waiting) // self._hop
        for n in range(hops):
            self._step(waiting[n * self._hop : (n + 1) * self._hop])
        self._waiting = waiting[hops * self._hop :]
        return self.heard

    def _step(self, hop: Array) -> None:
        if not np.isfinite(hop).all():
            hop = np.zeros_like(hop)
        self._samples = np.concatenate((self._samples[len(hop) :], hop))
        powers = np.square(np.abs(np.fft.rfft(self._samples * self._window))) * self._scale
        amplitudes = [float(np.sqrt(powers[bins].sum())) for bins in self._bins]
        level = float(np.sqrt(powers.sum()))
        values = [gain(a, self._elapsed_s) for gain, a in zip(self._gains, (*amplitudes, level), strict=True)]
        onsets = self.heard.onsets + self._begins(powers, level)
        self.heard = Heard(values[0], values[1], values[2], values[3], onsets)

    def _begins(self, powers: Array, level: float) -> bool:
        """Whether something begins in this hop: the flux of the compressed spectrum has a peak."""
        self._loudest = max(level, self._loudest * decay(_TOP_HALF_LIFE_S, self._elapsed_s), _SILENCE)
        octaves = np.sqrt(np.add.reduceat(powers, self._octaves))
        spectrum = np.log1p(_COMPRESSION * octaves / self._loudest)
        flux = float(np.maximum(spectrum - self._spectra[0], 0).mean()) if self._spectra else 0.0
        self._spectra.append(spectrum)
        history = np.array(self._flux) if self._flux else np.zeros(1)
        self._flux.append(flux)
        self._since_s += self._elapsed_s
        rises, self._before = flux > self._before, flux
        limit = max(_LEAST_RISE, history.mean() + _DEVIATIONS * history.std())
        if not (rises and flux > limit and level > 2 * _SILENCE and self._since_s >= _DEAD_S):
            return False
        self._since_s = 0.0
        return True
