"""Gradients of a device's tensors, for images that need not leave the device. No torch at import."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from livedream.frame import Array
from livedream.networks.objective import Objective
from livedream.runtimes.base import Session

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DeviceGradient:
    """The gradient of one layer at one size.

    ``run`` maps an image, float32 (1, 3, h, w) in [0, 1], and ``second``, or a tensor like it, to a direction
    of the image's shape. If it is ``recordable`` it waits for nothing, and may become part of a CUDA graph;
    if it is ``batchable``, ``torch.vmap`` runs it on several images at once. Equal keys mean equal functions.
    """

    key: Hashable
    run: Callable[[Tensor, Tensor | None], Tensor]
    second: Tensor | None = None
    recordable: bool = True
    batchable: bool = False


@runtime_checkable
class DeviceSession(Protocol):
    """A session that can do without NumPy."""

    def on_device(self, second: Array) -> DeviceGradient:
        """Its gradient, with this second input: see :class:`livedream.runtimes.base.Session`."""


@runtime_checkable
class OnDevice(Protocol):
    """A backend that can do without NumPy."""

    @property
    def device_name(self) -> str:
        """PyTorch's name of the device: ``cuda:0``, ``mps``, ``cpu``."""

    def on_device(self, layer: str, size: tuple[int, int], objective: Objective) -> DeviceGradient:
        """The gradient at ``size`` (width, height), with what is ready now.

        Raises ``BackendError`` or ``MissingPackageError`` when nothing on this machine can run it.
        """


def gradient_on_device(session: Session, second: Array) -> DeviceGradient:
    """What a session computes, with ``second`` as its second input; through the host if it has to."""
    if isinstance(session, DeviceSession):
        return session.on_device(second)
    import torch

    def run(image: Tensor, given: Tensor | None) -> Tensor:
        array = np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy())
        found = torch.from_numpy(session(array, second).gradient)
        return found.to(image.device).permute(2, 0, 1)[None]

    return DeviceGradient(id(session), run, recordable=False)


def gives_gradients(session: Session, image: Array, second: Array) -> bool:
    """Whether a session gives something of the right shape and finite on its device.

    The first run takes long: there PyTorch loads its kernels, and compiles what is to be compiled. Sessions
    that cannot be recorded, whose CUDA graph belongs to the thread of their first run, are not tried.
    """
    if not isinstance(session, DeviceSession):
        return True
    gradient = session.on_device(second)
    if not gradient.recordable or gradient.second is None:
        return True
    import torch

    x = torch.from_numpy(image).to(gradient.second.device).permute(2, 0, 1)[None]
    found = gradient.run(x, gradient.second)
    return found.shape == x.shape and bool(found.isfinite().all())


def runs_on_graphics(backend: object) -> bool:
    """Whether a backend's device is a graphics card that a whole tick can run on: one of NVIDIA's."""
    return isinstance(backend, OnDevice) and backend.device_name.startswith("cuda")
