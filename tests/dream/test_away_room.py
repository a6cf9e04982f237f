"""The connection to a room, over a real socket: what goes up, what comes down, and what goes wrong."""

from __future__ import annotations

import datetime
import gc
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import ExitStack

import cv2
import numpy as np
import pytest
from aiohttp import web
from msgspec import structs

from livedream.dream import room_client
from livedream.dream.room_client import RoomClient
from livedream.dream.room_exchange import Dreamt, Exchange
from livedream.ipc.protocol import VERSION, Order
from livedream.ipc.room_messages import GuideImage, Join, Picture, Refused, Seed, Welcome, pack
from livedream.ipc.room_pixels import decode_picture
from livedream.ipc.slots import Slot
from livedream.room_address import RoomKeys, room_address
from livedream.settings import Settings
from tests.dream.rooms import LEVEL, FakeRoom

TOKEN = "k7mq-2xtp-9fhd"


def until(condition, seconds=20.0):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


class Mirror:
    """A camera, and a connection to a room."""

    def __init__(self, stack):
        self.stack = stack
        self.frames = stack.enter_context(Slot.create(1 << 20))
        self.exchange = Exchange()
        self.exchange.order = Order(number=1, settings=Settings(), aspect=16 / 9)
        self.image = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
        self.n = 0

    def go(self, address, keys=None):
        self.address = room_address(address)
        self.client = RoomClient(self.address, self.exchange, self.frames, keys or RoomKeys(), "hall")
        self.stack.callback(self.client.close)

    def capture(self):
        self.n += 1
        self.frames.publish(self.image, index=self.n, time_s=self.n / 30)

    def dream(self, count=1):
        """Capture until so many residuals have come."""
        for _ in range(count):
            self.exchange.arrived.clear()
            self.capture()
            until(self.exchange.arrived.is_set)

    def fails(self):
        until(lambda: self.exchange.state == "waiting")
        return self.exchange.why


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def mirror(stack, monkeypatch):
    monkeypatch.setattr(room_client, "_FIRST_DELAY_S", 0.05)
    return Mirror(stack)


@pytest.fixture
def room(stack):
    found = FakeRoom()
    stack.callback(found.close)
    return found


def test_a_picture_goes_up_and_its_residual_comes_down(mirror, room):
    mirror.go(room.address)
    mirror.dream(3)
    (join,) = room.of(Join)
    assert (join.mirror, join.order.number) == ("hall", 1)
    picture, pixels = next((m, p) for m, p in room.heard if isinstance(m, Picture))
    assert (picture.size, picture.visible, picture.coding) == ((96, 54), (160, 90), "raw")
    image = decode_picture(pixels, picture.size, picture.coding)
    assert np.abs(image.mean() - mirror.image[15:105].mean()) < 2
    newest = mirror.exchange.newest
    assert (newest.index, newest.time_s, newest.order, newest.aspect) == (3, 0.1, 1, 16 / 9)
    assert np.abs(newest.residual).mean() == pytest.approx(LEVEL, rel=0.01)
    assert newest.frame.shape == newest.residual.shape == (54, 96, 3)
    assert mirror.exchange.measures.round_trip_ms.p50 > 0


