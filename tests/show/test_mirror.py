"""The whole mirror as its user runs it: ``live.py`` in a process of its own, on clouds or real footage."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest

from livedream.sinks.snapshot import read_snapshot_settings

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--working-px", "128", "--size", "320x180"]


def command(*words: object) -> list[str]:
    return [sys.executable, str(ROOT / "live.py"), *map(str, words)]


def live(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=120, cwd=cwd, check=False)


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The only line that a user's mistake may cost."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("livedream:")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def wait_until(condition, process: subprocess.Popen[str], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, f"the mirror ended before {what}"
        assert time.monotonic() < deadline, f"90 s without {what}"
        time.sleep(0.1)


@pytest.fixture
def running():
    """Starts mirrors that are ended, with all their children, after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, **how) -> subprocess.Popen[str]:
        process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, **how)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def url(mirror: subprocess.Popen[str]) -> str:
    """The address of a mirror's page: the port that this very process listens on."""
    ports = [
        connection.laddr.port
        for connection in psutil.Process(mirror.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    return f"http://127.0.0.1:{ports[0]}/" if ports else ""


def status(mirror: subprocess.Popen[str]) -> dict:
    try:
        with urllib.request.urlopen(url(mirror) + "status.json", timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError, psutil.Error):  # not open yet, or ended
        return {}


def test_a_mirror_of_clouds_dreams_records_and_ends(tmp_path):
    import av

    video, photo, stats = tmp_path / "out.mp4", tmp_path / "out.png", tmp_path / "stats.json"
    result = live(
        *("--source", "clouds", "--headless", "--port", 0, "--frames", 40, *SMALL),
        *("--record", video, "--snapshot", photo, "--stats", stats),
        *("--layer", "textures", "--set", "steps=1"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(stats.read_text())
    assert found["frames"] >= 40
    assert (found["network"], found["layer"], found["steps"]) == ("dreamnet", "textures", 1)
    assert found["working_size"] == [128, 72]
    assert found["dream_fps"] > 0
    assert found["display_fps"] > 0
    assert found["faults"] == 0
    assert found["source"] == "clouds"
    assert not found["backend"].startswith("PyTorch")  # the shipped graph, from the first picture on
    with av.open(video) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert abs(len(pictures) - 40) <= 4
    assert pictures[0].shape == (180, 320, 3)
    assert read_snapshot_settings(photo)["layer"] == "textures"


def test_without_a_screen_the_picture_is_on_the_preview_page_and_ctrl_c_ends_it_all(running, tmp_path):
    import cv2

    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    video = tmp_path / "out.mp4"
    mirror = running(
        *("--source", "clouds", "--port", 0, *SMALL, "--record", video), env=environment, cwd=tmp_path
    )
    wait_until(lambda: status(mirror).get("dream_fps", 0) > 0, mirror, "a dream on the page")
    address = url(mirror)

    def picture():
        with urllib.request.urlopen(address + "snapshot.jpg", timeout=10) as answer:
            return cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR)

    assert picture().shape == (180, 320, 3)
    wait_until(lambda: picture().std() > 10, mirror, "more than black")
    children = psutil.Process(mirror.pid).children(recursive=True)
    assert len(children) >= 2
    mirror.send_signal(signal.SIGINT)
    _, errors = mirror.communicate(timeout=30)
    assert mirror.returncode == 0, errors
    assert "no screen" in errors
    assert f"page: {address}" in errors
    assert not psutil.wait_procs(children, timeout=10)[1]
    import av

    with av.open(video) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


def test_killing_the_show_leaves_no_process_behind(running):
    mirror = running("--source", "clouds", "--headless", "--port", 0, *SMALL)
    wait_until(lambda: status(mirror).get("dream_fps", 0) > 0, mirror, "a dream")
    children = psutil.Process(mirror.pid).children(recursive=True)
    mirror.kill()
    mirror.wait()
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_killed_dream_and_a_killed_camera_come_back_while_the_picture_goes_on(running):
    mirror = running("--source", "clouds", "--headless", "--port", 0, *SMALL)
    wait_until(lambda: status(mirror).get("dream_fps", 0) > 0, mirror, "a dream")
    killed = [
        child
        for child in psutil.Process(mirror.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]
    assert len(killed) == 2
    for child in killed:
        child.kill()
    wait_until(lambda: status(mirror).get("faults") == 2, mirror, "two faults")
    first = status(mirror)["first_dream_s"]
    shown = status(mirror)["frames"]
    wait_until(lambda: status(mirror).get("frames", 0) > shown + 30, mirror, "new frames after the restart")
    ticks = status(mirror)["ticks"]
    wait_until(lambda: status(mirror).get("ticks", 0) > ticks, mirror, "new dream ticks after the restart")
    assert status(mirror)["first_dream_s"] == first
    mirror.terminate()
    said = mirror.communicate(timeout=30)[1]
    for who in ("camera", "dream"):
        assert said.count(f"{who} ended with exit code -9") == 1, said
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d show: dream ended", said, re.MULTILINE), (
        said
    )


def test_closing_the_terminal_ends_everything_and_leaves_no_shared_memory(running):
    shared = Path("/dev/shm")
    before = set(shared.glob("livedream-*")) if shared.is_dir() else set()
    mirror = running("--source", "clouds", "--headless", "--port", 0, *SMALL, start_new_session=True)
    wait_until(lambda: status(mirror).get("frames", 0) > 0, mirror, "a picture")
    children = psutil.Process(mirror.pid).children(recursive=True)
    for _ in range(3):  # an impatient person
        os.killpg(mirror.pid, signal.SIGHUP)
        os.killpg(mirror.pid, signal.SIGINT)
    _, errors = mirror.communicate(timeout=30)
    assert mirror.returncode == 0
    assert "Traceback" not in errors
    assert not psutil.wait_procs(children, timeout=10)[1]
    if shared.is_dir():
        assert set(shared.glob("livedream-*")) <= before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--layer", "inception9"], 2, "unknown layer 'inception9'; dreamnet has: edges"),
        (["--network", "mirrornet"], 2, "unknown network 'mirrornet'; possible: dreamnet"),
        (["--steps", "99"], 2, "expected 0–20"),
        (["--dream-of", "castel"], 2, "unknown word 'castel'; did you mean 'castle'"),
        (["--set", "nothing=1"], 2, "unknown setting 'nothing'"),
        (["--scene", "fog"], 2, "unknown scene 'fog'; possible: attract, "),
        (["--nonsense"], 2, "--nonsense"),
        (["--source", "no/such/video.mp4"], 1, "no/such/video.mp4"),
        (["--source", "clouds", "--record", "no/such/folder/out.mp4"], 1, "no/such/folder"),
        (["--source", "clouds", "--record", "out.gif"], 2, ".mp4"),
        (["--source", "clouds", "--snapshot", "no/such/folder/out.png"], 1, "no/such/folder"),
        (["--source", "clouds", "--stats", "no/such/folder/out.json"], 1, "no/such/folder"),
        (["--network", "bvlc_googlenet", "--weights", "no.npz"], 1, "no such file"),
        (["--device", "tpu"], 1, "device 'tpu' is not on this machine"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_costs_one_clear_line(words, code, said, tmp_path):
    result = live("--headless", "--port", 0, "--frames", 1, *words, cwd=tmp_path)
    assert said in one_line(result)
    assert result.returncode == code


def test_damaged_weights_end_the_start_with_one_clear_line(tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"not weights at all")
    result = live(
        *("--headless", "--port", 0, "--source", "clouds", "--network", "bvlc_googlenet"),
        *("--weights", tmp_path / "weights.npz"),
    )
    assert "weights.npz" in one_line(result)
    assert result.returncode == 1


@pytest.mark.screen
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool to press keys")
def test_keys_change_the_running_mirror(running, tmp_path):
    guides = tmp_path / "guides"
    guides.mkdir()
    (guides / "broken.png").write_bytes(b"no picture")
    shutil.copy(ROOT / "models" / "photograph.jpg", guides / "clouds.jpg")
    words = ("--source", "clouds", "--windowed", "--preview", "--port", 0, *SMALL, "--layer", "edges")
    words += ("--journey-hold-s", 0.5, "--journey-fade-s", 0.5)
    mirror = running(*words, cwd=tmp_path)

    def press(*keys: str) -> None:
        subprocess.run(["xdotool", "key", *keys], check=True)

    def now(name: str):
        return status(mirror).get(name)

    wait_until(lambda: now("dream_fps"), mirror, "a dream")
    press("Right", "a")
    wait_until(lambda: now("layer") == "textures", mirror, "the next layer")
    assert now("steps") == 3
    press("g")
    wait_until(lambda: "broken.png' is not an image" in now("message"), mirror, "the reason")
    press("shift+g")
    wait_until(lambda: now("guide") == "guides/clouds.jpg", mirror, "the guide")
    press("j")
    wait_until(lambda: now("layer") not in ("textures", "edges"), mirror, "the journey's next layer")
    press("j")
    press("s")
    wait_until(lambda: list(tmp_path.glob("snapshots/*.png")), mirror, "a snapshot")
    press("r")
    wait_until(lambda: list(tmp_path.glob("recordings/*.mp4")), mirror, "a recording")
    press("Escape")
    press("Escape")
    mirror.communicate(timeout=30)
    assert mirror.returncode == 0


@pytest.mark.screen
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool to press keys")
def test_keys_name_what_the_running_mirror_dreams(running, tmp_path):
    words = ("--source", "clouds", "--windowed", "--preview", "--port", 0, *SMALL, "--layer", "parts")
    words += ("--palette", "castle, daisy", "--crossfade-s", 0.2)
    mirror = running(*words, cwd=tmp_path)
    wait_until(lambda: status(mirror).get("dream_fps"), mirror, "a dream")

    def press_until(key: str, dreamt: object, name: str = "words") -> None:
        subprocess.run(["xdotool", "key", key], check=True)
        wait_until(lambda: status(mirror).get(name) == dreamt, mirror, f"{name} to be {dreamt}")

    press_until("bracketright", [["castle", 1.0]])
    press_until("d", [["daisy", 1.0]])
    press_until("bracketleft", "castle", "dream_of")
    subprocess.run(["xdotool", "key", "u"], check=True)
    wait_until(lambda: len(status(mirror).get("recognised", ())) == 3, mirror, "something recognised")
    wait_until(lambda: status(mirror).get("words", [["castle"]])[0][0] != "castle", mirror, "a surprise")
    press_until("l", [])
    assert status(mirror)["faults"] == 0


@pytest.mark.screen
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool to press keys")
def test_a_restarted_dream_goes_on_with_what_is_wanted_now(running, tmp_path):
    words = ("--source", "clouds", "--windowed", "--preview", "--port", 0, *SMALL, "--layer", "edges")
    mirror = running(*words, cwd=tmp_path)
    wait_until(lambda: status(mirror).get("dream_fps"), mirror, "a dream")
    subprocess.run(["xdotool", "key", "Right", "a"], check=True)
    wait_until(lambda: status(mirror).get("layer") == "textures", mirror, "the next layer")
    children = psutil.Process(mirror.pid).children()
    dream = max(children, key=lambda child: child.memory_info().rss)  # it alone has loaded a runtime
    dream.kill()
    wait_until(lambda: status(mirror).get("faults") == 1, mirror, "the fault")
    ticks = status(mirror)["ticks"]
    wait_until(lambda: status(mirror).get("ticks", 0) > ticks + 5, mirror, "ticks of the restarted dream")
    assert (status(mirror)["layer"], status(mirror)["steps"]) == ("textures", 3)


@pytest.mark.screen
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool to press keys")
def test_a_network_that_cannot_be_loaded_is_said_and_the_old_dream_goes_on(running, tmp_path):
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "googlenet-1378be20.pth").write_text("damaged")
    environment = os.environ | {"TORCH_HOME": str(tmp_path)}
    words = ("--source", "clouds", "--windowed", "--preview", "--port", 0, *SMALL, "--layer", "edges")
    mirror = running(*words, cwd=tmp_path, env=environment)
    wait_until(lambda: status(mirror).get("dream_fps"), mirror, "a dream")
    subprocess.run(["xdotool", "key", "shift+n"], check=True)
    wait_until(lambda: "damaged" in status(mirror).get("message", ""), mirror, "the reason")
    subprocess.run(["xdotool", "key", "Right"], check=True)
    wait_until(lambda: status(mirror)["layer"] == "textures", mirror, "the old network's next layer")
    assert status(mirror)["network"] == "dreamnet"


def test_a_damaged_scene_is_said_and_the_rest_of_it_is_shown(tmp_path):
    (tmp_path / "fog.toml").write_text(
        '[settings]\nlayer = "inception9"\nsteps = 1\nfog = 3\nmix = "dream"\n'
    )
    stats = tmp_path / "stats.json"
    result = live(
        *("--source", "clouds", "--headless", "--port", 0, "--frames", 3, *SMALL, "--stats", stats),
        *("--scenes", tmp_path, "--scene", "fog"),
    )
    assert result.returncode == 0, result.stderr
    assert "fog.toml: fog: unknown setting" in result.stderr
    assert "layer: unknown layer 'inception9'" in result.stderr
    found = json.loads(stats.read_text())
    assert (found["scene"], found["layer"], found["steps"]) == ("fog", "patterns", 1)
    assert (found["presence"], found["attracts"]) == (None, 0)  # nobody looks for visitors in clouds


@pytest.mark.shared
def test_people_who_walk_in_end_the_attract_dream(running, shared, tmp_path):
    video = shared / "video" / "people_walking.mp4"
    mirror = running(
        *("--source", video, "--detect-visitors-in", "any", "--attract-after-s", 2),
        *("--headless", "--port", 0),
        *SMALL,
    )
    wait_until(lambda: status(mirror).get("attract"), mirror, "the attract dream of an empty room")
    wait_until(lambda: status(mirror).get("arrivals"), mirror, "somebody")
    wait_until(lambda: status(mirror).get("attract") is False, mirror, "the mirror again")
    assert status(mirror)["presence"] > 0.5


@pytest.mark.shared
def test_the_original_network_dreams_on_a_real_visitor(shared, bvlc_weights, tmp_path):
    import av

    video, stats = tmp_path / "out.mp4", tmp_path / "stats.json"
    result = live(
        *("--headless", "--port", 0, "--source", shared / "video" / "webcam_face.mp4", "--frames", 60),
        *("--network", "bvlc_googlenet", "--weights", bvlc_weights, "--layer", "inception_4c"),
        *("--working-px", 192, "--record", video, "--stats", stats, "--size", "640x360"),
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(stats.read_text())["layer"] == "inception_4c"
    with av.open(video) as container:
        last = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][-1]
    assert 60 < last.mean() < 200  # neither black nor washed out
    assert (last >= 254).mean() < 0.2  # nor saturated
