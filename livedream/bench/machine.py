"""What the machine is, and the most that it can do: matrix products in each precision, copies in memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from livedream.bench import subjects
from livedream.bench.timing import fastest_s
from livedream.version import version

_PACKAGES = ("numpy", "opencv-python", "openvino", "onnxruntime", "onnxruntime-gpu", "torch", "torchvision")
#: The side of the matrices, in fp32, in the faster precisions, and on a GPU: some 20 ms each.
_SIDE, _HALF_SIDE, _GPU_SIDE = 1024, 2048, 8192
_ROUNDS = 12
_COPY_BYTES, _GPU_COPY_BYTES = 1 << 27, 1 << 30
_LIMIT_S = 60.0


@dataclass(frozen=True)
class Ceiling:
    """The fastest matrix product of one library, device (``cpu``, ``gpu``, ``cuda``) and precision."""

    library: str
    device: str
    precision: str
    gflops: float


def facts(threads: int) -> dict[str, Any]:
    """What the machine is; ``threads`` is how many the network may use."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "livedream": version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "gpu": subjects.gpu_name(),
        "packages": found,
    }


def processor() -> str:
    """The processor's name, or only its kind where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def ceilings(threads: int) -> Iterator[Ceiling | str]:
    """One after the other, on ``threads`` threads: what a library reaches, or why that is unknown."""
    for measured in (_numpy, _openvino, _torch_cpu, _torch_cuda):
        try:
            yield from measured(threads)
        except ImportError as error:
            yield f"no {measured.__name__.strip('_')} ceiling: {error}"
        except Exception as error:  # each library has exceptions of its own
            yield f"no {measured.__name__.strip('_')} ceiling: {type(error).__name__}: {error}"


def ceiling_of(found: list[Ceiling], device: str, precision: str) -> float | None:
    """The most GFLOP/s of any library on this device in this precision; None when none was measured.

    Convolutions in fp32 on CUDA run in TF32.
    """
    fitting = (precision, "tf32") if device == "cuda" and precision == "fp32" else (precision,)
    rates = [row.gflops for row in found if row.device == device and row.precision in fitting]
    return max(rates, default=None)


def copy_rates(threads: int) -> dict[str, float]:
    """Copy bandwidth in GB/s by device, bytes read and bytes written both counted."""
    parts = [np.ones(_COPY_BYTES // 8 // threads) for _ in range(threads)]
    copies = [np.empty_like(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        took = fastest_s(lambda: list(pool.map(np.copyto, copies, parts)), _ROUNDS)
    rates = {"cpu": round(2 * sum(part.nbytes for part in parts) / took / 1e9, 2)}
    torch = subjects.torch_with_cuda()
    if torch is not None:
        given = torch.ones(_GPU_COPY_BYTES // 4, device="cuda")
        kept = torch.empty_like(given)
        took = fastest_s(_synchronised(torch, lambda: kept.copy_(given)), _ROUNDS)
        rates["cuda"] = round(2 * _GPU_COPY_BYTES / took / 1e9, 1)
    return rates


def _ceiling(library: str, device: str, precision: str, side: int, seconds: float) -> Ceiling:
    return Ceiling(library, device, precision, round(2 * side**3 / seconds / 1e9, 1))


_NUMPY = """
import numpy, sys
from livedream.bench.timing import fastest_s
side, rounds = int(sys.argv[1]), int(sys.argv[2])
a, b = numpy.random.default_rng(0).random((2, side, side), dtype=numpy.float32)
print(fastest_s(lambda: a @ b, rounds))
"""


def _numpy(threads: int) -> Iterator[Ceiling]:
    """In a process of its own: NumPy's library takes its number of threads when it is loaded."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", _NUMPY, str(_SIDE), str(_ROUNDS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=_LIMIT_S,
        env=os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    yield _ceiling("NumPy", "cpu", "fp32", _SIDE, float(result.stdout))


def _openvino(threads: int) -> Iterator[Ceiling]:
    openvino = subjects.load_openvino()
    core = openvino.Core()
    for device in core.available_devices:
        if device not in ("CPU", "GPU"):
            continue
        able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        for precision, hint, capability in (
            ("fp32", "f32", "FP32"), ("bf16", "bf16", "BF16"), ("fp16", "f16", "FP16")
        ):  # fmt: skip
            if capability in able:
                side = _SIDE if precision == "fp32" else _HALF_SIDE
                seconds = _openvino_product_s(openvino, core, device, hint, side, threads)
                yield _ceiling("OpenVINO", device.lower(), precision, side, seconds)


def _openvino_product_s(
    openvino: Any, core: Any, device: str, precision: str, side: int, threads: int
) -> float:
    """Seconds of a product with a constant matrix, as a network's weights are."""
    from importlib import import_module

    operations = import_module("openvino.opset8")
    a, b = np.random.default_rng(0).random((2, side, side), dtype=np.float32)
    given = operations.parameter([side, side], np.float32)
    model = openvino.Model(
        [operations.matmul(given, operations.constant(b), False, False)], [given], "product"
    )
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if device == "CPU":
        options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    request = core.compile_model(model, device, options).create_infer_request()
    return fastest_s(lambda: request.infer([a], share_inputs=True, share_outputs=True), _ROUNDS)


def _torch_cpu(threads: int) -> Iterator[Ceiling]:
    import torch

    torch.set_num_threads(threads)
    for precision, name in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
        if name == "bf16" and not subjects.has_fast_bf16():
            continue
        side = _SIDE if name == "fp32" else _HALF_SIDE
        a, b = torch.rand(2, side, side).to(precision)
        yield _ceiling("PyTorch", "cpu", name, side, fastest_s(_product(a, b), _ROUNDS))


def _torch_cuda(threads: int) -> Iterator[Ceiling]:
    torch = subjects.torch_with_cuda()
    if torch is None:
        return
    before = torch.backends.cuda.matmul.allow_tf32
    kinds = (
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("fp16", torch.float16, True),
        ("bf16", torch.bfloat16, True),
    )
    try:
        for name, precision, tensor_cores in kinds:
            torch.backends.cuda.matmul.allow_tf32 = tensor_cores
            a, b = torch.rand(2, _GPU_SIDE, _GPU_SIDE, device="cuda").to(precision)
            seconds = fastest_s(_synchronised(torch, _product(a, b)), _ROUNDS)
            yield _ceiling("PyTorch", "cuda", name, _GPU_SIDE, seconds)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _product(a: Any, b: Any) -> Callable[[], object]:
    return lambda: a @ b


def _synchronised(torch: Any, run: Callable[[], object]) -> Callable[[], object]:
    def synchronised() -> None:
        run()
        torch.cuda.synchronize()

    return synchronised