def test_only_one_picture_is_on_its_way_and_the_newest_is_next(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    hold = threading.Event()
    kept = []

    def answer(picture, order):
        return room.residual(picture, order) if hold.is_set() else kept.append(picture)

    room.answer = answer
    mirror.capture()
    until(lambda: kept)
    for _ in range(5):
        mirror.capture()
    hold.set()
    room.send(room.residual(kept[0], room.order))
    until(lambda: mirror.exchange.newest.index == mirror.n)
    assert [picture.index for picture in room.of(Picture)] == [1, 2, mirror.n]


def test_a_lost_answer_is_not_waited_for_for_ever(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    room.answer = lambda picture, order: None if picture.index == 2 else room.residual(picture, order)
    mirror.capture()
    until(lambda: len(room.of(Picture)) == 2)
    mirror.dream()
    answered = mirror.exchange.newest.index
    mirror.dream(10)
    assert mirror.exchange.newest.index == answered + 10  # each at its turn


def test_the_size_is_the_one_that_the_room_wants(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    room.working_px = 160
    mirror.dream(3)
    assert room.of(Picture)[-1].size == (160, 90)


def test_a_still_frame_is_sent_again(mirror, room):
    mirror.go(room.address)
    mirror.capture()
    until(lambda: len(room.of(Picture)) >= 3)
    assert {picture.index for picture in room.of(Picture)} == {1}


def test_a_new_order_follows_and_its_guide_comes_first(mirror, room, tmp_path):
    mirror.go(room.address)
    mirror.dream()
    path = str(tmp_path / "guide.jpg")
    cv2.imwrite(path, np.full((400, 300, 3), (0, 0, 200), np.uint8))
    order = mirror.exchange.order
    mirror.exchange.order = structs.replace(order, number=2, settings=order.settings.replace(guide=path))
    until(lambda: room.order.number == 2)
    kinds = [type(message) for message, _ in room.heard if not isinstance(message, Picture)]
    assert kinds == [Join, GuideImage, Order]
    pixels = next(p for m, p in room.heard if isinstance(m, GuideImage))
    guide = cv2.imdecode(np.frombuffer(pixels, np.uint8), cv2.IMREAD_COLOR)
    assert guide.shape == (256, 192, 3)
    assert guide[0, 0].tolist() == [0, 0, 200]


def test_a_session_begins_with_the_dream_so_far_and_so_does_one_that_moved(mirror, room):
    frame = np.full((54, 96, 3), 90, np.uint8)
    mirror.exchange.seed = Dreamt(frame, np.full((54, 96, 3), -40, np.float32))
    mirror.go(room.address)
    mirror.dream()
    room.move()
    mirror.dream(2)
    assert len(room.of(Join)) == len(room.of(Seed)) == 2
    assert mirror.exchange.sessions == 2
    seed, pixels = next((m, p) for m, p in room.heard if isinstance(m, Seed))
    assert decode_picture(pixels[: seed.image_bytes], seed.size, "jpeg").mean() == pytest.approx(90, abs=2)
    assert len(pixels) - seed.image_bytes == 54 * 96 * 3


def test_a_room_that_is_killed_is_tried_again_until_it_is_there(mirror, room, stack):
    mirror.go(room.address)
    mirror.dream()
    room.close()
    assert mirror.fails() in ("the connection to the room was lost", "no room listens there")
    until(lambda: mirror.exchange.why == "no room listens there")
    again = FakeRoom(port=room.port)
    stack.callback(again.close)
    mirror.dream()
    assert mirror.exchange.state == "trying"
    assert mirror.exchange.faults == {"room lost": 1}


def test_a_full_room_is_asked_again_when_it_said(mirror, room):
    room.refuse("full", "the room is full: 12 mirrors dream here", retry_s=0.1)
    mirror.go(room.address)
    assert mirror.fails() == "the room is full: 12 mirrors dream here"
    room.greet = room.welcome
    mirror.dream()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (
            ("version", "this room speaks version 2"),
            "the room has another version: this room speaks version 2",
        ),
        (
            ("invalid", "line\nbreak\x1b[2J" + "x" * 999),
            "the room did not understand this mirror: line break",
        ),
        (("closing", "the room closes"), "the room closes"),
    ],
)
def test_a_refusal_is_told_in_one_line(mirror, room, said, heard):
    room.refuse(*said)
    mirror.go(room.address)
    why = mirror.fails()
    assert why.startswith(heard)
    assert why.isprintable()
    assert len(why) < 250


def answer_with(data):
    return lambda *_: data


@pytest.mark.parametrize(
    "garbage",
    [
        answer_with(b""),
        answer_with(b"garbage"),
        answer_with(b"R\xff\xff\xff\xff"),
        lambda room, picture, order: room.residual(picture, order, size=(54, 96)),
        lambda room, picture, order: room.residual(picture, order, size=(4000, 2250)),
        lambda room, picture, order: room.residual(picture, order, scale=float("nan")),
        lambda room, picture, order: room.residual(picture, order)[:-1],
        lambda room, picture, order: bytes(5 * 2**20),
    ],
    ids=["empty", "text", "length", "shape", "size", "scale", "short", "long"],
)
def test_garbage_ends_the_connection_and_nothing_else(mirror, room, garbage):
    mirror.go(room.address)
    mirror.dream()
    room.answer = lambda picture, order: garbage(room, picture, order) or b"x"
    mirror.capture()
    why = mirror.fails()
    assert why.startswith("what is there is no room, or is damaged: ")
    assert why.isprintable()
    assert mirror.exchange.newest.index == 1


def test_a_room_of_another_version_is_named_as_one(mirror, room):
    later = pack(Welcome(version=VERSION + 1, room="later", working_px=96))
    room.greet = lambda join: [later]
    mirror.go(room.address)
    assert mirror.fails().startswith("the room has another version: a Welcome message of protocol version ")


def test_why_a_room_closes_is_heard_although_a_picture_is_on_its_way(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    room.answer = lambda picture, order: pack(Refused(why="closing", message="the room closes"))
    mirror.capture()
    assert mirror.fails() == "the room closes"


def test_residuals_that_nobody_asked_for_are_ignored_and_many_end_it(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    stray = room.residual(structs.replace(room.of(Picture)[0], index=99), room.order)
    room.send(stray)
    mirror.dream()
    assert mirror.exchange.newest.index != 99
    room.answer = lambda picture, order: None
    for _ in range(20):
        room.send(stray)
    assert "nobody asked for" in mirror.fails()


def test_a_flood_ends_the_connection(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    status = room.welcome(room.of(Join)[0])[1]
    room.answer = lambda picture, order: None

    def flood():
        for _ in range(3000):
            room.send(status)

    threading.Thread(target=flood, daemon=True).start()
    assert "messages in a second" in mirror.fails()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "what is there is no room: it answers HTTP 200"),
        (404, "what is there is no room: it answers HTTP 404"),
        (401, "the room wants a token; possible: --room-token, or LIVEDREAM_ROOM_TOKEN"),
        (429, "the room was asked too often"),
        (503, "the room is not ready"),
    ],
)
def test_what_answers_otherwise_is_named(mirror, room, status, words):
    async def answer(request):
        return web.Response(status=status)

    room.handler = answer
    mirror.go(room.address)
    assert mirror.fails() == words


def test_something_that_is_not_even_http_is_no_room(mirror):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            one, _ = server.accept()
            one.recv(1000)
            one.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            one.close()

        threading.Thread(target=greet, daemon=True).start()
        mirror.go(f"ws://127.0.0.1:{server.getsockname()[1]}")
        assert mirror.fails() == "what is there is no room: it does not speak WebSocket"


def test_an_unknown_machine_is_named(mirror):
    mirror.go("ws://no-such-machine.invalid:8850")
    assert mirror.fails() == "there is no machine called no-such-machine.invalid"


def test_the_token_is_shown_to_its_room_and_to_no_other(mirror, room, stack):
    other = FakeRoom()
    stack.callback(other.close)
    keys = RoomKeys(room_address(room.address).place, TOKEN)
    mirror.go(room.address, keys)
    mirror.dream()
    assert room.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    mirror.client.close()
    mirror.go(other.address, keys)
    mirror.dream()
    assert TOKEN not in str(other.headers)


def test_a_room_that_wants_another_token_is_told_from_one_that_wants_any(mirror, room, stack):
    async def refuse(request):
        return web.Response(status=401)

    room.handler = refuse
    mirror.go(room.address, RoomKeys(room_address(room.address).place, TOKEN))
    assert mirror.fails() == "the room does not know this token"
    mirror.client.close()
    mirror.exchange.state = "connecting"
    mirror.go(room.address, RoomKeys(("ws", "10.0.0.7", 1), TOKEN))
    assert "the one given is for the room that --dream-at named" in mirror.fails()


def test_neither_token_nor_pictures_follow_to_another_place(mirror, room, stack):
    other = FakeRoom()
    stack.callback(other.close)

    async def elsewhere(request):
        raise web.HTTPFound(other.address.replace("ws", "http"))

    room.handler = elsewhere
    mirror.go(room.address, RoomKeys(room_address(room.address).place, TOKEN))
    assert mirror.fails() == "what is there is no room: it sends visitors elsewhere"
    assert other.headers == []


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for this machine: its file, and a server's context."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "room")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert, pem = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, pem)
    return cert, context


def test_a_certificate_of_its_own_has_to_be_given(mirror, stack, certificate):
    cert, context = certificate
    room = FakeRoom(ssl=context)
    stack.callback(room.close)
    mirror.go(room.address)
    why = mirror.fails()
    assert why.startswith("the room's certificate is refused: self")
    assert why.endswith("possible: --room-ca FILE")
    mirror.client.close()
    mirror.go(room.address, RoomKeys(None, "", str(cert)))
    mirror.dream()


# The event loop leaves a socket behind whose handshake failed, until it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_room_without_encryption_is_told_from_none(mirror, room):
    mirror.go(room.address.replace("ws:", "wss:"))
    assert mirror.fails() == "no encrypted connection to the room; ws:// if it has no certificate"
    mirror.client.close()
    until(lambda: not mirror.client._thread.is_alive())
    gc.collect()


def test_a_client_that_is_closed_leaves_at_once(mirror, room):
    mirror.go(room.address)
    mirror.dream()
    mirror.client.close()
    until(lambda: not mirror.client._thread.is_alive())
