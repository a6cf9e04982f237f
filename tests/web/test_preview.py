"""The page: pictures arrive, costs nothing without viewers, and is for this machine only."""

import asyncio
import http.client
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import AsyncExitStack

import aiohttp
import cv2
import numpy as np
import pytest

from livedream.errors import OutputError, UsageError
from livedream.web.preview import Preview

IMAGE = np.zeros((90, 160, 3), np.uint8)
IMAGE[:, :80] = (250, 30, 30)


@pytest.fixture
def preview():
    with Preview(port=0) as preview:
        yield preview


def get(preview, path, **headers):
    request = urllib.request.Request(preview.url + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


class Feed:
    """Shows a picture again and again, as the show does."""

    def __init__(self, preview):
        self._preview, self._stop = preview, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.wait(0.005):
            self._preview.show(IMAGE)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


async def frames(response, count):
    """The first ``count`` pictures of an MJPEG stream."""
    reader = aiohttp.MultipartReader.from_response(response)
    found = []
    while len(found) < count:
        part = await reader.next()
        found.append(await part.read(decode=False))
    return found


def streaming(preview, use):
    """``await use(get)`` with a client, and what it returned."""

    async def main():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            return await use(lambda path: session.get(preview.url + path))

    return asyncio.run(main())


def test_the_stream_brings_the_picture_again_and_again(preview):
    async def use(get):
        async with get("stream.mjpeg") as response:
            assert response.content_type == "multipart/x-mixed-replace"
            return await frames(response, 5)

    with Feed(preview):
        jpegs = streaming(preview, use)
    for jpeg in jpegs:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.abs(picture.astype(int) - IMAGE).mean() < 5


def test_nothing_is_encoded_while_nobody_looks(preview, monkeypatch):
    encoded = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *words: encoded.append(words) or encode(*words))
    for _ in range(200):
        preview.show(IMAGE)
    get(preview, "status.json")
    assert not encoded
    assert preview.viewers == 0
    get(preview, "snapshot.jpg")
    assert len(encoded) == 1


def test_a_still_picture_is_sent_to_who_comes_later(preview):
    async def use(get):
        async with get("stream.mjpeg") as response:
            return await frames(response, 1)

    preview.show(IMAGE)
    assert streaming(preview, use)[0].startswith(b"\xff\xd8")


def test_viewers_are_counted_and_forgotten(preview):
    async def use(get):
        async with get("stream.mjpeg") as one, get("stream.mjpeg") as two:
            await frames(one, 1)
            await frames(two, 1)
            during = preview.viewers
        while preview.viewers:  # the test's own time limit ends this if they are never forgotten
            await asyncio.sleep(0.01)
        return during

    with Feed(preview):
        assert streaming(preview, use) == 2


def test_a_reader_who_takes_nothing_does_not_hold_up_the_others(preview):
    async def use(get):
        async with get("stream.mjpeg"), get("stream.mjpeg") as quick:
            return await frames(quick, 40)

    with Feed(preview):
        assert len(streaming(preview, use)) == 40


def test_status_and_page(preview):
    preview.set_status({"layer": "inception_4c", "display_fps": 30.0})
    status = json.loads(get(preview, "status.json"))
    said = {"layer": "inception_4c", "display_fps": 30.0, "viewers": 0, "max_viewers": 16}
    assert status.items() >= said.items()
    page = get(preview, "").decode()
    assert "/static/page.js" in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from anywhere else


def test_a_snapshot_before_the_first_picture_says_so(preview):
    with pytest.raises(urllib.error.HTTPError) as error:
        get(preview, "snapshot.jpg")
    assert error.value.code == 503
    error.value.close()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.0.7:8400", "[::2]:8400"])
def test_a_request_for_another_host_is_refused(preview, host):
    with pytest.raises(urllib.error.HTTPError) as error:
        get(preview, "status.json", Host=host)
    assert error.value.code == 403
    error.value.close()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8400", "127.0.0.1:1", "[::1]:8400"])
def test_this_machine_by_any_of_its_names_is_answered(preview, host):
    assert json.loads(get(preview, "status.json", Host=host))["viewers"] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_it_is_served_to_this_machine_only(host):
    with pytest.raises(UsageError, match="possible: localhost"):
        Preview(host=host, port=0)


def test_a_taken_port_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port}: Address already in use; possible: another port"):
            Preview(port=port)


