"""Resources close themselves, also after an error."""

import pytest

from livedream.resource import Resource


class Door(Resource):
    closed = 0

    def close(self):
        self.closed += 1


def test_leaving_the_block_closes_it():
    with Door() as door:
        assert not door.closed
    assert door.closed == 1


def test_an_error_closes_it_and_goes_on():
    door = Door()
    with pytest.raises(ValueError, match="draught"), door:
        raise ValueError("draught")
    assert door.closed == 1
