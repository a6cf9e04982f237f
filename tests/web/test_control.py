"""The control page's socket and what may be given to it, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import itertools
import json
import logging
import os
import socket
import urllib.parse
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from PIL import Image

from livedream.controls.actions import (
    Command,
    Cycle,
    Learn,
    Nudge,
    Recall,
    Set,
    SetModulation,
    SetSource,
    Store,
    Toggle,
)
from livedream.controls.desk import Desk, SceneTitle, View
from livedream.controls.osc import Osc
from livedream.controls.port import Change, Refusal
from livedream.errors import UsageError
from livedream.settings import SPECS, Settings
from livedream.web.control import ControlPage
from livedream.web.images import cleaned
from livedream.web.osc_monitor import add_osc_monitor
from livedream.web.preview import Preview
from livedream.web.site import Site
from livedream.web.state import Allowance, State
from livedream.web.wire import action_of, schema


class Room:
    """A control page on a server, and the desk that it reads."""

    def __init__(self, folder: Path, sources=dict) -> None:
        self.site, self.desk, self.scenes = Site(), Desk(Settings()), folder / "scenes"
        self.page = ControlPage(self.site, self.desk, self.scenes, sources)
        self.preview = Preview(port=0, site=self.site)
        self.url = self.preview.url

    def change(self, origin: str = "keyboard", **values) -> None:
        settings = self.desk.view.settings.replace(**values)
        self.desk.view = View(settings, scenes=self.desk.view.scenes)
        self.page.announce(Change(origin, tuple(values), settings))

    def send(self, method, path, body=None, **headers):
        """(status, text) of one request."""
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    room = Room(tmp_path)
    yield room
    room.preview.close()
    room.page.close()


class Hand:
    """One page: what it knows, by part."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.parts = socket, {}

    async def until(self, condition):
        while not condition(self.parts):  # the test's own time limit ends this
            message = await self.socket.receive_json()
            self.parts[message["part"]] = message["data"]
        return self.parts

    async def ask(self, **message):
        await self.socket.send_str(json.dumps(message))


def pages(room, use, count=1):
    """``await use(hand, …)`` with so many pages."""

    async def main():
        async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:
            connecting = [session.ws_connect(room.url + "control") for _ in range(count)]
            sockets = [await stack.enter_async_context(connection) for connection in connecting]
            return await use(*(Hand(socket) for socket in sockets))

    return asyncio.run(main())


async def acted(room, count=1):
    """The actions that came from pages, as soon as there are so many."""
    found = []
    while len(found) < count:
        found += room.page.poll()
        await asyncio.sleep(0.01)
    return found


def jpeg(width=64, height=48, **how):
    kept = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8))
    image.save(kept, "JPEG", **how)
    return kept.getvalue()


def test_a_page_is_told_all_and_then_what_changes(room):
    async def use(hand):
        wanted = {"schema", "settings", "lists", "scenes", "messages", "status", "patch", "guides"}
        parts = await hand.until(lambda parts: parts.keys() >= wanted)
        assert {one["name"] for one in parts["schema"]["settings"]} >= {"strength", "layer", "blackout"}
        assert parts["settings"] == Settings().as_dict()
        room.change(strength=2.0)
        await hand.until(lambda parts: parts["settings"]["strength"] == 2.0)

    pages(room, use)


def test_pages_are_in_step_and_a_refused_one_is_told_why_and_sent_back(room):
    async def use(one, two):
        await one.until(lambda parts: "settings" in parts)
        await two.until(lambda parts: "settings" in parts)
        await one.ask(do="set", name="strength", value=1.5)
        assert await acted(room) == [Set("strength", 1.5)]
        room.change("page", strength=1.5)
        for hand in (one, two):
            await hand.until(lambda parts: parts["settings"]["strength"] == 1.5)
        del one.parts["settings"]
        room.page.announce(Refusal("page", Set("strength", 9), "strength: expected 0–3 ×"))
        parts = await one.until(lambda parts: {"settings", "refusal"} <= parts.keys())
        assert parts["refusal"] == "strength: expected 0–3 ×"

    pages(room, use, 2)


def test_what_is_no_action_is_answered_and_the_page_goes_on(room):
    async def use(hand):
        for text in ("nonsense", "[1]", '{"do":"fly"}', '{"do":"set","name":"x"}', "[" * 5000):
            hand.parts.clear()
            await hand.socket.send_str(text)
            await hand.until(lambda parts: "refusal" in parts)
        await hand.ask(do="toggle", name="freeze")
        assert await acted(room) == [Toggle("freeze")]

    pages(room, use)