@pytest.mark.parametrize("host", ["203.0.113.5", "nobody.invalid"])
def test_an_address_of_another_machine_is_one_clear_error(host):
    with pytest.raises(OutputError, match=r"possible: .*an address of this machine"):
        Preview(host=host, token="long-enough", port=0)


def test_it_closes_twice_and_with_somebody_connected(preview):
    async def use(get):
        async with get("stream.mjpeg") as response:
            await frames(response, 1)
            await asyncio.to_thread(preview.close)

    with Feed(preview):
        streaming(preview, use)
    preview.close()
    preview.show(IMAGE)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        get(preview, "")


def test_a_server_that_crashes_raises_in_show(preview, monkeypatch):
    def broken(*_words):
        raise ValueError("cannot encode")

    monkeypatch.setattr(cv2, "imencode", broken)
    preview.show(IMAGE)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        get(preview, "snapshot.jpg")

    def show_until_it_raises():
        while True:  # the test's own time limit ends this
            preview.show(IMAGE)

    with pytest.raises(ValueError, match="cannot encode"):
        show_until_it_raises()


def test_only_so_many_may_watch_at_once_and_a_free_place_is_given_again(preview):
    async def use(get):
        async with AsyncExitStack() as stack:
            for _ in range(16):
                await frames(await stack.enter_async_context(get("stream.mjpeg")), 1)
            async with get("stream.mjpeg") as refused, get("snapshot.jpg") as also_refused:
                assert refused.status == also_refused.status == 503
                assert "16 viewers" in await refused.text()
        while preview.viewers:
            await asyncio.sleep(0.01)
        async with get("stream.mjpeg") as response:
            return await frames(response, 1)

    with Feed(preview):
        assert streaming(preview, use)


def test_a_page_gets_one_picture_for_each_that_it_asks_for(preview):
    async def main():
        async with aiohttp.ClientSession() as session, session.ws_connect(preview.url + "preview") as socket:
            for _ in range(3):
                await socket.send_str("next")
                assert (await socket.receive_bytes()).startswith(b"\xff\xd8")
            with pytest.raises(TimeoutError):  # nothing comes unasked
                await socket.receive(timeout=0.3)
        while preview.viewers:
            await asyncio.sleep(0.01)

    with Feed(preview):
        asyncio.run(main())


def test_of_200_pages_that_read_nothing_most_are_refused_and_the_others_served(preview):
    async def main():
        async with AsyncExitStack() as stack:
            connector = aiohttp.TCPConnector(limit=0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            refusals = []
            for _ in range(200):
                try:
                    socket = await stack.enter_async_context(session.ws_connect(preview.url + "preview"))
                    await socket.send_str("next")
                except aiohttp.WSServerHandshakeError as error:
                    refusals.append(error.status)
            assert refusals == [503] * 168
            async with session.get(preview.url + "status.json") as answer:
                assert (await answer.json())["viewers"] == 32

    with Feed(preview):
        asyncio.run(main())


def test_a_page_gets_pictures_no_larger_than_it_shows_them_and_a_program_all_of_them(preview):
    def shape(jpeg):
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape

    async def main():
        preview.show(np.zeros((720, 1280, 3), np.uint8))
        async with aiohttp.ClientSession() as session, session.ws_connect(preview.url + "preview") as socket:
            await socket.send_str("next")
            assert shape(await socket.receive_bytes()) == (540, 960, 3)
            async with session.get(preview.url + "snapshot.jpg") as answer:
                assert shape(await answer.read()) == (720, 1280, 3)

    asyncio.run(main())


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/9.9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nHo st: \x00\r\n\r\n"],
)
def test_a_malformed_request_is_answered_and_not_logged(preview, caplog, request_bytes):
    port = urllib.parse.urlsplit(preview.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request_bytes + b"\r\n\r\n")
        assert b" 400 " in connection.recv(1000)
    assert not caplog.records


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "damaged"])
def test_without_its_page_the_preview_shows_the_picture(preview, content, monkeypatch, tmp_path, caplog):
    (tmp_path / "static").mkdir()
    if content is not None:
        (tmp_path / "static" / "index.html").write_bytes(content)
    monkeypatch.setattr("livedream.web.pages.files", lambda _package: tmp_path)
    address = urllib.parse.urlsplit(preview.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (302, "/stream.mjpeg")
    connection.close()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "livedream.web.pages"]
    assert "its page cannot be read" in message
