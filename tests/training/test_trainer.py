"""The training loop, with generated images and a random teacher."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from livedream.errors import NetworkError
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from training import trainer
from training.dataset import Dataset
from training.imitation import Imitation
from training.trainer import Recipe, Trainer

TINY = Recipe(batch=3, crop_px=32, pool=8)


@pytest.fixture
def small(teacher: BvlcGoogLeNet, dataset: Dataset) -> Trainer:
    return Trainer(Imitation(teacher, dataset, TINY), minutes=1.0, recipe=TINY)


def test_training_lowers_the_error(small: Trainer) -> None:
    small.minutes, small.elapsed_s = 1e6, 3e6  # past the warm-up, at any machine speed
    losses = [small.step() for _ in range(40)]
    errors = [np.mean([step[f"error_{layer}"] for layer in LAYERS]) for step in losses]
    assert np.mean(errors[-8:]) < 0.8 * np.mean(errors[:4])
    assert small.steps == 40
    assert small.crops == 120


def _same(a: DreamNet, b: DreamNet) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_resumed_run_continues_where_the_last_one_stopped(
    small: Trainer, teacher: BvlcGoogLeNet, dataset: Dataset, tmp_path: Path
) -> None:
    for _ in range(3):
        small.step()
    small.save(tmp_path / "checkpoint.pt")
    seeded = Recipe(batch=3, crop_px=32, pool=8, seed=7)
    other = Trainer(Imitation(teacher, dataset, seeded), minutes=1.0, recipe=seeded)
    assert not _same(other.student, small.student)
    other.resume(tmp_path / "checkpoint.pt")
    assert _same(other.student, small.student)
    assert _same(other.folded(), small.folded())
    assert (other.steps, other.crops, other.total_s) == (3, 9, small.total_s)
    moments = [t.optimiser.state_dict()["state"][0]["exp_avg"] for t in (other, small)]
    assert torch.equal(*moments)
    assert other.learning_rate() < 0.1 * TINY.learning_rate  # warms up again
    other.step()
    assert other.steps == 4


def test_a_checkpoint_that_cannot_be_used_is_refused(small: Trainer, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no checkpoint at"):
        small.resume(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(NetworkError, match=r"cannot resume from .*bad\.pt"):
        small.resume(tmp_path / "bad.pt")


def test_the_learning_rate_warms_up_and_anneals(small: Trainer) -> None:
    rates = []
    for fraction in (0.0, 0.02, 0.1, 0.5, 0.9, 1.0):
        small.elapsed_s = fraction * 60
        rates.append(small.learning_rate() / TINY.learning_rate)
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] > rates[3] > rates[4] > rates[5]
    assert rates[2] > 0.95
    assert rates[5] == pytest.approx(0.01)


class _Clock:
    def __init__(self, tick_s: float) -> None:
        self.now, self.tick_s = 0.0, tick_s

    def monotonic(self) -> float:
        self.now += self.tick_s
        return self.now


def test_a_pause_does_not_count_as_training(small: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "time", _Clock(0.5))
    small.step()
    assert small.elapsed_s == 0.5
    monkeypatch.setattr(trainer, "time", _Clock(3600.0))
    small.step()
    assert small.elapsed_s < 10.0


def test_a_run_ends_when_its_time_is_up(small: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "time", _Clock(4.0))
    saved: list[int] = []
    small.train(20.0, lambda: saved.append(small.steps), lambda _: None)
    assert small.steps == 15
    assert saved == [1, 5, 10, 15]


def test_a_signal_ends_the_run_cleanly(small: Trainer) -> None:
    before = signal.getsignal(signal.SIGTERM)
    small.train(1e9, lambda: None, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert small.steps == 1
    assert signal.getsignal(signal.SIGTERM) is before
