"""Downloads a network's weights from their official address, checks them, and imports them.

Until a file is complete it is kept in the user's cache, so that an interrupted download is resumed, now or
the next time.
"""

from __future__ import annotations

import http
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from livedream.errors import NetworkError, OutputError, UsageError
from livedream.files import file_hash
from livedream.networks.catalogue import LARGEST_BYTES, NetworkInfo, network_info
from livedream.networks.importing import Imported, import_weights, require_importable
from livedream.places import create, downloads_dir

_TIMEOUT_S = 30.0
_CHUNK = 2**16


@dataclass(frozen=True)
class Download:
    """Where a weight file is published, and the beginning of its hash (hexadecimal)."""

    url: str
    algorithm: str
    digest: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


# The address and hash that BVLC/caffe publishes in models/bvlc_googlenet/readme.md.
_DOWNLOADS = {
    "bvlc_googlenet": Download(
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "sha1",
        "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    )
}


def official_download(info: NetworkInfo) -> Download:
    """Where a network's weights are published.

    torchvision's files have the start of their SHA-256 in their names.
    Raises ``UsageError`` for a network that cannot be downloaded anywhere.
    """
    if info.name in _DOWNLOADS:
        return _DOWNLOADS[info.name]
    digest = re.fullmatch(r".*-([0-9a-f]{8,})\.pth", info.weights_file)
    if digest is None:
        raise UsageError(f"{info.name} cannot be downloaded; {info.how_to_get}")
    return Download(f"https://download.pytorch.org/models/{info.weights_file}", "sha256", digest[1])


def fetch_weights(name: str, *, force: bool = False) -> Imported:
    """Download the weights of the network called ``name`` and import them as ``NAME.safetensors``.

    Raises ``UsageError`` for a network that is unknown or not published, ``NetworkError`` when the download
    fails (and says what to copy where), ``OutputError`` when the network is already installed (unless
    ``force``) or cannot be written, and ``MissingPackageError`` without PyTorch.
    """
    source = official_download(network_info(name))
    require_importable(name, force=force)
    part = create(downloads_dir()) / source.file_name
    try:
        _download_checked(source, part)
    except (NetworkError, OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise NetworkError(
            f"{name} could not be downloaded from {source.url}: {reason}; download that address on a machine"
            f" with internet, copy the file here, and run: livedream models import {source.file_name}"
            f" --as {name}"
        ) from error
    imported = import_weights(part, name, force=force, url=source.url)
    part.unlink()
    with suppress(OSError):  # other downloads may be waiting in there
        part.parent.rmdir()
    return imported


def _download_checked(source: Download, part: Path) -> None:
    """Download until the hash is right: a second time from the start when it was wrong."""
    for _ in range(2):
        _download(source, part)
        found = file_hash(part, source.algorithm)
        if found.startswith(source.digest):
            return
        part.unlink()
    raise NetworkError(f"it has {source.algorithm} {found}, expected {source.digest}")


def _download(source: Download, part: Path) -> None:
    """Download what is missing of a file, trying again for as long as each attempt brings some of it."""
    largest = _size(part)
    while True:
        try:
            return _resume(source, part)
        except (OSError, http.client.HTTPException):
            if _size(part) <= largest:
                raise
            largest = _size(part)


def _resume(source: Download, part: Path) -> None:
    """One attempt, from where ``part`` ends, or from the start when the server cannot resume."""
    start = _size(part)
    request = urllib.request.Request(source.url, headers={"User-Agent": "livedream"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return  # nothing follows the part: it is complete or wrong, as its hash will tell
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        total = None if response.length is None else start + response.length
        if total is not None and total > LARGEST_BYTES:
            raise NetworkError(f"it has {total} bytes; possible: {LARGEST_BYTES}")
        with _writing(part):
            file = part.open("ab" if start else "wb", buffering=0)
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=source.file_name)
        with file, bar:
            while chunk := response.read(_CHUNK):
                with _writing(part):
                    if file.write(chunk) < len(chunk):
                        raise OSError("the disk is full")
                bar.update(len(chunk))
                if bar.n > LARGEST_BYTES:
                    raise NetworkError(f"it has more than {LARGEST_BYTES} bytes")
    if total is not None and bar.n < total:
        raise ConnectionError(
            f"it was interrupted after {bar.n} of {total} bytes, which are kept for the next time"
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a failing disk from a failing connection: both are OSErrors."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
