"""Feedback goes on whatever a value is."""

from __future__ import annotations

import queue

from livedream.controls.osc_feedback import Feedback
from livedream.controls.osc_message import messages


class Sender:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: queue.Queue[bytes] = queue.Queue()

    def sendto(self, data, peer):
        self.sent.put(data)


def test_a_scene_whose_file_name_is_no_text_ends_no_feedback():
    sender = Sender()
    feedback = Feedback(sender, lambda *_: None)
    try:
        feedback.tell([("127.0.0.1", 9001)], {"/dream/scene": "fog\udcff"})
        assert messages(sender.sent.get(timeout=30)) == [("/dream/scene", ("fog?",))]
        feedback.tell([("127.0.0.1", 9001)], {"/dream/scene": "sun"})
        assert messages(sender.sent.get(timeout=30)) == [("/dream/scene", ("sun",))]
    finally:
        feedback.close()
