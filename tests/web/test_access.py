"""Who is let in: this machine without a token, others with one, and never another site in a browser."""

from __future__ import annotations

import http.client
import json
import os
import stat
import urllib.parse

import pytest

from livedream.cli.control_flags import parse_address
from livedream.errors import OutputError, UsageError
from livedream.web.preview import Preview
from livedream.web.site import Site
from livedream.web.token import check_token, kept_token, new_token, token_path

TOKEN = "k7mq-2xtp-9fhd-w3zs"


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def open_to_others(site):
    # Bound to loopback here; with a token it is as careful as anywhere.
    with Preview(port=0, token=TOKEN, site=site) as preview:
        yield preview


def ask(preview, method, path, body=None, **headers):
    """(status, headers, body) of one request."""
    address = urllib.parse.urlsplit(preview.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def cookie_of(headers):
    return headers["Set-Cookie"].partition(";")[0]


def test_without_the_token_there_is_a_form_and_nothing_else(open_to_others):
    status, headers, body = ask(open_to_others, "GET", "/")
    assert status == 401
    assert b'name="token"' in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for path in ("/status.json", "/snapshot.jpg", "/stream.mjpeg", "/preview", "/nothing"):
        assert ask(open_to_others, "GET", path)[0] == 401
    assert ask(open_to_others, "GET", "/static/login.css")[0] == 200


def test_the_token_in_a_link_gives_a_cookie_and_leaves_the_address(open_to_others, site):
    assert site.login_url == f"{open_to_others.url}?token={TOKEN}"
    status, headers, body = ask(open_to_others, "GET", f"/?token={TOKEN}")
    assert status == 200
    assert b'content="0; url=/"' in body
    assert TOKEN.encode() not in body
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert attribute in headers["Set-Cookie"]
    cookie = cookie_of(headers)
    assert TOKEN not in cookie
    assert ask(open_to_others, "GET", "/status.json", Cookie=cookie)[0] == 200
    assert b"url=/" in ask(open_to_others, "GET", f"/?token={TOKEN}", Cookie=cookie)[2]
    assert ask(open_to_others, "GET", "/status.json", Cookie=cookie[:-1])[0] == 401


def test_the_token_may_be_typed_and_programs_send_it_in_a_header(open_to_others):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, headers, _ = ask(open_to_others, "POST", "/login", "token=K7MQ 2xtp9fhdw3zs", **form)
    assert status == 200
    assert ask(open_to_others, "GET", "/status.json", Cookie=cookie_of(headers))[0] == 200
    status, _, body = ask(open_to_others, "POST", "/login", "token=wrong", **form)
    assert status == 401
    assert b"not the token" in body
    assert ask(open_to_others, "GET", "/status.json", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(open_to_others, "GET", "/status.json", Authorization="Bearer wrong")[0] == 401


def test_after_ten_wrong_tokens_not_even_the_right_one_is_believed_for_a_while(open_to_others):
    cookie = cookie_of(ask(open_to_others, "GET", f"/?token={TOKEN}")[1])
    statuses = [ask(open_to_others, "GET", "/?token=wrong")[0] for _ in range(11)]
    assert statuses == [401] * 9 + [429] * 2
    status, headers, _ = ask(open_to_others, "GET", f"/?token={TOKEN}")
    assert status == 429
    assert headers["Retry-After"] == "60"
    assert ask(open_to_others, "GET", "/status.json", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_another_site_can_neither_post_nor_open_a_socket(site, headers):
    heard = []

    async def act(request):
        from aiohttp import web

        heard.append(request)
        return web.Response()

    site.add("/act", act, method="POST")
    with Preview(port=0, site=site) as preview:
        assert ask(preview, "POST", "/act", **headers)[0] == 403
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
        upgrade["Sec_WebSocket_Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        assert ask(preview, "GET", "/preview", **upgrade, **headers)[0] == 403
        assert not heard
        own = preview.url.rstrip("/")
        assert ask(preview, "POST", "/act", Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
        assert len(heard) == 1


def test_a_mirror_for_others_answers_to_numbers_and_its_own_name_only(site):
    with Preview(host="0.0.0.0", port=0, token=TOKEN, site=site) as preview:
        port = urllib.parse.urlsplit(preview.url).port
        local = type("Local", (), {"url": f"http://127.0.0.1:{port}/"})
        for host in ("192.168.7.7", "[fe80::1]:8400", "localhost"):
            assert ask(local, "GET", "/", Host=host)[0] == 401
        for host in ("evil.example", "127.0.0.1.evil.example", "", "1.2.3", "localhost:80; script-src *"):
            assert ask(local, "GET", "/", Host=host)[0] == 403


def test_nothing_but_what_was_added_is_served(site):
    with Preview(port=0, site=site) as preview:
        for path in (
            "/static/../pages.py",
            "/static/%2e%2e/pages.py",
            "/static//etc/passwd",
            "/static/",
            "/static/..%2fpages.py",
            "/static/index.html",
        ):
            assert ask(preview, "GET", path)[0] == 404
        status, headers, _ = ask(preview, "DELETE", "/status.json")
        assert (status, headers["Allow"]) == (405, "GET")
        assert ask(preview, "HEAD", "/status.json")[0] == 200


def test_an_address_below_another_is_answered_by_the_nearest(site):
    async def answer(request):
        from aiohttp import web

        return web.json_response(request.path)

    site.add("/dream/*", answer)
    with Preview(port=0, site=site) as preview:
        assert json.loads(ask(preview, "GET", "/dream/strength/value")[2]) == "/dream/strength/value"
        assert ask(preview, "GET", "/dreams")[0] == 404


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    token = kept_token()
    assert kept_token() == token == check_token(token)
    if os.name == "posix":
        assert stat.S_IMODE(token_path().stat().st_mode) == 0o600
    assert new_token() != new_token()
    token_path().write_text("short")
    with pytest.raises(OutputError, match=r"page-token cannot be used.*5 characters.*delete that file"):
        kept_token()


@pytest.mark.parametrize("token", ["", "short", "a b c d e f g h", "x" * 201, "ünglaublich"])
def test_a_token_that_cannot_be_one_is_refused_and_not_repeated(token):
    with pytest.raises(UsageError, match="expected 8 to 200") as error:
        check_token(token)
    assert not token or token not in str(error.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.168.0.7", ("192.168.0.7", None)),
        ("0.0.0.0:8400", ("0.0.0.0", 8400)),
        ("[::]:80", ("::", 80)),
        ("[::1]", ("::1", None)),
        ("fe80::1", ("fe80::1", None)),
        ("mirror.local:8400", ("mirror.local", 8400)),
    ],
)
def test_addresses_to_listen_at(text, found):
    assert parse_address(text) == found


@pytest.mark.parametrize("text", ["", ":8400", "host:", "host:0", "host:65536", "a b", "http://host"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError):
        parse_address(text)
