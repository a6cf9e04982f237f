"""PyTorch where it is needed: for a gradient that no runtime can give yet, and to compare runtimes with.

Importing PyTorch takes seconds and half a gigabyte, so that it is loaded when it is first asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.errors import LivedreamError
from livedream.extras import require
from livedream.ipc.heartbeat import LOADING_S, heartbeat

if TYPE_CHECKING:
    from livedream.runtimes.pytorch import TorchBackend

log = logging.getLogger(__name__)


class Reference:
    """Loads PyTorch's backend at its first use. Thread-safe."""

    def __init__(self, load: Callable[[], TorchBackend]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed: LivedreamError | None = None
        #: The backend, once it is loaded.
        self.loaded: TorchBackend | None = None

    def get(self) -> TorchBackend:
        """The backend; waits while it is being loaded. Raises ``LivedreamError`` when it cannot be."""
        if self.loaded is not None:
            return self.loaded
        heartbeat.begins("loading PyTorch", LOADING_S)
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self.loaded is None:
                try:
                    self.loaded = self._load()
                except LivedreamError as error:
                    self._failed = error
                    raise
            return self.loaded

    def pending(self) -> bool:
        """Whether it is still being loaded, in the background; begins to if nothing did before."""
        if self.loaded is not None or self._failed is not None:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._try, name="load PyTorch", daemon=True)
            self._thread.start()
        return self._thread.is_alive()

    def _try(self) -> None:
        try:
            self.get()
        except LivedreamError as error:
            log.error("%s", error)


def load_reference(network: str, weights: Path | None, device: str, threads: int) -> TorchBackend:
    """See :func:`livedream.runtimes.pytorch.load_torch_backend`.

    Raises ``MissingPackageError`` without PyTorch.
    """
    require("torch", f"dreaming {network}")
    from livedream.runtimes.pytorch import load_torch_backend

    return load_torch_backend(network, weights, device, threads)
