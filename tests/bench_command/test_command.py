"""``livedream bench`` from its words to its table and its file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livedream.bench import run as run_module
from livedream.bench import steps, subjects
from livedream.bench.report import CurveRow, Report
from livedream.bench.run import Plan
from livedream.bench.subjects import EAGER
from livedream.cli.main import main
from livedream.errors import UsageError

QUICK = ("bench", "--quick")


def test_the_file_has_the_documented_structure(fake_machine, tmp_path, capsys):
    path = tmp_path / "b.json"
    assert main([*QUICK, "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert set(found) == {"machine", "steps", "mirror", "missing"}
    assert found["machine"]["threads"] == 3
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["matmul"][1] == {
        "library": "OpenVINO", "device": "cpu", "precision": "bf16", "gflops": 400.0
    }  # fmt: skip
    assert found["machine"]["copy_gb_per_s"] == {"cpu": 12.5}
    keys = {"network", "layer", "width", "height", "runtime", "step_ms", "ratio_to_eager", "of_ceiling"}
    assert all(set(row) >= keys for row in found["steps"])
    assert [(row["width"], row["height"], row["runtime"]) for row in found["steps"]] == [
        (320, 180, EAGER),
        (320, 180, "openvino"),
        (160, 90, EAGER),
        (160, 90, "openvino"),
    ]
    assert {"tick_ms", "ticks_per_s", "strength", "strength_per_ms"} <= set(found["mirror"])
    for other in ("classic", "forerunner"):
        assert set(found["mirror"][other]) == {"frame_ms", "strength", "strength_per_ms"}
    assert "no torch ceiling: none here" in found["missing"]
    assert fake_machine.closed


def test_the_table_says_what_the_file_says(fake_machine, capsys):
    assert main(list(QUICK)) == 0
    text = capsys.readouterr().out
    assert "3 threads for the network" in text
    assert "12.5 GB/s" in text
    for words in ("dreamnet  parts  320x180  pytorch-fp32", "the mirror", "classic loop", "forerunners"):
        assert words in text
    assert "not measured: no torch ceiling: none here" in text
    assert "not measured: dreamnet parts in onnxruntime: it cannot start here" in text


def test_filters_choose_the_rows(fake_machine, tmp_path, capsys):
    path = tmp_path / "b.json"
    words = ["bench", "--network", "dreamnet", "--layer", "textures", "--size", "96x64", "200x100"]
    assert main([*words, "--runtime", "openvino", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    rows = [(row["layer"], row["width"], row["height"], row["runtime"]) for row in found["steps"]]
    assert rows == [("textures", 96, 64, "openvino"), ("textures", 200, 100, "openvino")]
    assert found["mirror"]["layer"] == "textures"


def test_the_curve_is_measured_when_asked_for(fake_machine, tmp_path, monkeypatch, capsys):
    path = tmp_path / "b.json"
    assert main([*QUICK, "--curve", "--json", str(path)]) == 0
    curve = json.loads(path.read_text())["curve"]
    assert {(row["width"], row["height"]) for row in curve} >= {(128, 72), (1280, 720)}
    assert {row["steps"] for row in curve} == {1, 2, 4, 8, 16}
    assert "ms a tick, steps:" in capsys.readouterr().out


def test_steps_alone_need_no_dreamer(fake_machine, tmp_path, capsys):
    path = tmp_path / "b.json"
    assert main([*QUICK, "--no-mirror", "--json", str(path)]) == 0
    assert json.loads(path.read_text())["mirror"] is None
    assert fake_machine.ticks == []


def test_ctrl_c_leaves_what_was_measured_so_far(fake_machine, tmp_path, monkeypatch, capsys):
    path, measure, calls = tmp_path / "b.json", steps.measure_steps, []

    def interrupted(*given, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*given, **options)

    monkeypatch.setattr(steps, "measure_steps", interrupted)
    assert main([*QUICK, "--json", str(path)]) == 1
    found = json.loads(path.read_text())
    assert {(row["width"], row["height"]) for row in found["steps"]} == {(320, 180)}
    assert found["mirror"] is None
    output = capsys.readouterr()
    assert "320x180" in output.out
    assert output.err.endswith("livedream: stopped\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "resnet"), "unknown network 'resnet'; possible: dreamnet"),
        (("--layer", "noses"), "noses"),
        (("--size", "big"), "invalid size 'big': expected WIDTHxHEIGHT, 48x48 to 1280x1280"),
        (("--size", "320x9999"), "invalid size '320x9999'"),
        (("--runtime", "tpu"), "unknown runtime 'tpu'; possible: pytorch-fp32, openvino"),
        (("--rounds",), "unrecognized arguments: --rounds"),
        (("--network", "bvlc_googlenet"), "bvlc_googlenet has no weights on this machine"),
        (("--weights", "a.npz", "--network", "dreamnet", "bvlc_googlenet"), "the one --network"),
    ],
)
def test_a_mistake_is_answered_in_one_line(words, said, capsys, models):
    for name in ("dreamnet.safetensors", "dreamnet.json"):
        (models / name).symlink_to(Path(__file__).parents[2] / "models" / name)
    assert main(["bench", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_source_that_is_missing_is_reported_before_anything_is_measured(fake_machine, capsys):
    assert main([*QUICK, "--source", "none.mp4"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "no such file" in output.err


def test_a_device_that_is_not_here_is_reported_before_anything_is_measured(fake_machine, capsys):
    assert main([*QUICK, "--device", "cuda:99"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("livedream: device 'cuda:99' is not on this machine")


def test_what_is_measured_is_written_at_once(fake_machine, tmp_path, monkeypatch, capsys):
    path, measure, found = tmp_path / "b.json", steps.measure_steps, []

    def read_before(*given, **options):
        found.append(json.loads(path.read_text()))
        return measure(*given, **options)

    monkeypatch.setattr(steps, "measure_steps", read_before)
    assert main([*QUICK, "--json", str(path)]) == 0
    assert [len(before["steps"]) for before in found] == [0, 2]
    assert found[0]["machine"]["copy_gb_per_s"] == {"cpu": 12.5}


def test_a_file_that_cannot_be_written_is_reported_first(fake_machine, capsys):
    assert main([*QUICK, "--json", "/nowhere/b.json"]) == 1
    output = capsys.readouterr()
    assert (output.out, "does not exist" in output.err) == ("", True)


def test_without_pytorch_and_runtimes_what_is_missing_is_named(fake_machine, monkeypatch, capsys):
    def missing(*_):
        raise ImportError("No module named 'torch'", name="torch")

    monkeypatch.setattr(subjects, "Subjects", missing)
    monkeypatch.setattr(subjects, "open_dreamer", missing)
    assert main(list(QUICK)) == 0
    text = capsys.readouterr().out
    assert "not measured: steps of dreamnet: torch is not installed" in text
    assert "not measured: the mirror: torch is not installed" in text


def test_the_full_plan_takes_every_installed_network(monkeypatch):
    monkeypatch.setattr(run_module, "installed_networks", lambda: ("dreamnet",))
    plan = Plan().filled()
    assert plan.networks == ("dreamnet",)
    assert len(list(plan.rows)) == 2 * 3
    with pytest.raises(UsageError):
        Plan(runtimes=("none",)).filled()


def test_words_and_names_of_one_layer_are_measured_once():
    plan = Plan(networks=("dreamnet",), layers=("parts", "parts"), sizes=((320, 180),)).filled()
    assert list(plan.rows) == [("dreamnet", "parts", (320, 180))]


def test_a_report_without_rows_is_empty():
    assert Report(missing=["everything"]).empty
    assert not Report(curve=[CurveRow(128, 72, 1, 2.0, 200.0)]).empty


def test_help_loads_nothing_heavy():
    code = "import sys; from livedream.cli.main import main\n"
    code += "try: main(['bench', '--help'])\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in result.stderr.split()}
    assert not loaded & {"torch", "openvino", "onnxruntime", "pygame", "av"}
    assert "--quick" in result.stdout
