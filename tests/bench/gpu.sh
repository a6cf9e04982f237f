#!/usr/bin/env bash
# Every CUDA path of a machine with an NVIDIA GPU, in under ten minutes: prints JSON, and writes it to a folder.
#   tests/bench/gpu.sh [FOLDER]    where the files go (default: $OUT, or else a new temporary folder)
# It needs this checkout, python3 and pip; what python3 lacks is installed into a temporary folder.
#   WHEELS=DIR    install from the wheels in this folder alone, on a machine without a network
#   DEVICE=cpu    try the script itself on a machine without a GPU
#   LIMIT=N       seconds for everything, once the packages are there (default: 540)
#   PARTS="A B"   only these parts: weights bench tick modules, a runtime's name, and room: many mirrors on one
#                 card, which takes 200 s and runs only where it is named
# Networks without weights get random ones, which run as fast. A part that fails costs only its own figures.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
out=${1:-${OUT:-$(mktemp -d)}}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
device=${DEVICE:-cuda}
limit=${LIMIT:-540}
export LIVEDREAM_HOME=$scratch/home PYTHONUNBUFFERED=1

# --- packages: the name to import, and the one to install
missing=()
while read -r module package; do
    python3 -c "import importlib.util as u, sys; sys.exit(u.find_spec('$module') is None)" || missing+=("$package")
done <<'PACKAGES'
aiohttp aiohttp
av av
cv2 opencv-python-headless
msgspec msgspec
numpy numpy
onnx onnx
onnxruntime onnxruntime-gpu
PIL pillow
platformdirs platformdirs
psutil psutil
safetensors safetensors
torch torch
torchvision torchvision
tqdm tqdm
PACKAGES
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}" >&2
    from=()
    [ -n "${WHEELS:-}" ] && from=(--no-index --no-deps --find-links "$WHEELS")
    for package in "${missing[@]}"; do # one by one: what cannot be had must not cost the others
        python3 -m pip install -q --target "$scratch/site" ${from[@]+"${from[@]}"} "$package" >&2 ||
            echo "without $package" >&2
    done
    export PYTHONPATH=$scratch/site${PYTHONPATH:+:$PYTHONPATH}
fi

# --- the parts, each with its share of 540 seconds; one that is cut short writes what it has
start=$(date +%s)
left() { echo $((limit - $(date +%s) + start)); }
part() { # NAME SECONDS COMMAND...
    local name=$1 most=$(($2 * limit / 540)) rest
    shift 2
    [ -n "${PARTS:-}" ] && [[ " $PARTS " != *" $name "* ]] && return
    rest=$(left)
    [ "$rest" -lt 10 ] && echo "$name: no time left" >&2 && return
    echo "--- $name" >&2
    timeout --signal=INT --kill-after=20 $((most < rest ? most : rest)) python3 "$@" >"$out/$name.log" 2>&1 ||
        echo "$name: ended with $?: $(tail -n 1 "$out/$name.log")" >&2
}

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >&2
fi
part weights 60 -m tests.bench.random_weights bvlc_googlenet
# What this version has, those that take minutes to build apart: they get one layer and one size.
runtimes=$(python3 -c "
from livedream.bench.run import EAGER, RUNTIMES
built = ('pytorch-compiled', 'tensorrt', 'tensorrt-rtx')
host = () if '$device' == 'cpu' else ('onnxruntime',)
print(*(name for name in RUNTIMES if name not in (*built, *host) and 'openvino' not in name))
print(*(name for name in built if name in RUNTIMES and '$device' != 'cpu'))")
{ read -ra quick && read -ra built; } <<<"$runtimes"
sizes=(320x180 640x360 1280x720)
[ "$device" = cpu ] && sizes=(160x90)
bench=(-m livedream bench --device "$device" --layer parts)
part bench 200 "${bench[@]}" --network bvlc_googlenet dreamnet --size "${sizes[@]}" \
    --runtime "${quick[@]}" --json "$out/bench.json"
part tick 80 -m tests.bench.gpu_tick --device "$device" --network bvlc_googlenet --layer parts \
    --sizes "${sizes[@]}" --runtimes auto "${quick[@]:1}" --seconds 70 --json "$out/tick.json"
part modules 120 -m tests.bench.gpu_modules --device "$device" --network bvlc_googlenet --layer parts \
    --size "${sizes[-1]}" --seconds 100 --json "$out/modules.json"
if [[ " ${PARTS:-} " == *" room "* ]]; then
    of_room=(--sizes 320x180 640x360 --networks dreamnet bvlc_googlenet)
    [ "$device" = cpu ] && of_room=(--sizes 160x90 --runtime pytorch-graph --mirrors 1 2 4)
    part room 540 -m tests.bench.gpu_room --device "$device" --layer parts "${of_room[@]}" \
        --seconds $((limit > 60 ? limit - 30 : limit / 2)) --json "$out/room.json"
fi
for runtime in ${built[@]+"${built[@]}"}; do
    part "$runtime" 90 "${bench[@]}" --network bvlc_googlenet --size 640x360 --no-mirror \
        --runtime "${quick[0]}" "$runtime" --json "$out/$runtime.json"
done

# --- one file, and on the screen
python3 - "$out" <<'MERGE'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
found = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json")) if path.stem != "gpu"}
(out / "gpu.json").write_text(json.dumps(found, indent=2) + "\n")
print(json.dumps(found, indent=2))
MERGE
echo "in $out" >&2
