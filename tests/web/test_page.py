"""The page in a real browser, on a real mirror."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from livedream.controls.desk import Desk, SceneTitle, View
from livedream.health.vitals import Vitals
from livedream.settings import SPECS, Settings
from livedream.watch.beats import CLOSED
from livedream.web.control import ControlPage
from livedream.web.preview import Preview
from livedream.web.site import Site

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright, of the group dev")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
PATIENCE_MS = 30_000
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

#: The mean of what the page draws of the picture, 0 to 255.
BRIGHTNESS = """() => {
    const from = document.getElementById("picture"), to = document.createElement("canvas");
    to.width = to.height = 16;
    const context = to.getContext("2d");
    context.drawImage(from, 0, 0, 16, 16);
    const data = context.getImageData(0, 0, 16, 16).data;
    return data.reduce((sum, value, n) => sum + (n % 4 === 3 ? 0 : value), 0) / (16 * 16 * 3);
}"""
#: Controls that a screen reader could not name.
NAMELESS = """() => [...document.querySelectorAll("button, input, select, a")].filter(element => {
    const ids = (element.getAttribute("aria-labelledby") || "").split(" ");
    const named = [element, ...(element.labels || []), ...ids.map(id => document.getElementById(id))];
    const words = [element.getAttribute("aria-label"), ...named.map(one => one && one.textContent)];
    return !words.some(word => word && word.trim());
}).map(element => element.outerHTML.slice(0, 120))"""

T = TypeVar("T")
#: Where the browser is driven: Playwright switches stacks in its thread, after which the parser of Python
#: 3.11, with which pytest shows a failed test, gives up.
BROWSER_THREAD = ThreadPoolExecutor(1, "browser")


def driving(work: Callable[..., T]) -> Callable[..., T]:
    """``work`` in the browser's thread."""

    @functools.wraps(work)
    def run(*words: Any, **named: Any) -> T:
        return BROWSER_THREAD.submit(work, *words, **named).result()

    return run


@pytest.fixture(scope="module")
def browser():
    started = driving(lambda: playwright.sync_playwright().start())()
    options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
    yield driving(lambda: started.chromium.launch(**options))()
    driving(started.stop)()


