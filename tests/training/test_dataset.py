"""Images from folders and tar files, and crops of them."""

from __future__ import annotations

import io
import logging
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.errors import SourceError
from tests.training.images import jpeg
from training.dataset import SIDE_PX, Dataset, crops, is_held_out, prepare


def test_folders_and_tar_files_become_one_array_and_the_held_out_part_is_fixed(tmp_path: Path) -> None:
    names = [f"photo{i}.jpg" for i in range(120)]
    held = {name for name in names if is_held_out(name)}
    assert 0 < len(held) < 12
    folder = tmp_path / "mine" / "deeper"
    folder.mkdir(parents=True)
    for i, name in enumerate(names[:60]):
        (folder / name).write_bytes(jpeg(i))
    (folder / "notes.txt").write_text("not an image")
    with tarfile.open(tmp_path / "theirs.tar", "w") as tar:
        for i, name in enumerate(names[60:]):
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(data := jpeg(60 + i))
            tar.addfile(info, io.BytesIO(data))
    sources = [tmp_path / "mine", tmp_path / "theirs.tar"]
    found = prepare(sources, tmp_path / "cache")
    assert found.train.shape == (120 - len(held), SIDE_PX, SIDE_PX, 3)
    assert found.held_out.shape == (len(held), SIDE_PX, SIDE_PX, 3)
    first = next(i for i, name in enumerate(names) if name in held)
    decoded = cv2.imdecode(np.frombuffer(jpeg(first), np.uint8), cv2.IMREAD_COLOR)
    assert (
        abs(found.held_out[0].mean((0, 1)) - decoded[..., ::-1].mean((0, 1))).max() < 8
    )  # RGB, the right one


def test_images_are_decoded_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    (folder / "broken.jpg").write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        first = prepare([folder], tmp_path / "cache")
        again = prepare([folder], tmp_path / "cache")
    assert len(caplog.records) == 1
    assert "broken.jpg" in caplog.text
    assert len(first.train) == 2
    assert np.array_equal(first.train, again.train)


@pytest.mark.parametrize("kind", ["missing", "empty", "single", "damaged"])
def test_unusable_images_are_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    if kind in ("empty", "single"):
        source.mkdir()
    if kind == "single":
        (source / "a.jpg").write_bytes(jpeg(0))
    if kind == "damaged":
        source.write_bytes(b"not a tar file")
    with pytest.raises(SourceError, match="source") as caught:
        prepare([source], tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_crops_are_in_range_and_reproducible(dataset: Dataset) -> None:
    first, again = (crops(dataset.train, np.random.default_rng(3), 5, 48) for _ in range(2))
    assert first.shape == (5, 3, 48, 48)
    assert first.dtype == np.float32
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    assert np.array_equal(first, again)
    assert not np.allclose(first[0], first[1])
