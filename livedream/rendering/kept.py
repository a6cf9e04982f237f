"""The folder of a render's finished shots: whoever gives the same command again goes on with them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livedream.errors import OutputError, UsageError, quoted
from livedream.files import replace_file

_MANIFEST = "manifest.json"
#: How many differences a message names.
_NAMED = 3


class Kept:
    """The files of a render to ``output``, in ``OUTPUT.parts`` beside it.

    ``render`` says what is rendered, and how; each value is anything that JSON holds. Raises ``UsageError``
    when the folder has shots of another render, ``OutputError`` when it cannot be written.
    """

    def __init__(self, output: Path, render: Mapping[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.parts")
        self._render = json.loads(json.dumps(render))
        self._hashes: dict[str, str] = {}
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {self.folder}: {error.strerror}") from error
        before = self._read()
        if before is None:
            self._write()
            return
        different = _differences(before["render"], self._render)
        if different:
            raise UsageError(
                f"{self.folder} has the shots of another render ({'; '.join(different[:_NAMED])});"
                " possible: the same settings again, another output, or remove that folder"
            )
        self._hashes = dict(before["files"])

    def path(self, name: str) -> Path:
        """Where the file of this name is, or would be."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether a file was finished, and still is what was written."""
        try:
            return name in self._hashes and _sha256(self.path(name).read_bytes()) == self._hashes[name]
        except OSError:
            return False

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Write files that belong together: after a crash all of them are kept, or none."""
        for name, content in files.items():
            replace_file(self.path(name), content)
            self._hashes[name] = _sha256(content)
        self._write()

    def read(self, name: str) -> bytes:
        """The content of a file. Raises ``OutputError``."""
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise OutputError(f"cannot read {self.path(name)}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the folder: the video is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> Any:
        path = self.path(_MANIFEST)
        try:
            found = json.loads(path.read_text("utf-8"))
            if isinstance(found["render"], dict) and isinstance(found["files"], dict):
                return found
        except FileNotFoundError:
            if all(path.name.startswith(".") for path in self.folder.iterdir()):  # ended before it began
                return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise UsageError(
            f"{self.folder} is not a folder of finished shots (its {_MANIFEST} cannot be read); possible:"
            " another output, or remove that folder"
        )

    def _write(self) -> None:
        content = {"render": self._render, "files": self._hashes}
        replace_file(self.path(_MANIFEST), json.dumps(content, indent=1).encode())


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {quoted(before.get(name))}, now {quoted(now.get(name))}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