@pytest.fixture
def visit(browser):
    """Opens pages that must not complain."""
    contexts, complaints = [], []

    def open_page(url, size=DESK, **how):
        context = browser.new_context(viewport=size, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.goto(url)
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        driving(context.close)()


@pytest.fixture(scope="module")
def mirror():
    """The address of a mirror of clouds, as small as there can be."""
    words = ["--source", "clouds", "--headless", "--port", "0", "--working-px", "96", "--size", "320x180"]
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        words += ["--layer", "edges", "--osc", str(free.getsockname()[1])]
    command = [sys.executable, str(ROOT / "live.py"), *words]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline, "no page within 90 s"
        found = psutil.Process(process.pid).net_connections("tcp")
        ports = [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN]
        if ports:
            url = f"http://127.0.0.1:{ports[0]}/"
            if status(url).get("ticks"):
                break
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


def status(url):
    with urllib.request.urlopen(f"{url}status.json", timeout=30) as answer:
        return json.load(answer)


def until(condition):
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def live(page):
    page.locator("#screen.live").wait_for()
    page.locator(".row").first.wait_for(state="attached")


def slider(page, name, place="#pinned"):
    return page.locator(f'{place} [data-name="{name}"] input[type=range]')


@driving
def test_a_slider_moves_a_setting_and_blackout_blackens_the_picture(mirror, visit):
    page = visit(mirror)
    live(page)
    strength = slider(page, "strength")
    strength.scroll_into_view_if_needed()
    box = strength.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    for n in range(20):  # what comes back meanwhile must not fight the hand
        page.mouse.move(box["x"] + box["width"] * (0.4 + n / 40), box["y"] + box["height"] / 2)
    page.mouse.up()
    shown = float(page.locator('#pinned [data-name="strength"] .value').inner_text().split()[0])
    assert 2.5 < shown <= 2.8
    until(lambda: status(mirror)["settings"]["strength"] == pytest.approx(shown))
    strength.press("ArrowLeft")
    until(lambda: status(mirror)["settings"]["strength"] == pytest.approx(shown - 0.1))
    strength.press("Delete")
    until(lambda: status(mirror)["settings"]["strength"] == 1.0)
    until(lambda: page.evaluate(BRIGHTNESS) > 40)
    page.get_by_role("button", name="Blackout").click()
    until(lambda: page.evaluate(BRIGHTNESS) < 3)
    page.get_by_role("button", name="Blackout").click()
    until(lambda: page.evaluate(BRIGHTNESS) > 40)
    assert not visit.complaints


@driving
def test_two_pages_are_in_step_and_a_typed_value_is_checked(mirror, visit):
    one, two = visit(mirror), visit(mirror, PHONE, has_touch=True)
    live(one)
    live(two)
    value = one.locator('#pinned [data-name="feedback"] .value')
    value.click()
    one.keyboard.type("0.35")
    one.keyboard.press("Enter")
    two.locator('#pinned [data-name="feedback"] .value', has_text="0.35").wait_for()
    one.locator('#pinned [data-name="feedback"] button.value:focus', has_text="0.35").wait_for()
    one.locator('#pinned [data-name="feedback"] .value').click()
    one.keyboard.type("7")
    one.keyboard.press("Enter")
    one.locator("#messages .alarm", has_text="expected 0–1").wait_for()
    two.locator('[data-layer="textures"]').click()
    one.locator('[data-layer="textures"][aria-checked="true"]').wait_for()
    one.locator('#pinned [data-name="feedback"] .reset').click()
    two.locator('#pinned [data-name="feedback"] .value', has_text="0").wait_for()
    assert not visit.complaints


@driving
def test_a_scene_is_stored_recalled_renamed_and_deleted(mirror, visit):
    page = visit(mirror)
    live(page)
    page.locator("#store").click()
    page.locator("#store-name").fill("of clouds")
    page.locator("#store-picture").check()
    page.locator("#store-dialog .main").click()
    tile = page.locator('[data-scene="of clouds"]')
    tile.locator("img").wait_for(state="attached")
    page.locator('[data-scene="fur"]').click()
    page.locator('[data-scene="fur"][aria-pressed="true"]').wait_for()
    tile.click()
    page.locator('[data-scene="of clouds"][aria-pressed="true"]').wait_for()
    page.get_by_label("Rename or delete of clouds").click()
    page.locator("#scene-name").fill("renamed")
    page.locator("#scene-dialog .main").click()
    page.locator('[data-scene="renamed"] img').wait_for(state="attached")
    page.get_by_label("Rename or delete renamed").click()
    page.locator("#scene-dialog .danger").click()
    page.locator('[data-scene="renamed"]').wait_for(state="detached")
    assert not visit.complaints


@driving
def test_a_guide_is_given_and_dreamt(mirror, visit):
    page = visit(f"{mirror}#setup")
    live(page)
    page.locator("#guide-file").set_input_files(ROOT / "models" / "photograph.jpg")
    page.locator('#guides [aria-pressed="true"]', has_text="photograph").wait_for()
    assert "photograph" in until(lambda: status(mirror)["settings"]["guide"])
    page.locator("#guides .more").click()
    page.locator("#guides .tile").wait_for(state="detached")
    until(lambda: status(mirror)["settings"]["guide"] == "")
    assert not visit.complaints


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@driving
def test_everything_fits_and_has_a_name(mirror, visit, size):
    page = visit(mirror, size)
    live(page)
    for tab in ("play", "dream", "picture", "motion", "show", "setup", "health"):
        button = page.locator(f'[data-tab="{tab}"]')
        if button.is_visible():
            button.click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        too_wide = "[...document.querySelectorAll('.panel')].some(p => p.scrollWidth > p.clientWidth)"
        assert not page.evaluate(too_wide), tab
    assert page.evaluate(NAMELESS) == []
    assert not visit.complaints


@driving
def test_the_health_tab_says_that_the_mirror_is_well_and_shows_the_log(mirror, visit):
    page = visit(f"{mirror}#health")
    page.locator("#verdict", has_text="The mirror is well").wait_for()
    page.locator("#log li", has_text="first picture after").wait_for(state="attached")
    assert not visit.complaints


@driving
def test_another_source_is_chosen_and_the_picture_goes_on(mirror, visit):
    page = visit(f"{mirror}#setup")
    live(page)
    faults = status(mirror)["faults"]
    ticks = status(mirror)["ticks"]
    page.locator("#sources summary").click()
    page.locator(".source", has_text="clouds, without a camera").click()
    until(lambda: status(mirror)["ticks"] > ticks + 5)
    assert status(mirror)["faults"] == faults
    page.locator("#osc summary").click()
    page.locator("#osc-filter").fill("strength/value")
    page.locator(".address:visible").first.click()
    page.locator("#messages", has_text="copied /dream/strength/value").wait_for()
    assert not visit.complaints


class Room:
    """A page without a mirror: a server, a desk, and what was asked for."""

    def __init__(self, folder: Path, port: int = 0, token: str = "") -> None:
        self.site = Site()
        view = View(Settings(), {"layer": ("edges", "parts")}, (SceneTitle("fur", "Fur", 3),))
        self.desk = Desk(Settings())
        self.desk.view = view
        self.page = ControlPage(self.site, self.desk, folder)
        self.vitals = Vitals()
        self.preview = Preview(port=port, site=self.site, token=token, vitals=self.vitals)
        self.url = self.preview.url

    def close(self) -> None:
        self.preview.close()
        self.page.close()


@driving
def test_a_lost_connection_is_said_and_made_again(visit, tmp_path):
    room = Room(tmp_path)
    port = int(room.url.rstrip("/").rpartition(":")[2])
    page = visit(room.url)
    page.locator("#connection", has_text="live").wait_for()
    room.close()
    page.locator("#connection", has_text="no connection").wait_for()
    room = Room(tmp_path, port)
    room.desk.view = View(Settings(strength=2.5))
    page.locator("#connection", has_text="live").wait_for()
    page.locator('#pinned [data-name="strength"] .value', has_text="2.5").wait_for()
    room.close()


@driving
def test_a_closed_mirror_says_so(visit, tmp_path):
    room = Room(tmp_path)
    room.page.close()
    room.vitals.heard(CLOSED, time.monotonic())
    page = visit(room.url)
    page.locator("#connection", has_text="closed").wait_for()
    room.close()


@driving
def test_the_token_lets_in_and_leaves_the_address(visit, tmp_path):
    room = Room(tmp_path, token="right-token")
    page = visit(room.url)
    page.locator("#token").fill("wrong-token")
    page.get_by_role("button", name="Enter").click()
    page.locator("#wrong", has_text="not the token").wait_for()
    page.locator("#token").fill("right token")
    page.get_by_role("button", name="Enter").click()
    page.locator("#connection", has_text="live").wait_for()
    other = visit(room.site.login_url, PHONE)
    other.locator("#connection", has_text="live").wait_for()
    assert "token" not in other.url
    assert other.evaluate("document.cookie") == ""
    room.close()


@driving
def test_a_hostile_page_in_another_tab_can_neither_act_nor_look(visit, tmp_path):
    room = Room(tmp_path)
    script = f"""
        const said = [];
        window.said = said;
        const socket = new WebSocket("{room.url.replace("http", "ws")}control");
        socket.onopen = () => said.push("socket open");
        socket.onerror = () => said.push("socket refused");
        fetch("{room.url}guides?name=x", {{method: "POST", mode: "no-cors", body: "x"}})
            .then(answer => said.push("posted " + answer.type), () => said.push("post refused"));
        const image = new Image();
        image.onload = () => said.push("image seen");
        image.onerror = () => said.push("image refused");
        image.src = "{room.url}static/icon.svg";
        const frame = document.createElement("iframe");
        frame.src = "{room.url}";
        document.body.append(frame);
    """

    class Hostile(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<body><script>{script}</script>".encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = visit(f"http://localhost:{server.server_port}/")
        page.wait_for_function("window.said.length >= 3")
        said = page.evaluate("window.said")
        assert {"socket refused", "image refused"} <= set(said)
        assert "socket open" not in said
        assert room.page.poll() == []
        assert not list((tmp_path / "guides").glob("*"))
    finally:
        server.shutdown()
        server.server_close()
        room.close()


@driving
def test_the_sliders_know_the_settings_curves(visit, tmp_path):
    room = Room(tmp_path)
    page = visit(room.url)
    page.locator("#connection", has_text="live").wait_for()
    both = """async names => {
        const { toUnit, fromUnit } = await import("/static/curves.js");
        const specs = window.livedream.state("schema").settings;
        return names.map(([name, values]) => {
            const spec = specs.find(spec => spec.name === name);
            return values.map(value => [toUnit(spec, value), fromUnit(spec, toUnit(spec, value))]);
        });
    }"""
    numbers = [spec for spec in SPECS.values() if spec.minimum is not None and "mirror" in spec.used_by]
    asked = [(spec.name, [spec.from_unit(n / 10) for n in range(11)]) for spec in numbers]
    for spec, (_, values), answers in zip(numbers, asked, page.evaluate(both, asked), strict=True):
        for value, (unit, back) in zip(values, answers, strict=True):
            assert unit == pytest.approx(max(0.0, spec.to_unit(value)), abs=1e-6), spec.name
            near = max(spec.step, 0.01 * abs(value)) if value else 0
            assert back == pytest.approx(value, abs=near), spec.name
    room.close()
