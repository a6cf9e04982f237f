"""The base of everything that is opened and has to be closed."""

from __future__ import annotations

from typing import Self


class Resource:
    """A context manager that closes itself at the end. ``close()`` may be called twice."""

    def close(self) -> None:
        """Release what this holds. Does nothing the second time."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
