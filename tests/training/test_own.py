"""Training on images alone, with and without labels, on generated images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from livedream.errors import NetworkError, SourceError
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from tests.training.images import blobs
from training.dataset import SIDE_PX, Dataset
from training.own import (
    LABELLED_LAYERS,
    Classes,
    OwnImages,
    class_strengths,
    classes_of,
    strength,
)
from training.trainer import Recipe, Trainer

TINY = Recipe(batch=6, crop_px=48, pool=8, learning_rate=1e-3)


def _striped(count: int, seed: int) -> np.ndarray:
    """Stripes, across for even numbers and along for odd ones, RGB uint8 (count, SIDE_PX, SIDE_PX, 3)."""
    rng = np.random.default_rng(seed)
    lines = np.repeat(rng.integers(0, 256, (count, SIDE_PX // 8, 1, 3), np.uint8), 8, 1)
    images = np.repeat(lines, SIDE_PX, 2)
    images[1::2] = images[1::2].transpose(0, 2, 1, 3)
    return images


@pytest.fixture(scope="module")
def striped() -> Dataset:
    folders = ("across", "along")
    return Dataset(_striped(40, 0), _striped(16, 1), folders * 20, folders * 8)


def test_labels_are_learnt_and_images_told_from_corrupted_ones(striped: Dataset) -> None:
    task = OwnImages(striped, TINY, classes_of(striped, "stripes"))
    trainer = Trainer(task, minutes=1e6, recipe=TINY)
    trainer.elapsed_s = (
        3e6  # past the warm-up, so that the learning rate does not depend on the machine's speed
    )
    before = task.measure(trainer.folded())
    losses = [trainer.step() for _ in range(140)]
    assert np.mean([step["loss_label"] for step in losses[-10:]]) < 0.4
    metrics = task.measure(trainer.folded())
    assert set(metrics) == {f"held_out_corrupted_{layer}" for layer in LAYERS} | {
        f"held_out_accuracy_{layer}" for layer in LABELLED_LAYERS
    }
    assert metrics["held_out_accuracy_objects"] > 0.8  # chance is 0.5
    after, at_first = (
        np.mean([m[f"held_out_corrupted_{layer}"] for layer in LAYERS]) for m in (metrics, before)
    )
    assert after > max(0.7, at_first)


def test_without_labels_only_the_strength_is_trained(striped: Dataset) -> None:
    task = OwnImages(striped, TINY)
    trainer = Trainer(task, minutes=1.0, recipe=TINY)
    assert set(trainer.step()) == {"loss_corrupted"}
    assert set(task.measure(trainer.folded())) == {f"held_out_corrupted_{layer}" for layer in LAYERS}


def test_dreams_of_the_batch_ascend_their_layer(striped: Dataset) -> None:
    task = OwnImages(striped, TINY)
    trainer = Trainer(task, minutes=1.0, recipe=TINY)
    x = torch.rand(6, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    batch = task.next_batch(trainer.student)
    batch.loss.backward()
    seen: list[torch.Tensor] = []
    for pool in task._pools.values():
        give_back = pool.give_back
        pool.give_back = lambda batch, a, b, give_back=give_back: seen.append(a) or give_back(batch, a, b)  # type: ignore[method-assign]
    batch.after()
    assert len(seen) == 1
    assert seen[0].shape == x.shape
    assert seen[0].abs().sum() > 0


def test_a_fresh_network_starts_with_channels_of_equal_strength(striped: Dataset) -> None:
    network = DreamNet().requires_grad_(False)
    OwnImages(striped, TINY).begin(network)
    x = torch.from_numpy(striped.held_out[:8]).permute(0, 3, 1, 2).float() / 255
    for a in network(x).values():
        assert 0.1 < a.square().mean() < 10.0


@pytest.mark.parametrize("count", [2, 5, 101])
def test_all_channels_are_assigned_to_the_classes(count: int) -> None:
    a = torch.rand(2, LAYERS["parts"][0], 3, 3)
    strengths = class_strengths(a, count)
    assert strengths.shape == (2, count)
    torch.testing.assert_close(strengths[:, 1], strength(a[:, 1::count]))


def test_a_checkpoint_of_other_classes_is_refused(striped: Dataset, tmp_path: Path) -> None:
    classes = classes_of(striped, "stripes")
    Trainer(OwnImages(striped, TINY, classes), 1.0, TINY).save(tmp_path / "checkpoint.pt")
    renamed = Classes(("steep", "flat"), classes.train, classes.held_out)
    with pytest.raises(NetworkError, match=r"'across', 'along'.*'steep', 'flat'"):
        Trainer(OwnImages(striped, TINY, renamed), 1.0, TINY).resume(tmp_path / "checkpoint.pt")
    same = Trainer(OwnImages(striped, TINY, classes), 1.0, TINY)
    same.resume(tmp_path / "checkpoint.pt")
    same.step()


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("roses",) * 30, r"found 1, roses \(30\).*--self-supervised"),
        (("roses",) * 28 + ("daisies",) * 2, r"daisies \(2\).*at least 5"),
        (tuple(str(i) for i in range(481)), "found 481"),
    ],
)
def test_unsuitable_folders_are_refused_as_classes(folders: tuple[str, ...], message: str) -> None:
    images = Dataset(np.zeros((len(folders), 1, 1, 3), np.uint8), blobs(1), folders, folders[:1])
    with pytest.raises(SourceError, match=message):
        classes_of(images, "garden")


def test_too_few_images_are_refused() -> None:
    with pytest.raises(SourceError, match=r"found 7 images.*at least 20"):
        OwnImages(Dataset(blobs(7), blobs(1)), TINY)
