"""The guide images that a mirror has sent: its paths are its own, so nothing is looked for on this disk."""

from __future__ import annotations

import threading
from collections import OrderedDict

import cv2
import numpy as np

from livedream.dream.guides import GUIDE_PX
from livedream.errors import UsageError, quoted
from livedream.frame import Image, resize, working_size
from livedream.web.images import cleaned

#: A guide that is named is waited for so long: it comes right after the order.
_WAIT_S = 5.0
#: So many files are kept until they are asked for.
_MOST_FILES = 4


class SentGuides:
    """What a mirror sent, by the path that its settings say. Thread-safe."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._changed = threading.Condition()

    def add(self, path: str, data: bytes) -> None:
        """Keep a file, JPEG or PNG."""
        with self._changed:
            self._files[path] = data
            while len(self._files) > _MOST_FILES:
                self._files.popitem(last=False)
            self._changed.notify_all()

    def load(self, path: str) -> Image:
        """The guide image, RGB uint8, as :func:`livedream.dream.guides.load_guide`; takes half a second.

        Raises ``UsageError`` when the mirror does not send it, or what it sent is no image.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: path in self._files, _WAIT_S):
                raise UsageError(f"guide {quoted(path)}: the mirror has not sent it to the room")
            data = self._files.pop(path)
        try:
            jpeg = np.frombuffer(cleaned(data, GUIDE_PX), np.uint8)
        except UsageError as error:
            raise UsageError(f"guide {quoted(path)}: {error}") from error
        found = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert found is not None
        image = resize(found, *working_size(found.shape[1], found.shape[0], GUIDE_PX))
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