def test_a_message_that_is_too_large_ends_the_connection(room):
    async def use(hand):
        await hand.socket.send_str("x" * 20_000)
        while True:
            if (await hand.socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return hand.socket.close_code

    assert pages(room, use) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


def test_a_page_that_sends_far_too_much_is_disconnected(room):
    async def use(hand):
        async def end():
            while not hand.socket.closed:
                await hand.socket.receive()

        ended = asyncio.create_task(end())
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            while not ended.done():  # the test's own time limit ends this
                await hand.ask(do="toggle", name="freeze")
                await asyncio.sleep(0)
        await ended

    pages(room, use)
    assert len(room.page.poll()) <= 256


def test_the_pages_are_limited_and_a_free_place_is_given_again(room):
    async def use(hand, *_):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await session.ws_connect(room.url + "control")
            assert error.value.status == 503
            await hand.socket.close()
            while True:  # the test's own time limit ends this
                try:
                    await (await session.ws_connect(room.url + "control")).close()
                    break
                except aiohttp.WSServerHandshakeError:
                    await asyncio.sleep(0.01)

    pages(room, use, 32)


def test_a_closed_mirror_has_no_controls(room):
    room.page.close()
    assert room.send("GET", "/control")[0] == 503


def test_only_sources_that_were_offered_may_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    room = Room(tmp_path, lambda: {"0": "a camera", "clouds": "clouds"})

    async def use(hand):
        await hand.ask(do="source", source="clouds")
        await hand.until(lambda parts: "not offered" in parts.get("refusal", ""))
        async with aiohttp.ClientSession() as session, session.get(room.url + "sources.json") as answer:
            assert await answer.json() == [["0", "a camera"], ["clouds", "clouds"]]
        await hand.ask(do="source", source="http://192.168.0.9/secret")
        await hand.ask(do="source", source="clouds")
        assert await acted(room) == [SetSource("clouds")]

    pages(room, use)
    room.preview.close()
    room.page.close()


def test_a_page_lets_a_knob_learn_a_setting(room):
    async def use(hand):
        await hand.until(lambda parts: parts.get("learn") == {"can": False, "setting": ""})
        await hand.ask(do="learn", name="zoom")
        assert await acted(room) == [Learn("zoom")]
        room.desk.can_learn, room.desk.learning = True, "zoom"
        await hand.until(lambda parts: parts["learn"] == {"can": True, "setting": "zoom"})

    pages(room, use)


def test_the_osc_monitor_tells_what_is_heard_and_understood(room):
    with contextlib.closing(Osc(room.desk, port=0)) as osc, socket.socket(type=socket.SOCK_DGRAM) as sender:
        add_osc_monitor(room.site, osc)
        sender.sendto(b"/dream/nothing\0\0,f\0\0\0\0\0\0", osc.address)
        heard = []
        while not heard:  # the test's own time limit ends this
            heard = json.loads(room.send("GET", "/osc.json")[1])["heard"]
        assert heard[0]["address"] == "/dream/nothing"
        assert "unknown OSC address" in heard[0]["verdict"]
        listed = json.loads(room.send("GET", "/osc/addresses.json")[1])
        assert "/dream/strength" in [line[0] for line in listed]


VIEW = View(Settings(), lists={"guide": ("", "/pictures/a.png")})


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ({"do": "nudge", "name": "steps", "count": -1}, Nudge("steps", -1)),
        ({"do": "cycle", "name": "layer", "count": 1}, Cycle("layer", 1)),
        ({"do": "recall", "scene": "fur", "fade_s": 4}, Recall("fur", 4.0)),
        ({"do": "recall", "scene": "fur", "fade_s": None}, Recall("fur")),
        ({"do": "store", "scene": "mine", "key": 3}, Store("mine", 3)),
        ({"do": "command", "command": "snapshot"}, Command.SNAPSHOT),
        ({"do": "set", "name": "guide", "value": "/pictures/a.png"}, Set("guide", "/pictures/a.png")),
        ({"do": "set", "name": "guide", "value": "/mine/b.jpg"}, Set("guide", "/mine/b.jpg")),
        (
            {"do": "modulation", "number": 1, "values": {"source": "lfo1"}},
            SetModulation(1, {"source": "lfo1"}),
        ),
    ],
)
def test_messages_become_actions(message, action):
    assert action_of(message, VIEW, Path("/mine")) == action


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"do": ["set"]},
        {"do": "set", "name": "colour", "value": 1},
        {"do": "set", "name": "palette", "value": "x" * 2001},
        {"do": "set", "name": "guide", "value": "/etc/passwd"},
        {"do": "set", "name": "guide", "value": "/mine/../etc/passwd"},
        {"do": "set", "name": "guide", "value": {"a": 1}},
        {"do": "unit", "name": "strength", "unit": True},
        {"do": "nudge", "name": "steps", "count": 1e9},
        {"do": "recall", "scene": "fur", "fade_s": 1e9},
        {"do": "store", "scene": 5},
        {"do": "command", "command": "rm"},
        {"do": "modulation", "number": 99, "values": {}},
        {"do": "lfo", "name": "lfo1", "values": [1]},
    ],
)
def test_wrong_messages_are_refused(message):
    with pytest.raises(UsageError):
        action_of(message, VIEW, Path("/mine"))


def test_every_setting_of_the_mirror_is_described():
    assert [one["name"] for one in schema()] == [n for n, spec in SPECS.items() if "mirror" in spec.used_by]
    json.dumps(schema())


def test_a_part_is_sent_once_to_each_page():
    state, one, two = State(), {}, {}
    assert state.put("a", [1])
    assert not state.put("a", [1])
    assert len(state.since(one)) == len(state.since(two)) == 1
    assert state.since(one) == []
    assert state.put("a", [1], again=True)
    assert len(state.since(one)) == 1


