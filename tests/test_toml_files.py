"""Files that people write: whatever is wrong with one is told in a line."""

import pytest

from livedream.errors import UnreadableError
from livedream.toml_files import read_toml


def test_a_file_that_is_not_there_is_told_without_a_number(tmp_path):
    path = tmp_path / "set.toml"
    with pytest.raises(UnreadableError) as raised:
        read_toml(path, "cue list")
    assert str(raised.value) == f"cue list {path}: cannot be read: No such file or directory"
