"""The log of a training run: metrics as CSV, and a plot of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from livedream.networks.architectures.dreamnet import LAYERS

_COUNTS = ["steps", "crops", "minutes", "learning_rate"]
#: Columns for training with a teacher, and without.
FIELDS = _COUNTS + [
    f"{kind}_{layer}" for kind in ("error", "cosine", "held_out_error", "held_out_cosine") for layer in LAYERS
]
OWN_FIELDS = [
    *_COUNTS,
    "loss_corrupted",
    "loss_label",
    *(f"{kind}_{layer}" for kind in ("held_out_corrupted", "held_out_accuracy") for layer in LAYERS),
]
# One colour (BGR) per layer, edges to objects.
_COLOURS = [(200, 120, 0), (150, 160, 0), (60, 170, 60), (0, 140, 230), (60, 60, 220)]


class Journal:
    """Collects the metrics of the steps and writes their means to a CSV file with the columns ``fields``."""

    def __init__(self, path: Path, *, append: bool, fields: Sequence[str] = FIELDS) -> None:
        self._path, self._fields = path, fields
        self._sums: dict[str, list[float]] = {}
        if not append or not path.exists():
            path.write_text(",".join(fields) + "\n")

    def add(self, metrics: Mapping[str, float]) -> None:
        """Collect the metrics of one step."""
        for name, value in metrics.items():
            self._sums.setdefault(name, []).append(value)

    def write(self, row: Mapping[str, float]) -> dict[str, float]:
        """Write ``row`` and the means of the metrics since the last row. Returns what was written."""
        means = {name: float(np.mean(values)) for name, values in self._sums.items()}
        self._sums = {}
        written = dict(row) | means
        with self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._fields).writerow({k: f"{v:.6g}" for k, v in written.items()})
        return written


def plot(csv_path: Path, png_path: Path) -> None:
    """Plot the metrics on held-out images: a panel for each metric, a line for each layer."""
    with csv_path.open() as file:
        rows = list(csv.DictReader(file))
    if len(rows) < 2:
        return
    steps = np.array([float(row["steps"]) for row in rows])
    measured = [name for name, value in rows[-1].items() if name.startswith("held_out") and value]
    kinds = dict.fromkeys(name.rsplit("_", 1)[0] for name in measured)
    cv2.imwrite(str(png_path), np.hstack([_panel(rows, steps, kind) for kind in kinds]))


def _panel(rows: list[dict[str, str]], steps: np.ndarray, prefix: str) -> np.ndarray:
    width, height, margin = 640, 420, 50
    panel = np.full((height, width, 3), 255, np.uint8)
    font, grey = cv2.FONT_HERSHEY_SIMPLEX, (90, 90, 90)
    for tick in range(6):
        y = round(height - margin - tick / 5 * (height - 2 * margin))
        cv2.line(panel, (margin, y), (width - margin, y), (225, 225, 225), 1)
        cv2.putText(panel, f"{tick / 5:.1f}", (12, y + 4), font, 0.4, grey, 1, cv2.LINE_AA)
    title = f"{prefix.replace('_', ' ')} over {steps[-1]:.0f} steps"
    cv2.putText(panel, title, (margin, 24), font, 0.5, grey, 1, cv2.LINE_AA)
    for i, (layer, colour) in enumerate(zip(LAYERS, _COLOURS, strict=True)):
        if not rows[-1][f"{prefix}_{layer}"]:
            continue
        values = np.clip([float(row[f"{prefix}_{layer}"] or 0.0) for row in rows], 0.0, 1.0)
        x = margin + steps / steps[-1] * (width - 2 * margin)
        heights = values * (height - 2 * margin)
        points = np.stack((x, height - margin - heights), 1).round().astype(np.int32)
        cv2.polylines(panel, [points], False, colour, 2, cv2.LINE_AA)
        cv2.putText(panel, layer, (margin + 100 * i, height - 14), font, 0.5, colour, 1, cv2.LINE_AA)
    return panel
