"""What a classifier sees in a photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import torch

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet


def recognised(network: BvlcGoogLeNet, shared: Path, photo: str) -> str:
    """The class of the middle square of a photograph of the shared data, as ImageNet words it."""
    bgr = cv2.imread(str(shared / "photo" / f"{photo}.png"))
    assert bgr is not None
    side = min(bgr.shape[:2])
    top, left = (bgr.shape[0] - side) // 2, (bgr.shape[1] - side) // 2
    square = cv2.resize(bgr[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    x = torch.from_numpy(square[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255.0
    with torch.no_grad():
        best = int(network.classify(x).argmax())
    return (shared / "weights" / "synset_words.txt").read_text().splitlines()[best]
