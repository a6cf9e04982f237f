"""Exported files: what lies beside them is true, damage is seen, and the oldest make room."""

from __future__ import annotations

import dataclasses
import json
import os
import random

import pytest

from livedream.errors import NetworkError
from livedream.networks.graphs import EXPORTER, GraphSidecar, GraphSpec, find_graph, graphs_dir, prune

SPEC = GraphSpec("dreamnet", "parts", 64, 48)


def lay_down(folder, spec=SPEC, content=b"a graph", made_by="mirror", **changes):
    """A file that claims to be an exported graph, and its sidecar."""
    import hashlib

    path = folder / f"{spec.stem}.onnx"
    path.write_bytes(content)
    facts = {
        "spec": spec,
        "channels": 512,
        "opset": 18,
        "sha256": hashlib.sha256(content).hexdigest(),
        "weights_sha256": "of the weights",
        "tolerance": {"cosine": 1.0, "relative_error": 1e-6},
        "made_by": made_by,
    }
    GraphSidecar(**(facts | changes)).write(path)
    return path


def test_a_sidecar_comes_back_as_it_was_written(tmp_path):
    path = lay_down(tmp_path)
    found = GraphSidecar.read(path)
    assert found.spec == SPEC
    assert found.tolerance == {"cosine": 1.0, "relative_error": 1e-6}
    assert json.loads(path.with_suffix(".json").read_text())["layer"] == "parts"


def test_names_tell_forms_apart():
    changes = ({"half": True}, {"steps": 2}, {"pool_gradient": "soft"}, {"guide": True}, {"width": 65})
    specs = [SPEC, *(dataclasses.replace(SPEC, **change) for change in changes)]
    assert len({spec.stem for spec in specs}) == len(specs)


def test_a_file_is_found_until_something_does_not_fit(tmp_path):
    path = lay_down(tmp_path)
    assert find_graph(SPEC, "of the weights", tmp_path) == path
    assert find_graph(SPEC, "of other weights", tmp_path) is None
    assert find_graph(dataclasses.replace(SPEC, width=80), "of the weights", tmp_path) is None
    lay_down(tmp_path, exporter=EXPORTER - 1)
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    lay_down(tmp_path)
    path.write_bytes(b"another")
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    path.with_suffix(".json").unlink()
    assert find_graph(SPEC, "of the weights", tmp_path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", "320"),
        ("width", -1),
        ("height", 10**9),
        ("steps", True),
        ("half", 1),
        ("layer", None),
        ("tolerance", [1, 2]),
        ("tolerance", {"cosine": "high"}),
    ],
)
def test_a_sidecar_that_says_what_cannot_be_is_refused(tmp_path, name, value):
    path = lay_down(tmp_path)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {name: value}))
    with pytest.raises(NetworkError, match="cannot be read as a sidecar"):
        GraphSidecar.read(path)


def test_no_damage_to_a_sidecar_does_harm(tmp_path):
    path = lay_down(tmp_path)
    sidecar = path.with_suffix(".json")
    whole = sidecar.read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        sidecar.write_bytes(damaged[: chance.randint(0, len(damaged))] if chance.random() < 0.3 else damaged)
        try:
            GraphSidecar.read(path)
        except NetworkError:
            refused += 1
    assert refused > 250
    for text in ("[" * 100_000, "1" * 100_000, '{"width": 1e999}', ""):
        sidecar.write_text(text)
        with pytest.raises(NetworkError):
            GraphSidecar.read(path)


def test_the_files_unused_for_the_longest_make_room(tmp_path):
    paths = []
    for n in range(4):
        path = lay_down(tmp_path, dataclasses.replace(SPEC, width=64 + n), bytes(100))
        os.utime(path, (n, n))
        paths.append(path)
    own = lay_down(tmp_path, dataclasses.replace(SPEC, width=90), bytes(1000), made_by="command")
    os.utime(own, (0, 0))
    prune(tmp_path, 250)
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert [path.with_suffix(".json").exists() for path in paths] == [False, False, True, True]
    assert own.exists()  # what was exported by hand is the operator's


def test_where_models_may_not_be_written_the_cache_takes_them(tmp_path, monkeypatch):
    monkeypatch.setattr("livedream.networks.graphs.MODELS_DIR", tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert graphs_dir() == tmp_path / "cache" / "livedream" / "exported"
