"""Downloads a network's weights from their official place, checks them, and imports them.

What arrives lies in ``models/partial/`` until it is whole, so that a download that breaks off goes on where
it was, now or the next time.
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
from livedream.networks.catalogue import NetworkInfo, imported_weights, network_info
from livedream.networks.importing import Imported, file_hash, import_weights, require_room
from livedream.networks.weights import LARGEST_BYTES

_TIMEOUT_S = 30.0
_CHUNK = 2**16


@dataclass(frozen=True)
class Place:
    """Where a weight file is published, and how its hash (hexadecimal) begins."""

    url: str
    algorithm: str
    digest: str

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


# The address and hash that BVLC/caffe publishes in models/bvlc_googlenet/readme.md.
_PLACES = {
    "bvlc_googlenet": Place(
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        "sha1",
        "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    )
}


def official_place(info: NetworkInfo) -> Place:
    """Where a network's weights come from.

    torchvision's files have the start of their SHA-256 in their names.
    Raises ``UsageError`` for a network that is nowhere to be downloaded.
    """
    if info.name in _PLACES:
        return _PLACES[info.name]
    digest = re.fullmatch(r".*-([0-9a-f]{8,})\.pth", info.weights_file)
    if digest is None:
        raise UsageError(f"{info.name} is not for download; {info.how_to_get}")
    return Place(f"https://download.pytorch.org/models/{info.weights_file}", "sha256", digest[1])


def fetch_weights(name: str, *, force: bool = False) -> Imported:
    """Download the weights of the network called ``name`` and import them as ``models/NAME.safetensors``.

    Raises ``UsageError`` for a network that is unknown or not for download, ``NetworkError`` when it cannot
    be had (and says what to copy where), ``OutputError`` when it is there already (unless ``force``) or
    cannot be written.
    """
    place = official_place(network_info(name))
    require_room(name, force=force)
    part = imported_weights(name).parent / "partial" / place.file_name
    try:
        _download_checked(place, part)
    except (NetworkError, OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise NetworkError(
            f"{name} could not be downloaded from {place.url}: {reason}; where there is internet, download"
            f" that address, copy the file here, and run: live.py models import {place.file_name} --as {name}"
        ) from error
    imported = import_weights(part, name, force=force, url=place.url)
    part.unlink()
    with suppress(OSError):  # other downloads may be waiting in there
        part.parent.rmdir()
    return imported


def _download_checked(place: Place, part: Path) -> None:
    """Download until the hash is right: a second time from the start when it was wrong."""
    for _ in range(2):
        _download(place, part)
        found = file_hash(part, place.algorithm)
        if found.startswith(place.digest):
            return
        part.unlink()
    raise NetworkError(f"it came with {place.algorithm} {found}, and should have {place.digest}")


def _download(place: Place, part: Path) -> None:
    """Download what is missing of a file, for as long as each attempt brings something."""
    most = _size(part)
    while True:
        try:
            return _go_on(place, part)
        except (OSError, http.client.HTTPException):
            if _size(part) <= most:
                raise
            most = _size(part)


def _go_on(place: Place, part: Path) -> None:
    """One attempt: from where ``part`` ends, or from the start when the server cannot do that."""
    start = _size(part)
    request = urllib.request.Request(place.url, headers={"User-Agent": "livedream"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return  # there is nothing after the part: it is whole, or wrong, and its hash will tell
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        total = None if response.length is None else start + response.length
        if total is not None and total > LARGEST_BYTES:
            raise NetworkError(f"it has {total} bytes; possible: {LARGEST_BYTES}")
        with _writing(part):
            part.parent.mkdir(exist_ok=True)
            file = part.open("ab" if start else "wb", buffering=0)
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=place.file_name)
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
            f"it broke off after {bar.n} of {total} bytes, which are kept for the next time"
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a disk that fails from a connection that does: both are OSErrors."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
