"""MIDI learn: which setting is meant."""

import pytest

from livedream.controls.actions import Learn, Nudge
from livedream.controls.desk import Desk
from livedream.errors import UsageError
from livedream.settings import Settings
from livedream.show.learning import Learning


def test_the_setting_that_was_changed_last_is_learnt():
    desk = Desk(Settings())
    learning = Learning(desk)
    with pytest.raises(UsageError, match="no MIDI controller is heard"):
        learning.do(Learn())
    desk.can_learn = True
    with pytest.raises(UsageError, match="change a setting first"):
        learning.do(Learn())
    learning.touched(Nudge("zoom", 1))
    assert learning.do(Learn()).value == "zoom"
    assert desk.learning == "zoom"
    learning.do(Learn())
    assert desk.learning == ""
    learning.do(Learn("step_size"))
    assert desk.learning == "step_size"
    with pytest.raises(UsageError, match="no knob can play 'palette'"):
        learning.do(Learn("palette"))
    assert learning.do(Learn("step_size", "CC 3")).note == "is on CC 3"
