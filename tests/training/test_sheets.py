"""Contact sheets: reading, drawing and writing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.errors import OutputError, SourceError
from livedream.networks.architectures import bvlc_googlenet
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import DreamNet
from tests.training.images import blobs, jpeg
from training import sheets
from training.export import export
from training.sheets import main, read_image, sheet, write_jpeg


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_PIXELS", 32 * 32)


def test_one_command_draws_a_sheet_for_each_image(tmp_path: Path, teacher: BvlcGoogLeNet) -> None:
    tensors: dict[str, Tensor] = dict(bvlc_googlenet.parameters(teacher))
    np.savez(tmp_path / "teacher.npz", **{name: t.numpy() for name, t in tensors.items()})
    export(DreamNet().requires_grad_(False), tmp_path / "dreamnet.safetensors", [], {})
    (tmp_path / "cat.jpg").write_bytes(jpeg(0))
    arguments = ["--pictures", "clouds", str(tmp_path / "cat.jpg"), "--out", str(tmp_path / "out")]
    files = ["--teacher", str(tmp_path / "teacher.npz"), "--weights", str(tmp_path / "dreamnet.safetensors")]
    assert main([*arguments, *files]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dreams-cat.jpg", "dreams-clouds.jpg"]
    drawn = cv2.imread(str(tmp_path / "out" / "dreams-clouds.jpg"))
    assert drawn is not None
    assert drawn.shape == (3 * (24 + 24 + 6), 2 * (2 * (43 + 6) + 6), 3)


def test_without_a_teacher_each_dream_has_its_own_cell() -> None:
    torch.manual_seed(0)
    drawn = sheet(DreamNet().requires_grad_(False), None, blobs(1)[0])
    assert drawn.shape == (2 * (24 + 32 + 6), 3 * (38 + 6), 3)
    cells = [drawn[row : row + 32, left : left + 32] for row in (24, 86) for left in (0, 44, 88)]
    differences = [np.abs(cell.astype(int) - cells[0]).mean() for cell in cells[1:]]
    assert min(differences) > 1.0


def test_each_class_has_its_own_dream(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = tmp_path / "dreamnet.safetensors"
    export(DreamNet().requires_grad_(False), weights, [], {"classes": ["roses", "tulips"]}, teacher=False)
    (tmp_path / "cat.jpg").write_bytes(jpeg(0))
    arguments = ["--pictures", str(tmp_path / "cat.jpg"), "--weights", str(weights), "--out", str(tmp_path)]
    assert main([*arguments, "--classes", "textures", "--prefix", "mine"]) == 0
    drawn = cv2.imread(str(tmp_path / "mine-cat.jpg"))
    assert drawn is not None
    height, width = drawn.shape[0] // 3, drawn.shape[1] // 3
    roses, tulips, empty = (drawn[2 * height + 26 : -10, i * width : (i + 1) * width - 14] for i in range(3))
    assert np.abs(roses.astype(int) - tulips).mean() > 1.0
    assert empty.min() > 240  # JPEG
    export(DreamNet().requires_grad_(False), weights, [], {}, teacher=False)
    assert main([*arguments, "--classes", "objects"]) == 1
    assert "no classes; possible: a network trained with --labels" in caplog.text


def test_a_video_frame_is_found_by_its_number(tmp_path: Path) -> None:
    video = cv2.VideoWriter(str(tmp_path / "video.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for level in (0, 80, 160, 240):
        video.write(np.full((48, 64, 3), level, np.uint8))
    video.release()
    assert abs(read_image(f"{tmp_path / 'video.avi'}@2").mean() - 160) < 4
    for wrong in ("video.avi@9", "video.avi@last", "none.avi@0", "none.jpg"):
        with pytest.raises(SourceError, match="possible:"):
            read_image(str(tmp_path / wrong))


def test_a_file_has_the_best_quality_that_fits(tmp_path: Path) -> None:
    image = blobs(1)[0]
    best = write_jpeg(tmp_path / "a.jpg", image)
    worse = write_jpeg(tmp_path / "b.jpg", image, (tmp_path / "a.jpg").stat().st_size - 100)
    assert worse < best
    with pytest.raises(OutputError, match="larger than 10 bytes"):
        write_jpeg(tmp_path / "c.jpg", image, 10)
