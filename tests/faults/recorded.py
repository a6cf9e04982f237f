"""A real mirror that writes down when it showed which picture, and whose dream can fail on request.

``python -m tests.faults.recorded FILE FAILURE WORD...`` runs the mirror with these words. Each line of the
file is a picture: the time by the system's clock, the number of its frame, its mean brightness; or a residual
that is no dream, which the show must never get: the time, and ``invalid``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def record(path: Path) -> None:
    """Have the mirror of this process write down its pictures."""
    import numpy as np

    from livedream.show.dream_keeper import DreamKeeper
    from livedream.show.outputs import Outputs

    file = path.open("w", buffering=1)
    show, residual = Outputs.show, DreamKeeper.residual

    def shown(self, scene, overlay, stamp, now):
        show(self, scene, overlay, stamp, now)
        brightness = scene.picture()[::8, ::8].mean()
        file.write(f"{time.monotonic():.4f} {stamp.index} {brightness:.2f}\n")

    def checked(self, *args):
        value = residual(self, *args)
        if value is not None and not np.isfinite(value.array).all():
            file.write(f"{time.monotonic():.4f} invalid\n")
        return value

    Outputs.show, DreamKeeper.residual = shown, checked  # type: ignore[method-assign]


if __name__ == "__main__":
    from livedream.cli.main import main
    from livedream.show import dream_keeper
    from tests.faults import failing

    record(Path(sys.argv[1]))
    dream_keeper.run_dream = getattr(failing, sys.argv[2])  # type: ignore[attr-defined]
    sys.exit(main(sys.argv[3:]))
