"""Downloads from a local server: complete, interrupted, resumed, wrong, and without any internet."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from safetensors.torch import save
from torchvision import models as torchvision_models

from livedream.errors import NetworkError, OutputError, UsageError
from livedream.networks import fetching
from livedream.networks.architectures.dreamnet import DreamNet
from livedream.networks.catalogue import CLASSIFIERS, NETWORKS, find_weights, network_info
from livedream.networks.fetching import Download, fetch_weights, official_download
from livedream.networks.load import load_network


@dataclass
class Server:
    """What is served, and how badly. ``requests`` holds each request's Range header."""

    content: bytes
    url: str = ""
    break_after: int | None = None
    ranges: bool = True
    status: int = 200
    wrong_times: int = 0
    requests: list[str | None] = field(default_factory=list)

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append(asked)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if start and start >= len(self.content):
            request.send_error(416)
            return
        content = self.content[start:]
        if self.wrong_times > 0:
            self.wrong_times -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        with suppress(ConnectionError):  # whoever asked may have seen enough
            request.wfile.write(content[: self.break_after])


@pytest.fixture(scope="module")
def content() -> bytes:
    """A weight file of dreamnet: 5 MB."""
    return save(DreamNet().half().state_dict())


@pytest.fixture
def server(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(content)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        server.url = f"http://127.0.0.1:{running.server_port}/official.safetensors"
        published = Download(server.url, "sha1", hashlib.sha1(content).hexdigest())
        monkeypatch.setitem(fetching._DOWNLOADS, "dreamnet", published)
        yield server
        running.shutdown()
        thread.join()


def _part(models: Path) -> Path:
    return models.parent / "partial" / "official.safetensors"


def test_a_download_is_checked_imported_and_found(
    server: Server, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported = fetch_weights("dreamnet")
    assert imported.path == find_weights("dreamnet") == models / "dreamnet.safetensors"
    load_network("dreamnet")
    source = json.loads((models / "dreamnet.json").read_text())["imported_from"]
    assert source["url"] == server.url
    assert source["sha256"] == hashlib.sha256(server.content).hexdigest()
    assert {path.name for path in models.iterdir()} == {"dreamnet.safetensors", "dreamnet.json"}
    assert re.search(r"official\.safetensors: 100%.*MB", capsys.readouterr().err.replace("M/", "MB/"))
    assert server.requests == [None]


def test_an_interrupted_download_is_resumed(server: Server, models: Path) -> None:
    server.break_after = 1_200_000
    fetch_weights("dreamnet")
    assert server.requests == [None, "bytes=1200000-", "bytes=2400000-"]


def test_what_arrived_is_kept_for_the_next_time(server: Server, models: Path) -> None:
    server.break_after = 0
    _part(models).parent.mkdir()
    _part(models).write_bytes(server.content[:3_000_000])
    with pytest.raises(NetworkError, match=r"was interrupted after 3000000 of \d+ bytes, which are kept"):
        fetch_weights("dreamnet")
    assert _part(models).stat().st_size == 3_000_000
    server.break_after = None
    fetch_weights("dreamnet")
    assert server.requests == ["bytes=3000000-", "bytes=3000000-"]


def test_a_server_that_cannot_resume_is_asked_for_the_whole_file(server: Server, models: Path) -> None:
    server.ranges = False
    _part(models).parent.mkdir()
    _part(models).write_bytes(b"of another version" * 1000)
    fetch_weights("dreamnet")
    assert len(server.requests) == 1


def test_a_server_that_always_stops_at_the_same_byte_is_given_up(server: Server, models: Path) -> None:
    server.ranges, server.break_after = False, 1_000_000
    with pytest.raises(NetworkError, match="was interrupted after 1000000 of"):
        fetch_weights("dreamnet")
    assert len(server.requests) == 2


def test_a_part_that_is_already_complete_is_only_checked(server: Server, models: Path) -> None:
    _part(models).parent.mkdir()
    _part(models).write_bytes(server.content)
    fetch_weights("dreamnet")
    assert len(server.requests) == 1


@pytest.mark.parametrize("left", [b"rubbish", b"rubbish" * 1_000_000], ids=["short", "too long"])
def test_a_damaged_part_is_removed_and_fetched_again(server: Server, models: Path, left: bytes) -> None:
    _part(models).parent.mkdir()
    _part(models).write_bytes(left)
    fetch_weights("dreamnet")
    assert server.requests == [f"bytes={len(left)}-", None]


def test_a_wrong_hash_is_tried_once_more_and_never_imported(server: Server, models: Path) -> None:
    server.wrong_times = 1
    fetch_weights("dreamnet")
    server.wrong_times = 2
    with pytest.raises(NetworkError, match=r"it has sha1 [0-9a-f]{40}, expected [0-9a-f]{40}"):
        fetch_weights("dreamnet", force=True)
    assert not _part(models).exists()
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_comes_with_what_to_do_instead(server: Server, models: Path, status: int) -> None:
    server.status = status
    with pytest.raises(NetworkError, match=rf"HTTP Error {status}.*models import official\.safetensors --as"):
        fetch_weights("dreamnet")
    assert len(server.requests) == 1


def test_without_a_connection_the_error_says_what_to_copy_where(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    url = "http://127.0.0.1:9/official.caffemodel"  # the port where everything is thrown away: nobody listens
    monkeypatch.setitem(fetching._DOWNLOADS, "bvlc_googlenet", Download(url, "sha1", "00"))
    with pytest.raises(NetworkError) as caught:
        fetch_weights("bvlc_googlenet")
    text = str(caught.value)
    assert "bvlc_googlenet could not be downloaded" in text
    assert (
        "copy the file here, and run: livedream models import official.caffemodel --as bvlc_googlenet" in text
    )
    assert "\n" not in text
    assert "urlopen" not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is full")
def test_a_full_disk_is_not_taken_for_a_broken_connection(server: Server, models: Path) -> None:
    _part(models).parent.mkdir()
    _part(models).symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"cannot write .*official\.safetensors: .*No space left"):
        fetch_weights("dreamnet")
    _part(models).unlink()
    _part(models).parent.rmdir()
    _part(models).parent.touch()
    with pytest.raises(OutputError, match="cannot write to the folder"):
        fetch_weights("dreamnet")


def test_an_enormous_answer_is_refused(server: Server, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LARGEST_BYTES", 1000)
    with pytest.raises(NetworkError, match=r"it has \d+ bytes; possible: 1000"):
        fetch_weights("dreamnet")
    assert not _part(models).exists()


def test_what_is_there_is_not_downloaded_again(server: Server, models: Path) -> None:
    (models / "dreamnet.safetensors").touch()
    with pytest.raises(OutputError, match="already exists; --force replaces it"):
        fetch_weights("dreamnet")
    assert not server.requests


def test_what_cannot_be_downloaded_is_refused(models: Path) -> None:
    with pytest.raises(UsageError, match="dreamnet cannot be downloaded; it comes with livedream"):
        fetch_weights("dreamnet")
    with pytest.raises(UsageError, match="unknown network 'x'"):
        fetch_weights("x")


def test_downloads_are_the_official_ones() -> None:
    caffe = official_download(network_info("bvlc_googlenet"))
    assert caffe.url == "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
    for info in (*NETWORKS.values(), *CLASSIFIERS.values()):
        if info.provider == "torchvision":
            published = official_download(info)
            urls = {weights.url for weights in torchvision_models.get_model_weights(info.name)}
            assert published.url in urls
            assert published.file_name == info.weights_file
            assert f"-{published.digest}.pth" in published.url
