"""Training of dreamnet, on generated pictures with a small random teacher."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.errors import NetworkError, SourceError
from livedream.networks import bvlc_googlenet, dreamnet
from livedream.networks.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from models.training import evaluate, trainer
from models.training.__main__ import main
from models.training.classic import classic_dream, input_gradient, strength
from models.training.distil import Scales, adopt_stem, gradient_cosine, student_gradient, teach
from models.training.dreams import MARGIN_PX, DreamPool
from models.training.export import export, record
from models.training.journal import FIELDS, Journal, plot
from models.training.pictures import SIDE_PX, Pictures, crops, is_held_out, prepare
from models.training.trainer import Recipe, Trainer

TINY = Recipe(batch=3, crop_px=32, pool=8)


def _blobs(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of soft coloured blobs, RGB uint8 (count, SIDE_PX, SIDE_PX, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 9, 9, 3), np.uint8)
    return np.stack([cv2.resize(s, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC) for s in small])


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(_blobs(6), _blobs(3, seed=1))


@pytest.fixture(scope="module")
def teacher() -> BvlcGoogLeNet:
    """The teacher's shape with random weights that keep the signal's size."""
    torch.manual_seed(0)
    network = BvlcGoogLeNet()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    return network


@pytest.fixture
def small(teacher: BvlcGoogLeNet, pictures: Pictures) -> Trainer:
    return Trainer(teacher, pictures, minutes=1.0, recipe=TINY)


# Pictures


def _jpeg(seed: int) -> bytes:
    return cv2.imencode(".jpg", cv2.resize(_blobs(1, seed)[0], (120 + seed, 100)))[1].tobytes()


def test_folders_and_tar_files_become_one_array_and_the_held_out_part_is_fixed(tmp_path: Path) -> None:
    names = [f"photo{i}.jpg" for i in range(120)]
    held = {name for name in names if is_held_out(name)}
    assert 0 < len(held) < 12
    folder = tmp_path / "mine" / "deeper"
    folder.mkdir(parents=True)
    for i, name in enumerate(names[:60]):
        (folder / name).write_bytes(_jpeg(i))
    (folder / "notes.txt").write_text("not a picture")
    with tarfile.open(tmp_path / "theirs.tar", "w") as tar:
        for i, name in enumerate(names[60:]):
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(data := _jpeg(60 + i))
            tar.addfile(info, io.BytesIO(data))
    sources = [tmp_path / "mine", tmp_path / "theirs.tar"]
    found = prepare(sources, tmp_path / "cache")
    assert found.train.shape == (120 - len(held), SIDE_PX, SIDE_PX, 3)
    assert found.held_out.shape == (len(held), SIDE_PX, SIDE_PX, 3)
    first = next(i for i, name in enumerate(names) if name in held)
    decoded = cv2.imdecode(np.frombuffer(_jpeg(first), np.uint8), cv2.IMREAD_COLOR)
    assert (
        abs(found.held_out[0].mean((0, 1)) - decoded[..., ::-1].mean((0, 1))).max() < 8
    )  # RGB, the right one


def test_pictures_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(_jpeg(i))
    (folder / "broken.jpg").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING):
        first = prepare([folder], tmp_path / "cache")
        again = prepare([folder], tmp_path / "cache")
    assert len(caplog.records) == 1
    assert "broken.jpg" in caplog.text
    assert len(first.train) == 2
    assert np.array_equal(first.train, again.train)


@pytest.mark.parametrize("kind", ["missing", "empty", "single", "damaged"])
def test_pictures_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    if kind in ("empty", "single"):
        source.mkdir()
    if kind == "single":
        (source / "a.jpg").write_bytes(_jpeg(0))
    if kind == "damaged":
        source.write_bytes(b"not a tar file")
    with pytest.raises(SourceError, match="source") as caught:
        prepare([source], tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_crops_are_pictures_in_range_and_the_same_for_the_same_seed(pictures: Pictures) -> None:
    first, again = (crops(pictures.train, np.random.default_rng(3), 5, 48) for _ in range(2))
    assert first.shape == (5, 3, 48, 48)
    assert first.dtype == np.float32
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    assert np.array_equal(first, again)
    assert not np.allclose(first[0], first[1])


# Lessons


def test_the_lesson_is_the_teachers_activations_and_gradient(teacher: BvlcGoogLeNet) -> None:
    x = torch.rand(2, 3, 48, 48)
    lesson = teach(teacher, x, "textures")
    assert {layer: a.shape[1] for layer, a in lesson.activations.items()} == {
        layer: channels for layer, (channels, _) in LAYERS.items()
    }
    part = teacher.truncate(TEACHER_LAYERS["textures"])
    torch.testing.assert_close(lesson.activations["textures"], part(x))
    torch.testing.assert_close(lesson.gradient, input_gradient(part, x))
    assert not any(a.requires_grad for a in lesson.activations.values())


def test_the_student_starts_with_the_teachers_first_filters(teacher: BvlcGoogLeNet) -> None:
    student, x = DreamNet(), torch.rand(4, 3, 48, 48)
    adopt_stem(student, teacher, x)
    with torch.no_grad():
        ours = student.stem(student.normalise(x)).flatten(2)
        theirs = teacher.truncate("conv1")(x).flatten(2)
    # Each channel is the teacher's but for its scale.
    torch.testing.assert_close(torch.cosine_similarity(ours, theirs, dim=2), torch.ones(4, 64))
    assert ours.square().mean() == pytest.approx(1.0, rel=0.2)


def test_folding_the_scales_makes_the_heads_predict_the_activations_themselves() -> None:
    student, x = DreamNet().requires_grad_(False), torch.rand(2, 3, 32, 32)
    activations = {name: 300 * torch.rand(2, channels, 4, 4) for name, (channels, _) in LAYERS.items()}
    scales = Scales(activations)
    before = student(x)
    scales.fold(student)
    for layer, a in student(x).items():
        torch.testing.assert_close(a, before[layer] * scales.of[layer], rtol=1e-4, atol=1e-3)


def test_the_students_gradient_is_that_of_the_scaled_activation() -> None:
    student, x = DreamNet(), torch.rand(2, 3, 32, 32, requires_grad=True)
    scale = torch.linspace(1, 200, 192).view(1, -1, 1, 1)
    gradient = student_gradient(student(x)["edges"], scale, x, create_graph=False)
    (expected,) = torch.autograd.grad((scale * student(x)["edges"]).square().sum(), x)
    assert float(gradient_cosine(gradient, expected)) == pytest.approx(1.0)
    assert float(gradient_cosine(gradient, -expected)) == pytest.approx(-1.0)


# Dreams


def test_a_dream_climbs_its_gradient_and_ends() -> None:
    pool = DreamPool(4, 32, np.random.default_rng(0), torch.device("cpu"))
    fresh = torch.full((4, 3, 32 + MARGIN_PX, 32 + MARGIN_PX), 0.5)
    x, batch = pool.take(2, fresh)
    assert x.shape == (4, 3, 32, 32)
    assert pool.alive == 4  # all were fresh, and all go on dreaming
    up = torch.ones_like(x)
    pool.give_back(batch, up, up)
    x, batch = pool.take(4, fresh)
    dreamt = x[: len(batch.slots)]
    assert dreamt.mean() > 0.5
    ends = 0
    for _ in range(200):
        alive = pool.alive
        pool.give_back(batch, up, up)
        ends += alive - pool.alive
        x, batch = pool.take(4, fresh)
        assert 0.0 <= x.min() <= x.max() <= 1.0
    assert ends > 4


def test_each_dream_keeps_to_one_of_the_two_gradients() -> None:
    pool = DreamPool(32, 32, np.random.default_rng(0), torch.device("cpu"))
    fresh = torch.full((32, 3, 32 + MARGIN_PX, 32 + MARGIN_PX), 0.5)
    x, batch = pool.take(0, fresh)
    pool.give_back(batch, torch.ones_like(x), -torch.ones_like(x))
    means = batch.pictures.mean((1, 2, 3))
    assert (means > 0.5).any()
    assert (means < 0.5).any()


# The loop


def test_training_lowers_the_error(small: Trainer) -> None:
    losses = [small.step() for _ in range(40)]
    errors = [np.mean([step[f"error_{layer}"] for layer in LAYERS]) for step in losses]
    assert np.mean(errors[-8:]) < 0.8 * np.mean(errors[:4])
    assert small.steps == 40
    assert small.crops == 120


def _same(a: DreamNet, b: DreamNet) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_resumed_run_goes_on_where_the_last_one_stopped(
    small: Trainer, teacher: BvlcGoogLeNet, pictures: Pictures, tmp_path: Path
) -> None:
    for _ in range(3):
        small.step()
    small.save(tmp_path / "checkpoint.pt")
    other = Trainer(teacher, pictures, minutes=1.0, recipe=Recipe(batch=3, crop_px=32, pool=8, seed=7))
    assert not _same(other.student, small.student)
    other.resume(tmp_path / "checkpoint.pt")
    assert _same(other.student, small.student)
    assert _same(other.folded(), small.folded())
    assert (other.steps, other.crops, other.total_s) == (3, 9, small.total_s)
    moments = [t.optimiser.state_dict()["state"][0]["exp_avg"] for t in (other, small)]
    assert torch.equal(*moments)
    assert other.learning_rate() < 0.1 * TINY.learning_rate  # warms up anew
    other.step()
    assert other.steps == 4


def test_a_checkpoint_that_cannot_be_used_is_refused(small: Trainer, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no checkpoint at"):
        small.resume(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(NetworkError, match=r"bad\.pt cannot be resumed from"):
        small.resume(tmp_path / "bad.pt")


def test_the_learning_rate_warms_up_and_anneals(small: Trainer) -> None:
    rates = []
    for share in (0.0, 0.02, 0.1, 0.5, 0.9, 1.0):
        small.elapsed_s = share * 60
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


def test_a_run_ends_when_its_minutes_are_over(small: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "time", _Clock(4.0))
    saved: list[int] = []
    small.train(20.0, lambda: saved.append(small.steps), lambda _: None)
    assert small.steps == 15
    assert saved == [1, 5, 10, 15]


def test_a_signal_ends_the_run_in_order(small: Trainer) -> None:
    before = signal.getsignal(signal.SIGTERM)
    small.train(1e9, lambda: None, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert small.steps == 1
    assert signal.getsignal(signal.SIGTERM) is before


# What comes out


def test_an_exported_network_loads_and_says_where_it_comes_from(tmp_path: Path) -> None:
    network = DreamNet().requires_grad_(False)
    path = tmp_path / "dreamnet.safetensors"
    sources = [Path("caltech101.tar"), Path("holiday")]
    export(network, path, sources, {"metrics": {"cosine_parts": 0.2}})
    x = torch.rand(1, 3, 48, 48)
    for layer, a in dreamnet.load(path)(x).items():
        torch.testing.assert_close(a, network(x)[layer], rtol=2e-2, atol=2e-2)
    facts = json.loads(path.with_suffix(".json").read_text())
    assert [data["title"] for data in facts["training_data"]] == ["Caltech-101", "holiday"]
    assert facts["layers"]["parts"] == {"channels": 512, "stride": 16, "teacher_layer": "inception_4c"}
    record(path.with_suffix(".json"), {"strength_parts": 0.6})
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["metrics"] == {"cosine_parts": 0.2, "strength_parts": 0.6}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dreamnet.json", "dreamnet.safetensors"]


def test_the_journal_writes_means_and_a_plot(tmp_path: Path) -> None:
    held_out = {name: 0.5 for name in FIELDS if name.startswith("held_out")}
    journal = Journal(tmp_path / "metrics.csv", append=False)
    journal.add({"error_parts": 1.0})
    journal.add({"error_parts": 0.5})
    assert journal.write({"steps": 10, **held_out})["error_parts"] == 0.75
    Journal(tmp_path / "metrics.csv", append=True).write({"steps": 20, **held_out})
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0] == ",".join(FIELDS)
    assert len(lines) == 3
    plot(tmp_path / "metrics.csv", tmp_path / "metrics.png")
    drawn = cv2.imread(str(tmp_path / "metrics.png"))
    assert drawn is not None
    assert drawn.std() > 5


def test_a_classic_dream_raises_what_it_dreams_for(teacher: BvlcGoogLeNet) -> None:
    x = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    part = teacher.truncate("conv2")
    dreamt = classic_dream(part, x)
    assert dreamt.shape == x.shape
    assert 0.0 <= dreamt.min() <= dreamt.max() <= 1.0
    assert (strength(part, dreamt, x) > 0.3).all()
    assert strength(part, x, x).abs().max() < 1e-5


def test_a_student_that_is_the_teacher_scores_full_marks(
    teacher: BvlcGoogLeNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twin(DreamNet):
        def truncate(self, layer: str) -> torch.nn.Sequential:
            return teacher.truncate(TEACHER_LAYERS[layer])

    monkeypatch.setattr(evaluate, "_CROPS", 2)
    monkeypatch.setattr(evaluate, "_CROP_PX", 48)
    metrics = evaluate.held_out_metrics(Twin(), teacher, _blobs(2))
    shares = evaluate.strength_shares(Twin(), teacher, torch.rand(1, 3, 32, 32))
    assert [metrics[f"cosine_{layer}"] for layer in LAYERS] == pytest.approx([1.0] * 5, abs=1e-4)
    assert [metrics[f"error_{layer}"] for layer in LAYERS] == pytest.approx([0.0] * 5, abs=1e-6)
    assert list(shares.values()) == pytest.approx([1.0] * 5, abs=1e-4)


# The command


@pytest.fixture
def workshop(tmp_path: Path, teacher: BvlcGoogLeNet, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a short run in a folder of its own."""
    tensors: dict[str, Tensor] = dict(bvlc_googlenet._parameters(teacher))
    np.savez(tmp_path / "teacher.npz", **{name: t.numpy() for name, t in tensors.items()})
    (tmp_path / "photos").mkdir()
    for i in range(4):
        (tmp_path / "photos" / f"{i}.jpg").write_bytes(_jpeg(i))
    monkeypatch.setattr(evaluate, "_CROPS", 2)
    monkeypatch.setattr(evaluate, "_CROP_PX", 48)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = {"teacher": "teacher.npz", "images": "photos", "run": "run", "out": "out", "cache": "cache"}
    return [word for name, value in paths.items() for word in (f"--{name}", str(tmp_path / value))]


