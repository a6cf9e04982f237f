"""Writes a trained network: weights as fp16 safetensors, and a JSON sidecar with their provenance."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from livedream.errors import NetworkError
from livedream.networks.architectures.dreamnet import (
    EDGES_RANK,
    INCEPTIONS,
    LAYERS,
    STEM_RANK,
    TEACHER_LAYERS,
    DreamNet,
)

#: Known training data, by name: title, licence, attribution.
KNOWN_DATA = {
    "caltech101": {
        "title": "Caltech-101",
        "licence": "CC BY 4.0",
        "attribution": "Li, Andreeto, Ranzato, Perona: Caltech 101 (2022), CaltechDATA",
    },
    "flowers": {
        "title": "tf_flowers",
        "licence": "CC BY 2.0, per photograph",
        "attribution": "The TensorFlow Team: Flowers (2019), photographs by their authors on Flickr",
    },
}

_IMITATION = {
    "origin": "its teacher with factorised convolutions, trained by livedream to imitate it",
    "licence": "MIT",
    "teacher": {
        "name": "bvlc_googlenet",
        "origin": "Berkeley Vision and Learning Center, Caffe model zoo",
        "licence": "released for unrestricted use",
    },
}
_OWN = {
    "origin": "trained by livedream without a teacher, on the images below",
    "licence": "to be chosen by whoever trained it",
}


def export(
    network: DreamNet, path: Path, sources: Sequence[Path], facts: dict[str, Any], *, teacher: bool = True
) -> None:
    """Write ``path`` (fp16 safetensors) and its sidecar (``.json``): origin, training data, hash, ``facts``.

    ``teacher`` says whether the network imitates bvlc_googlenet, or was trained on images alone.
    """
    tensors = {name: t.detach().to(torch.float16).contiguous() for name, t in network.state_dict().items()}
    partial = path.with_suffix(".partial")
    data = save(tensors)
    partial.write_bytes(data)
    os.replace(partial, path)
    known = [KNOWN_DATA.get(source.stem, {"title": source.name, "licence": "unknown"}) for source in sources]
    layers: dict[str, dict[str, Any]] = {
        layer: {"channels": channels, "stride": stride} for layer, (channels, stride) in LAYERS.items()
    }
    if teacher:
        for layer, theirs in TEACHER_LAYERS.items():
            layers[layer]["teacher_layer"] = theirs
    sidecar = {
        "name": path.stem,
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        **(_IMITATION if teacher else _OWN),
        "training_data": known,
        "layers": layers,
        "shape": {"stem_rank": STEM_RANK, "edges_rank": EDGES_RANK, **INCEPTIONS},
        "parameters": sum(p.numel() for p in network.parameters()),
    } | facts
    _write(path.with_suffix(".json"), sidecar)


def script_commit() -> dict[str, str]:
    """``{"commit": …}`` of this script, with ``-dirty`` if files have changed; empty outside a checkout."""
    here = ["git", "-C", str(Path(__file__).parent)]
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        # A copy of the project inside another checkout does not belong to that checkout.
        for command in (["ls-files", "--error-unmatch", Path(__file__).name], describe):
            done = subprocess.run([*here, *command], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": done.stdout.strip()}


def ancestor(weights: Path) -> dict[str, Any]:
    """``{"started_from": …}``: name and hash of ``weights``, and the training data from the sidecar."""
    facts: dict[str, Any] = {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    try:
        sidecar = json.loads(weights.with_suffix(".json").read_text())
        if sidecar["sha256"] == facts["sha256"]:
            kept = ("origin", "training_data", "started_from")
            facts |= {key: sidecar[key] for key in kept if key in sidecar}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # without a sidecar, the hash must do
    return {"started_from": facts}


def remembered(weights: Path) -> dict[str, Any]:
    """``{"started_from": …}`` from the sidecar of ``weights``, for a resumed run; empty if there is none."""
    try:
        return {"started_from": json.loads(weights.with_suffix(".json").read_text())["started_from"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def score(metrics: dict[str, float]) -> float:
    """Distance of the network from its teacher on held-out images: lower is better."""
    return sum(metrics[f"held_out_error_{name}"] - metrics[f"held_out_cosine_{name}"] for name in LAYERS)


def shipped_score(weights: Path) -> float:
    """The :func:`score` from the sidecar of ``weights``; infinite if there are none."""
    try:
        metrics = json.loads(weights.with_suffix(".json").read_text())["metrics"]
        return score(metrics) if weights.exists() else math.inf
    except (OSError, ValueError, KeyError):
        return math.inf


def trained_so_far(weights: Path) -> tuple[int, int, float]:
    """Steps, crops and seconds from the sidecar of ``weights``; zeros if there is none."""
    try:
        metrics = json.loads(weights.with_suffix(".json").read_text())["metrics"]
        return int(metrics["steps"]), int(metrics["crops"]), 60 * float(metrics["minutes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0, 0.0


def record(sidecar: Path, metrics: dict[str, float]) -> None:
    """Add ``metrics`` to those in a sidecar. Raises ``NetworkError`` if it is missing or damaged."""
    try:
        facts = json.loads(sidecar.read_text())
        facts["metrics"] |= metrics
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NetworkError(f"cannot add metrics to {sidecar}: {error!r}") from error
    _write(sidecar, facts)


def _write(path: Path, facts: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(facts, indent=2) + "\n")
    os.replace(partial, path)
