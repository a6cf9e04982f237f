"""The dreamer: one frame after another, each dreamt on a little, with the dream carried along."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from livedream.dream.ascent import classic_dream, jittered, octave_size, random_shift, resized
from livedream.dream.residual import Residual, soft_limit, surprise
from livedream.flow import FlowEstimator, grey
from livedream.frame import Image, crop_to_aspect, resize, working_size
from livedream.networks.backend import Backend, choose_device
from livedream.networks.catalogue import network_info
from livedream.networks.exported_backend import open_backend
from livedream.networks.objective import LAYER_L2, Objective
from livedream.settings import DreamSettings
from livedream.timing import SectionTimer


@dataclass(frozen=True)
class Target:
    """What is dreamt: a layer, or one channel of it, on a network."""

    network: str
    layer: str
    channel: int


@dataclass(frozen=True)
class Fade:
    """A crossfade between two targets: from ``before``, beginning at ``start_s`` on the frames' clock."""

    before: Target
    start_s: float


class Dreamer:
    """Dreams on frames in order, in this process.

    ``dreamer(image, settings)`` gives the dreamt picture, RGB uint8 in and out, at the image's own size.
    :meth:`tick` gives only the residual, at working size; that is what the mirror uses. The result depends
    on nothing but the frames, the settings and ``seed``.

    ``backend``, ``auto`` or a name of :data:`livedream.networks.catalogue.BACKENDS`, runs the network, on so
    many ``threads``. With ``wait`` the first tick at each layer and size waits until that is prepared;
    without, PyTorch dreams until then.

    Raises ``UsageError`` for an unknown network, layer or device, ``NetworkError`` for unusable weights.
    """

    def __init__(
        self,
        network: str = "dreamnet",
        *,
        weights: Path | str | None = None,
        device: str = "auto",
        seed: int = 0,
        backend: str = "pytorch",
        threads: int = 1,
        wait: bool = True,
    ) -> None:
        self._device = choose_device(device)
        self._open = functools.partial(
            open_backend, device=self._device, runtime=backend, threads=threads, wait=wait
        )
        self._backends: dict[str, Backend] = {}
        self.default_network = network
        self.add_network(network, self.load(network, weights))
        self._generator = torch.Generator().manual_seed(seed)
        self._flow = FlowEstimator()
        self.timer = SectionTimer()
        self.reset()

    def reset(self) -> None:
        """Forget the dream so far; the next frame starts a new one."""
        self._residual: Residual | None = None
        self._grey: Image | None = None
        self._target: Target | None = None
        self._fade: Fade | None = None
        self._octave = 0
        self._time_s = 0.0

    def close(self) -> None:
        """End whatever goes on beside the dream, such as the preparing of neighbouring layers."""
        for backend in self._backends.values():
            backend.close()

    def load(self, network: str, weights: Path | str | None = None) -> Backend:
        """A backend for another network, not yet in use; may be called from another thread."""
        return self._open(network, None if weights is None else Path(weights))

    def add_network(self, name: str, backend: Backend) -> None:
        """Make a loaded network available to the settings."""
        self._backends[name] = backend

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that are loaded."""
        return tuple(self._backends)

    @property
    def backend(self) -> Backend:
        """What runs the network that was dreamt with last."""
        return self._backends[self._target.network if self._target else self.default_network]

    def __call__(self, image: Image, settings: DreamSettings | None = None) -> Image:
        """Dream one tick on ``image`` (RGB uint8, (H, W, 3)) and lay the dream over it."""
        settings = settings or DreamSettings(network=self.default_network)
        residual = self.tick(image, settings)
        large = resize(residual, image.shape[1], image.shape[0])
        return np.clip(image + settings.strength * large, 0, 255).astype(np.uint8)

    def tick(
        self,
        image: Image,
        settings: DreamSettings,
        *,
        time_s: float | None = None,
        aspect: float | None = None,
    ) -> Residual:
        """Dream ``settings.steps`` ascent steps on a frame; the residual (h, w, 3), in levels of 255.

        ``image`` is RGB uint8 (H, W, 3); the residual has its shape at ``settings.working_px``, or the shape
        of its centre when ``aspect`` (width / height) names a visible part. ``time_s`` is the frame's time,
        by which crossfades run; frames without one are taken to come 30 to the second.
        """
        self._time_s = self._time_s + 1 / 30 if time_s is None else time_s
        self._aim(settings)
        with self.timer.section("prepare"):
            visible = crop_to_aspect(image, aspect)
            width, height = working_size(visible.shape[1], visible.shape[0], settings.working_px)
            frame = resize(visible, width, height)
        with self.timer.section("carry"):
            residual = self._carried(frame, settings.persistence)
        if settings.steps:
            with self.timer.section("ascent"):
                residual = self._ascend(frame, residual, settings)
        with self.timer.section("limit"):
            self._residual = soft_limit(residual, settings.residual_limit)
        return self._residual

    def classic(
        self, image: Image, settings: DreamSettings, progress: Callable[[], object] = lambda: None
    ) -> Image:
        """The original, slow algorithm on one picture (RGB uint8) at its full size, with its own values."""
        self._aim(settings)
        dreamt = classic_dream(
            _tensor(np.asarray(image, np.float32) / 255, self._device),
            self._direction,
            self._generator,
            progress=progress,
        )
        return np.asarray((_array(dreamt) * 255).round(), np.uint8)

    def _aim(self, settings: DreamSettings) -> None:
        """Follow the settings' network, layer and channel; a change of them starts a crossfade."""
        layer = network_info(settings.network).layer(settings.layer).name
        target = Target(settings.network, layer, settings.channel)
        if self._target is not None and target != self._target and settings.crossfade_s > 0:
            self._fade = Fade(self._target, self._time_s)
        self._target = target
        if self._fade is not None:
            self._share = (self._time_s - self._fade.start_s) / max(1e-6, settings.crossfade_s)
            if self._share >= 1.0:
                self._fade = None

    def _direction(self, image: Tensor) -> Tensor:
        """The normalised gradient of what is dreamt now; during a crossfade, of both, weighed."""
        assert self._target is not None
        direction = self._gradient_of(self._target, image)
        if self._fade is None:
            return direction
        share = max(0.0, self._share) ** 2 * (3 - 2 * self._share)
        return share * direction + (1 - share) * self._gradient_of(self._fade.before, image)

    def _gradient_of(self, target: Target, image: Tensor) -> Tensor:
        objective = LAYER_L2 if target.channel < 0 else Objective((target.channel,))
        return self._backends[target.network].gradient(image, target.layer, objective)

    def _carried(self, frame: Image, persistence: float) -> Residual:
        """The last residual, moved with the picture, faded, and dropped where something new appeared."""
        now, before, residual = grey(frame), self._grey, self._residual
        self._grey = now
        if residual is None or before is None:
            return np.zeros(frame.shape, np.float32)
        if before.shape != now.shape:
            return persistence * resize(residual, now.shape[1], now.shape[0])
        flow = self._flow(now, before)
        keep = surprise(now, self._flow.warp(before, flow))
        moved: Residual = self._flow.warp(residual, flow)
        moved *= (persistence * keep)[..., None]
        return moved

    def _ascend(self, frame: Image, residual: Residual, settings: DreamSettings) -> Residual:
        base = _tensor(frame.astype(np.float32) / 255, self._device)
        x = base + _tensor(residual, self._device) / 255
        height, width = frame.shape[:2]
        for _ in range(settings.steps):
            size = octave_size(height, width, self._octave % settings.octaves, settings.octave_scale)
            self._octave += 1
            shift = random_shift(settings.jitter, self._generator)
            direction = jittered(self._direction, resized(x, size), shift)
            # The picture on the wall has no more than its range: what exceeds it would only pile up unseen.
            x = (x + settings.step_size / 255 * resized(direction, (height, width))).clamp(0.0, 1.0)
        dreamt = _array(x - base) * 255
        if np.isfinite(dreamt.sum()):
            return dreamt
        self.backend.drop("it gave what is no number")
        return residual


def _tensor(array: Residual, device: torch.device) -> Tensor:
    """(h, w, 3) float32 as (1, 3, h, w) on the device."""
    return torch.from_numpy(array).to(device).permute(2, 0, 1).unsqueeze(0)


def _array(tensor: Tensor) -> Residual:
    """(1, 3, h, w) as contiguous (h, w, 3) float32 NumPy."""
    return np.ascontiguousarray(tensor.detach()[0].permute(1, 2, 0).cpu().numpy(), dtype=np.float32)