def test_the_command_trains_and_resumes(workshop: list[str], tmp_path: Path) -> None:
    short = ["--minutes", "0.0001", "--batch", "2", "--fp32", "--device", "cpu"]
    assert main([*workshop, *short]) == 0
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")
    assert main([*workshop, *short, "--resume"]) == 0
    facts = json.loads((tmp_path / "out" / "dreamnet.json").read_text())
    assert facts["metrics"]["steps"] == 2
    assert (tmp_path / "run" / "metrics.png").exists()
    (tmp_path / "out" / "dreamnet.safetensors").unlink()
    assert main([*workshop, *short, "--resume", "--minutes", "0"]) == 0  # exports, trains no further
    assert json.loads((tmp_path / "out" / "dreamnet.json").read_text())["metrics"]["steps"] == 2
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")


def test_the_evaluation_prints_its_numbers_and_draws(
    workshop: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "_SHEET_PX", 32)
    weights = tmp_path / "dreamnet.safetensors"
    export(DreamNet().requires_grad_(False), weights, [], {"metrics": {}})
    asked = ["--weights", str(weights), "--pictures", "0", "--record", "--sheet", str(tmp_path / "sheet.png")]
    photo = ["--photos", str(tmp_path / "photos" / "0.jpg")]
    where = [
        word
        for name in ("teacher", "images", "cache")
        for word in workshop[workshop.index(f"--{name}") :][:2]
    ]
    assert evaluate.main([*where, *asked, *photo]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {f"{kind}_{layer}" for kind in ("error", "cosine") for layer in LAYERS}
    assert json.loads(weights.with_suffix(".json").read_text())["metrics"] == printed
    drawn = cv2.imread(str(tmp_path / "sheet.png"))
    assert drawn is not None
    assert drawn.shape == (2 * 27, 6 * 32, 3)


def test_the_command_names_what_is_missing(
    workshop: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*workshop, "--teacher", str(tmp_path / "none.npz")]) == 1
    assert "none.npz" in caplog.text
    assert main([*workshop, "--resume"]) == 1
    assert "no checkpoint at" in caplog.text
