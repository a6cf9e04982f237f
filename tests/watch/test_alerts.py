"""Who is told what, when, on a clock of the test's; real deliveries to a server and to commands."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import ClassVar

import pytest

from livedream.errors import UsageError
from livedream.watch import alerts
from livedream.watch.alerts import (
    DEGRADED,
    RECOVERED,
    REMINDER,
    Alarms,
    Hook,
    Notice,
    deliver,
    hook_name,
    message,
    parse_hook,
)

WRONG = {"source": "camera 0 lost"}


def events(alarms, troubles, times, wall=0.0):
    """(second, event, kind) of what is told while ``troubles`` hold at these times."""
    return [(t, n.event, n.kind) for t in times for n in alarms.look(troubles, t, wall + t)]


def test_what_lasts_is_told_once_and_again_each_hour():
    told = events(Alarms(), WRONG, range(8000))
    assert told == [(15, DEGRADED, "source"), (3615, REMINDER, "source"), (7215, REMINDER, "source")]


def test_what_is_gone_soon_is_not_told_at_all():
    alarms = Alarms()
    assert events(alarms, WRONG, range(10)) == []
    assert events(alarms, {}, range(10, 100)) == []
    assert alarms.told == {}


def test_what_is_well_again_is_told_when_it_has_stayed_so():
    alarms = Alarms()
    events(alarms, WRONG, range(20))
    assert alarms.told == {"source": 0.0}
    assert events(alarms, {}, range(20, 30)) == []
    assert events(alarms, WRONG, range(30, 40)) == []  # it flickers: that is nothing new
    (notice,) = [n for t in range(40, 100) for n in alarms.look({}, t, t)]
    assert notice == Notice(RECOVERED, "source", "source is well again, after 40 s", 0.0)
    assert alarms.told == {}


def test_what_comes_and_goes_is_told_every_ten_minutes_at_most():
    alarms = Alarms()
    told = []
    for t in range(3600):
        told += [(n.event, t) for n in alarms.look(WRONG if t % 60 < 20 else {}, t, t)]
    wrong = [t for event, t in told if event == DEGRADED]
    assert len(wrong) == 6
    assert all(later - earlier >= 600 for earlier, later in pairwise(wrong))


def test_what_an_earlier_process_told_is_called_off_by_the_next():
    alarms = Alarms({"source": 1000.0})
    assert events(alarms, {}, range(10), 2000) == []
    ((_, event, kind),) = events(alarms, {}, range(10, 30), 2000)
    assert (event, kind) == (RECOVERED, "source")


def test_what_an_earlier_process_told_and_still_is_so_is_not_told_again():
    assert events(Alarms({"source": 1000.0}), WRONG, range(100), 2000) == []


@pytest.mark.parametrize(
    "text",
    ["ftp://host/x", "http://", "http:///x", "http://a b", "http://a:b/", "", "'open", "file:///etc/passwd"],
)
def test_an_alert_that_cannot_be_is_refused(text):
    with pytest.raises(UsageError):
        parse_hook(text)


def test_the_log_does_not_say_what_may_be_secret():
    assert hook_name("https://user:word@hooks.example.org/T0/secret") == "https://hooks.example.org"
    assert hook_name("/usr/bin/notify --token secret") == "/usr/bin/notify"


@pytest.fixture
def receiver():
    """A server that keeps what is posted to it. ``answers`` are its next status codes, 200 without any."""

    class Receiver(BaseHTTPRequestHandler):
        posts: ClassVar[list[tuple[str, dict]]] = []
        answers: ClassVar[list[int]] = []
        arrived = threading.Semaphore(0)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.posts.append((self.path, json.loads(body)))
            self.send_response(self.answers.pop(0) if self.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.arrived.release()

        def do_GET(self):
            self.posts.append((self.path, {}))

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Receiver
    server.shutdown()
    thread.join()
    server.server_close()


NOTICE = Notice(DEGRADED, "source", "camera 0 lost; showing clouds", 1_790_000_000.0)


def test_an_address_gets_json_that_says_it_all(receiver):
    deliver(receiver.url, message(NOTICE, {"report": {"visitors": 3}}))
    ((path, said),) = receiver.posts
    assert path == "/hook"
    assert said["text"].endswith(": degraded: camera 0 lost; showing clouds")
    assert (said["event"], said["kind"], said["report"]) == ("degraded", "source", {"visitors": 3})
    assert set(said) == {"text", "event", "kind", "message", "host", "since", "time", "report"}


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_address_that_does_not_take_it_is_a_failure_and_nothing_goes_elsewhere(receiver, status):
    receiver.answers.append(status)
    with pytest.raises(OSError, match=str(status)):
        deliver(receiver.url, message(NOTICE))
    assert [path for path, _ in receiver.posts] == ["/hook"]


def test_a_command_gets_it_on_its_standard_input_and_in_its_environment(tmp_path):
    out = tmp_path / "out"
    write = "write(os.environ['LIVEDREAM_ALERT_KIND'] + sys.stdin.read())"
    code = f"import os, sys; open({str(out)!r}, 'w').{write}"
    deliver(f'{sys.executable} -c "{code}"', message(NOTICE))
    assert out.read_text().startswith('source{"text": "livedream on ')


def test_a_command_that_fails_or_does_not_end_is_a_failure(monkeypatch):
    with pytest.raises(OSError, match="exit code 3"):
        deliver(f'{sys.executable} -c "raise SystemExit(3)"', message(NOTICE))
    with pytest.raises(OSError, match="No such file"):
        deliver("/nowhere/notify", message(NOTICE))
    monkeypatch.setattr(alerts, "_TIMEOUT_S", 0.2)
    with pytest.raises(OSError, match="did not end"):
        deliver(f'{sys.executable} -c "import time; time.sleep(600)"', message(NOTICE))


def test_a_failing_address_is_tried_again_and_said_once(receiver, monkeypatch, caplog):
    monkeypatch.setattr(alerts, "restart_delay_s", lambda failures: 0.0)
    receiver.answers += [500, 500, 500]
    with caplog.at_level("INFO"), Hook(receiver.url) as hook:
        hook.send(message(NOTICE))
        hook.send(message(Notice(RECOVERED, "source", "well again", 0.0)))
        for _ in range(5):
            assert receiver.arrived.acquire(timeout=60)
    assert [said["event"] for _, said in receiver.posts] == ["degraded"] * 4 + ["recovered"]
    assert (hook.sent, hook.failed) == (2, 3)
    said = [record.getMessage() for record in caplog.records if record.name == "livedream.watch.alerts"]
    where = receiver.url.removesuffix("/hook")
    assert said == [
        f"an alert to {where} failed: it answered 500 Internal Server Error; trying again",
        f"alerts to {where} work again, after 3 failures",
    ]


def test_sending_waits_for_nobody_and_too_many_are_lost_and_counted(monkeypatch):
    hang = threading.Event()
    monkeypatch.setattr(alerts, "deliver", lambda *_: hang.wait(60))
    monkeypatch.setattr(alerts, "_CLOSE_S", 0.0)
    hook = Hook("http://127.0.0.1:9/")
    for _ in range(200):
        hook.send(message(NOTICE))
    assert hook.failed >= 200 - 51
    hook.close()
    hang.set()
