"""Exported files: what lies beside them is true, damage is seen, and the oldest make room."""

from __future__ import annotations

import dataclasses
import json
import os
import random

import pytest

from livedream.errors import NetworkError
from livedream.files import file_hash
from livedream.networks import graphs
from livedream.networks.graphs import EXPORTER, GraphSidecar, GraphSpec, find_graph, graphs_dir, prune

SPEC = GraphSpec("dreamnet", "parts")


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """The folder of shipped graphs, empty."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(graphs, "SHIPPED_DIR", folder)
    return folder


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
    changes = (
        *({"half": True}, {"steps": 2}, {"pool_gradient": "soft"}, {"kind": "guide"}, {"kind": "features"}),
        {"layer": "edges"},
    )
    specs = [SPEC, *(dataclasses.replace(SPEC, **change) for change in changes)]
    assert len({spec.stem for spec in specs}) == len(specs)
    every = GraphSpec("dreamnet", "parts", "guide", "soft", half=True, steps=3)
    assert (SPEC.stem, every.stem) == ("dreamnet-parts", "dreamnet-parts-soft-guide-steps3-half")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sizes"}, "possible: gradient, guide, features"),
        ({"pool_gradient": "hard"}, "possible: exact, soft"),
        ({"steps": -1}, "possible: 0 to 1000"),
        ({"kind": "features", "pool_gradient": "soft"}, "no gradient of pools"),
        ({"kind": "features", "steps": 2}, "take no steps"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SPEC, **change)


def test_a_file_is_found_until_something_does_not_fit(tmp_path):
    path = lay_down(tmp_path)
    assert find_graph(SPEC, "of the weights", tmp_path) == path
    assert find_graph(SPEC, "of other weights", tmp_path) is None
    assert find_graph(dataclasses.replace(SPEC, layer="edges"), "of the weights", tmp_path) is None
    lay_down(tmp_path, exporter=EXPORTER - 1)
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    lay_down(tmp_path)
    path.write_bytes(b"another")
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    path.with_suffix(".json").unlink()
    assert find_graph(SPEC, "of the weights", tmp_path) is None


def test_a_shipped_graph_is_found_where_the_cache_has_none(tmp_path, shipped, caplog):
    path = lay_down(shipped)
    before = path.stat().st_mtime_ns
    assert find_graph(SPEC, "of the weights", tmp_path) == path
    assert path.stat().st_mtime_ns == before  # it is only read
    own = lay_down(tmp_path)
    assert find_graph(SPEC, "of the weights", tmp_path) == own
    own.unlink()
    assert not caplog.records
    path.write_bytes(b"another")
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    assert f"{path} is damaged" in caplog.text
    assert "exporting it again" in caplog.text


def test_the_kernels_of_a_graph_are_part_of_it(tmp_path, caplog):
    kernels = tmp_path / "dreamnet.kernels"
    kernels.write_bytes(b"kernels")
    named = {"kernels": kernels.name, "kernels_sha256": file_hash(kernels)}
    path = lay_down(tmp_path, **named)
    assert find_graph(SPEC, "of the weights", tmp_path) == path
    kernels.write_bytes(b"kernel!")
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    assert f"{kernels} is damaged" in caplog.text
    kernels.unlink()
    assert find_graph(SPEC, "of the weights", tmp_path) is None
    assert f"{kernels} cannot be read: No such file" in caplog.text
    lay_down(tmp_path, **(named | {"kernels": "../elsewhere"}))
    assert find_graph(SPEC, "of the weights", tmp_path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "sizes"),
        ("pool_gradient", 1),
        ("steps", -1),
        ("steps", 10**9),
        ("steps", True),
        ("kernels", "../elsewhere"),
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
    for text in ("[" * 100_000, "1" * 100_000, '{"steps": 1e999}', ""):
        sidecar.write_text(text)
        with pytest.raises(NetworkError):
            GraphSidecar.read(path)


def test_the_files_unused_for_the_longest_make_room(tmp_path):
    paths = []
    for n in range(4):
        path = lay_down(tmp_path, dataclasses.replace(SPEC, steps=1 + n), bytes(100))
        os.utime(path, (n, n))
        paths.append(path)
    own = lay_down(tmp_path, dataclasses.replace(SPEC, steps=90), bytes(1000), made_by="command")
    os.utime(own, (0, 0))
    prune(tmp_path, 250)
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert [path.with_suffix(".json").exists() for path in paths] == [False, False, True, True]
    assert own.exists()  # what was exported by hand is the operator's


def test_exported_graphs_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    assert graphs_dir() == tmp_path / "exported"