def test_an_allowance_refills():
    allowance = Allowance(rate=10, burst=2, now=0.0)
    assert [allowance.take(0.0) for _ in range(3)] == [True, True, False]
    assert allowance.take(0.1)
    assert not allowance.take(0.1)
    assert allowance.refused == 2


def test_a_guide_is_made_anew_and_dreamt(room, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    status, body = room.send("POST", "/guides?name=../../My%20Cat!.jpg", jpeg(2000, 100, exif=exif))
    assert status == 200
    path = Path(json.loads(body)["path"])
    assert path.parent == tmp_path / "guides"
    assert path.name.startswith("My Cat-")
    assert room.page.poll() == [Set("guide", str(path))]
    with Image.open(path) as kept:
        assert max(kept.size) == 1024
        assert not kept.getexif()
    shown = room.send("GET", f"/guides/{urllib.parse.quote(path.stem)}")
    assert shown == (200, path.read_bytes())
    assert json.loads(room.send("GET", "/guides")[1]) == [{"name": path.stem, "path": str(path)}]
    assert room.send("DELETE", f"/guides?name={urllib.parse.quote(path.stem)}")[0] == 200
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"nonsense" * 100, jpeg()[:200], b"<svg/>"], ids=range(4))
def test_what_is_no_image_is_refused_in_one_line(room, tmp_path, data):
    status, body = room.send("POST", "/guides?name=a", data)
    assert status == 400
    assert b"not an image" in body
    assert body.count(b"\n") == 1
    assert not list((tmp_path / "guides").glob("*"))
    assert room.page.poll() == []


def test_an_image_that_would_fill_the_memory_is_not_decoded():
    bomb = io.BytesIO()
    Image.new("1", (12_000, 8_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(UsageError, match=r"12000x8000 pixels|not an image"):
        cleaned(bomb.getvalue(), 1024)


def test_what_crashes_its_decoder_is_refused_and_the_show_goes_on(monkeypatch):
    monkeypatch.setattr("livedream.web.images.__name__", "no.such.module")
    with pytest.raises(UsageError, match="crashed"):
        cleaned(jpeg(), 1024)


def test_an_upload_of_100_mb_is_refused_before_it_is_read(room):
    address = urllib.parse.urlsplit(room.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.putrequest("POST", "/guides?name=a")
    connection.putheader("Content-Length", "100000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (413, b"too large: up to 20 MB are possible\n")
    connection.close()


def test_an_upload_that_never_ends_is_cut_off(room, tmp_path):
    with contextlib.suppress(ConnectionError):
        assert room.send("POST", "/guides?name=a", itertools.repeat(b"\0" * 100_000))[0] == 413
    assert not list((tmp_path / "guides").glob("*"))
    assert room.send("GET", "/guides")[0] == 200


@pytest.mark.parametrize(
    "name", ["../secret", "..%2Fsecret", "%2e%2e/secret", "/etc/passwd", "secret%00", "a/../../secret", ""]
)
def test_no_name_leaves_its_folder(room, tmp_path, name):
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "guides").mkdir()
    room.scenes.mkdir()
    assert room.send("GET", f"/guides/{name}")[0] == 404
    assert room.send("GET", f"/scenes/picture?scene={name}")[0] == 404
    assert room.send("DELETE", f"/guides?name={name}")[0] == 404
    assert room.send("POST", f"/scenes/picture?scene={name}", jpeg())[0] == 400
    assert [path.name for path in tmp_path.glob("*.jpg")] == ["secret.jpg"]


def test_a_scene_has_a_picture_only_if_it_was_given_with_it(room):
    room.scenes.mkdir()
    (room.scenes / "mine.toml").touch()
    assert room.send("POST", "/scenes/picture?scene=mine", jpeg(640, 360))[0] == 200
    picture = room.scenes / "mine.jpg"
    with Image.open(picture) as kept:
        assert kept.size == (320, 180)
    assert room.send("GET", "/scenes/picture?scene=mine") == (200, picture.read_bytes())
    room.desk.view = View(scenes=(SceneTitle("mine", "mine", 0, True),))

    async def use(hand):
        await hand.until(lambda parts: "mine" in parts.get("pictures", {}))
        os.utime(picture, (1e9, 1e9))  # of an earlier scene of this name
        await hand.until(lambda parts: parts["pictures"] == {})

    pages(room, use)


def test_the_log_has_the_newest_lines(room):
    log = logging.getLogger("livedream.test")
    log.setLevel(logging.INFO)
    for n in range(250):
        log.info("line %d", n)
    answer = json.loads(room.send("GET", "/log.json")[1])
    assert [line[3] for line in answer["lines"]] == [f"line {n}" for n in range(50, 250)]
    log.warning("one more")
    later = json.loads(room.send("GET", f"/log.json?after={answer['last']}")[1])
    assert [line[2:] for line in later["lines"]] == [["warning", "one more"]]
    assert room.send("GET", "/log.json?after=x%00")[0] == 200
