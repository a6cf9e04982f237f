#!/usr/bin/env bash
# Every CUDA path, one gradient step, as ratios to plain PyTorch in fp32: prints a table, in under ten minutes.
#   tests/bench/gpu.sh [bvlc_googlenet.npz]     (without the weights: random ones, which run as fast)
set -euo pipefail
cd "$(dirname "$0")/../.."
weights=(--random)
[ $# -gt 0 ] && weights=(--weights "$1")
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
uv run python -m tests.bench.backends --device cuda --networks bvlc_googlenet googlenet dreamnet \
    --layers textures parts --sizes 256x144 320x180 640x360 --rounds 50 --random "${weights[@]}" "${@:2}"
