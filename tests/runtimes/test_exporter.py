"""The exporting process: one that hangs or dies costs an export, never the thread that waits for it."""

from __future__ import annotations

import logging
import shutil
import sys
import threading

import pytest

from livedream.errors import BackendError, MissingPackageError
from livedream.networks.graphs import GraphSidecar, GraphSpec, weights_hash
from livedream.runtimes import exporter as exporting
from livedream.runtimes.exporter import Exporter, ExportRequest, GraphFiles

SPEC = GraphSpec("dreamnet", "edges", steps=7)
HANG = "import time; time.sleep(600)"
PATIENCE_S = 60.0


def fake(*lines):
    """A command whose process reads requests with ``input()``."""
    return [sys.executable, "-S", "-c", "\n".join(lines)]


@pytest.fixture
def exporter():
    """Makes exporters with a process that does as it is told, and closes them."""
    made = []

    def make(*lines, limit_s=PATIENCE_S):
        made.append(Exporter(fake(*lines), limit_s))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def request_(tmp_path):
    return ExportRequest(spec=SPEC, folder=str(tmp_path))


def answer(text):
    return f"print('{text}', flush=True)"


RESULT = answer('{"type": "result", "path": "/made.onnx"}')


def test_a_process_that_hangs_is_killed_and_the_export_given_up(exporter, request_):
    hanging = exporter("input()", answer('{"type": "progress", "stage": "tracing"}'), HANG, limit_s=2.0)
    with pytest.raises(
        BackendError, match=r"steps7 failed 2 times: .*no sign of life for 2 s while (tracing|starting)"
    ):
        hanging.export(request_)


def test_a_process_that_dies_is_given_up_after_two_attempts(exporter, request_):
    with pytest.raises(BackendError, match="failed 2 times: the export process ended with exit code 7"):
        exporter("input()", "raise SystemExit(7)").export(request_)


def test_a_process_that_dies_once_is_started_again(exporter, request_, tmp_path):
    died = repr(str(tmp_path / "died"))
    first = f"if not os.path.exists({died}): os.mkdir({died}); os._exit(1)"
    found = exporter("import os", "input()", first, RESULT).export(request_)
    assert str(found) == "/made.onnx"


def test_an_answer_that_cannot_be_read_counts_as_a_failure(exporter, request_):
    with pytest.raises(BackendError, match=r"failed 2 times: .* an answer that cannot be read"):
        exporter("input()", answer("what a library prints"), HANG).export(request_)


def test_a_command_that_does_not_start_is_a_clear_error(request_):
    with pytest.raises(BackendError, match="failed 2 times: the export process cannot start"):
        Exporter(["/nowhere/python"]).export(request_)


def test_signs_of_life_extend_the_limit(exporter, request_):
    progress = answer('{"type": "progress", "stage": "checking"}')
    steps = f"for n in range(9): {progress}; time.sleep(0.5)"
    found = exporter("import time", "input()", steps, RESULT, limit_s=4.0).export(request_)
    assert str(found) == "/made.onnx"


def test_one_process_serves_many_exports(exporter, request_):
    once = exporter(
        "import os",
        "while input():",
        '    print(\'{"type": "result", "path": "/%d.onnx"}\' % os.getpid(), flush=True)',
    )
    first = once.export(request_)
    assert once.export(request_) == first
    once.stop()
    assert once.export(request_) != first


def test_closing_cancels_the_export_in_progress_and_all_later_ones(exporter, request_, tmp_path):
    begun = tmp_path / "begun"
    hanging = exporter("input()", f"open({str(begun)!r}, 'w').close()", HANG)
    errors = []

    def work():
        try:
            hanging.export(request_)
        except BackendError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    while not begun.exists():
        assert thread.is_alive()
    hanging.close()
    thread.join(PATIENCE_S)
    hanging.close()
    assert errors == [f"the export of {SPEC.stem} was cancelled"]
    with pytest.raises(BackendError, match="was cancelled"):
        hanging.export(request_)


@pytest.mark.full
def test_a_graph_that_is_there_is_not_exported_again(graphs, graph):
    spec = GraphSidecar.read(graph).spec
    files = GraphFiles("dreamnet", None, weights_hash("dreamnet", None), graphs, Exporter(["/nowhere"]))
    assert files.path(spec) == graph
    assert files.find(spec) == graph
    assert files.find(SPEC) is None
    with pytest.raises(BackendError, match="cannot start"):
        files.path(SPEC)


@pytest.fixture
def found(graph, tmp_path, monkeypatch):
    """What is reported of a copy of a graph, shipped in a folder of the test's, once it is looked for."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(exporting.graphs, "SHIPPED_DIR", shipped)
    for file in graph.parent.glob(f"{graph.stem}.*"):
        shutil.copy(file, shipped)

    def find(weights_sha256):
        reports = []
        files = GraphFiles(
            "dreamnet",
            None,
            weights_sha256,
            tmp_path / "cache",
            Exporter(["/nowhere"]),
            lambda text, level: reports.append((text, level)),
        )
        assert files.find(GraphSidecar.read(graph).spec) is None
        assert files.find(GraphSidecar.read(graph).spec) is None
        return reports

    return shipped / graph.name, find


def test_a_damaged_shipped_graph_is_reported_once(found):
    path, find = found
    path.write_bytes(b"damaged")
    ((text, level),) = find(weights_hash("dreamnet", None))
    assert text == f"{path} is damaged or out of date; it is made anew"
    assert level == logging.WARNING


def test_a_graph_of_other_weights_is_no_fault(found):
    _, find = found
    assert find("of other weights") == []


def test_a_damaged_graph_in_the_cache_gives_way_to_the_shipped_one(tmp_path, graph):
    (tmp_path / graph.name).write_bytes(b"damaged")
    files = GraphFiles("dreamnet", None, weights_hash("dreamnet", None), tmp_path, Exporter(["/nowhere"]))
    assert files.find(GraphSidecar.read(graph).spec) == graph


def test_without_what_exports_graphs_the_command_that_adds_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "installed", lambda package: package != "torch")
    files = GraphFiles("dreamnet", None, "none", tmp_path, Exporter(["/nowhere"]))
    with pytest.raises(MissingPackageError, match=r"exporting dreamnet edges needs torch, .*to add it: "):
        files.path(SPEC)
