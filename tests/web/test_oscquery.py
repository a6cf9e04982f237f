"""OSCQuery over HTTP, asked as Chataigne and TouchDesigner do, beside the page at the same address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from livedream.controls.desk import Desk
from livedream.controls.osc import Osc
from livedream.controls.port import Change
from livedream.settings import Settings
from livedream.web.oscquery import add_oscquery
from livedream.web.preview import Preview
from livedream.web.site import Site


@pytest.fixture
def osc() -> Iterator[Osc]:
    osc = Osc(Desk(Settings()), port=0)
    yield osc
    osc.close()


@pytest.fixture
def ask(osc):
    site = Site()
    add_oscquery(site, osc)
    with Preview(port=0, site=site) as preview:
        host = urlsplit(preview.url).netloc

        def ask(path: str, accept: str | None = "*/*") -> tuple[int, bytes]:
            connection = HTTPConnection(host, timeout=20)
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, content

        yield ask


def test_the_tree_and_its_nodes_are_served_with_the_newest_values(ask, osc):
    status, content = ask("/")
    assert status == 200
    assert json.loads(content)["CONTENTS"]["dream"]["CONTENTS"]["strength"]["VALUE"] == [pytest.approx(1 / 3)]
    osc.announce(Change("keyboard", ("strength",), Settings(strength=1.5)))
    assert json.loads(ask("/dream/strength?VALUE")[1]) == {"VALUE": [0.5]}
    assert json.loads(ask("/dream/strength")[1])["FULL_PATH"] == "/dream/strength"
    assert json.loads(ask("/oscquery")[1])["FULL_PATH"] == "/"
    assert ask("/dream/nothing")[0] == 404
    assert ask("/dream/record?VALUE")[0] == 204


def test_the_host_info_names_the_port(ask, osc):
    info = json.loads(ask("/?HOST_INFO")[1])
    assert info["OSC_PORT"] == osc.address[1]


def test_it_needs_the_token_unless_osc_itself_is_for_the_network(osc):
    everywhere = Osc(Desk(Settings()), "0.0.0.0", 0)
    try:
        for control, wanted in ((osc, 401), (everywhere, 200)):
            site = Site()
            add_oscquery(site, control)
            with Preview(port=0, site=site, token="k7mq-2xtp-9fhd-w3zs") as preview:
                for path in ("/", "/?HOST_INFO", "/dream/strength"):
                    connection = HTTPConnection(urlsplit(preview.url).netloc, timeout=20)
                    connection.request("GET", path, headers={"Accept": "*/*"})
                    answer = connection.getresponse()
                    assert answer.status == wanted, path
                    if path == "/?HOST_INFO" and wanted == 200:
                        assert "OSC_IP" not in json.loads(answer.read())  # at the address that was asked
                    connection.close()
    finally:
        everywhere.close()


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", None])
def test_a_browser_gets_the_page(ask, accept):
    assert b"<html" in ask("/", accept)[1].lower()
    assert json.loads(ask("/?HOST_INFO", accept)[1])["NAME"] == "livedream"
