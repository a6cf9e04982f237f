"""The plugin of TensorRT for RTX, with stand-ins for it and for ONNX Runtime: no machine here has either."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from livedream.errors import BackendError
from livedream.runtimes.registry import open_session
from tests.runtimes.conftest import SIZE

NAME = "NvTensorRTRTXExecutionProvider"


class Options(SimpleNamespace):
    def add_free_dimension_override_by_name(self, name, value):
        setattr(self, name, value)

    def add_session_config_entry(self, key, value):
        pass

    def add_provider_for_devices(self, devices, options):
        self.devices = devices


class Session:
    def __init__(self, path, sess_options):
        self.options = sess_options

    def get_inputs(self):
        return [SimpleNamespace(name="image"), SimpleNamespace(name="weights")]

    def run(self, outputs, given):
        assert outputs == ("gradient", "strength", "activity")
        return [2 * given["image"], np.float32(3.0), np.ones(480, np.float32)]


@pytest.fixture
def runtime(monkeypatch):
    """An ONNX Runtime that knows the plugin's devices once it is registered."""
    runtime = SimpleNamespace(
        disable_telemetry_events=lambda: None,
        SessionOptions=Options,
        InferenceSession=Session,
        cards=[SimpleNamespace(ep_name=NAME), SimpleNamespace(ep_name=NAME)],
        registered=[],
    )

    def register(name, path):
        assert not runtime.registered, "a library is registered once"
        runtime.registered.append((name, path))

    runtime.register_execution_provider_library = register
    runtime.get_ep_devices = lambda: [
        SimpleNamespace(ep_name="CPU"),
        *(runtime.cards if runtime.registered else []),
    ]
    plugin = SimpleNamespace(get_ep_name=lambda: NAME, get_library_path=lambda: "plugin.so")
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", plugin)
    return runtime


def test_it_is_registered_once_and_runs_on_one_card(runtime, graph, image):
    for _ in range(2):
        session = open_session("tensorrt-rtx", graph, SIZE[::-1], 1, "cuda")
    assert runtime.registered == [(NAME, "plugin.so")]
    assert session._session.options.devices == runtime.cards[:1]
    assert (session._session.options.width, session._session.options.height) == SIZE[::-1]
    step = session(image, np.ones((1, 480, 1, 1), np.float32))
    np.testing.assert_array_equal(step.gradient, 2 * image)
    assert step.strength == 3.0


def test_without_a_card_it_says_what_it_needs(runtime, graph):
    runtime.cards = []
    with pytest.raises(BackendError, match="finds no graphics card; it needs an RTX 30 or newer"):
        open_session("tensorrt-rtx", graph, SIZE[::-1], 1, "cuda")


def test_an_old_onnx_runtime_is_named(runtime, graph):
    del runtime.register_execution_provider_library
    with pytest.raises(BackendError, match=r"is too old for plugins; possible: onnxruntime 1\.24 or newer"):
        open_session("tensorrt-rtx", graph, SIZE[::-1], 1, "cuda")


def test_without_the_plugin_it_says_so(monkeypatch, graph):
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", None)
    with pytest.raises(BackendError, match="tensorrt-rtx is not installed"):
        open_session("tensorrt-rtx", graph, SIZE[::-1], 1, "cuda")
