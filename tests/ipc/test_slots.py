"""A slot hands over the newest value only, whatever its writer or reader does."""

from __future__ import annotations

import errno
import mmap
import multiprocessing
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from livedream.errors import OutputError
from livedream.ipc import abandoned, slots
from livedream.ipc.slots import NAME, Slot, slot_bytes, slot_capacity


def test_an_empty_slot_has_nothing():
    with Slot.create(100) as slot:
        assert slot.read() is None
        assert slot.wait(0, 0.0) is None
        assert slot.seq == 0


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32"])
def test_a_value_comes_back_as_it_was_published(dtype):
    array = np.arange(24).reshape(2, 4, 3).astype(dtype)
    with Slot.create(1000) as slot:
        slot.publish(array, index=7, time_s=1.5)
        value = slot.read()
        assert value is not None
        assert (value.seq, value.index, value.time_s, value.array.dtype) == (1, 7, 1.5, array.dtype)
        np.testing.assert_array_equal(value.array, array)


def test_only_the_newest_is_read_and_only_once():
    with Slot.create(100) as slot:
        for n in range(5):
            slot.publish(np.full(3, n, np.uint8))
        value = slot.read()
        assert value is not None
        assert value.array.tolist() == [4, 4, 4]
        assert slot.read(value.seq) is None


def test_a_reader_keeps_its_copy():
    with Slot.create(100) as slot:
        slot.publish(np.zeros(3, np.uint8))
        value = slot.read()
        for n in range(1, 7):
            slot.publish(np.full(3, n, np.uint8))
        assert value is not None
        assert value.array.tolist() == [0, 0, 0]


def test_a_residual_names_its_order_and_its_crop():
    with Slot.create(100) as slot:
        slot.publish(np.zeros(3, np.uint8), order=7, aspect=16 / 9)
        value = slot.read()
        assert value is not None
        assert (value.order, value.aspect) == (7, 16 / 9)
        slot.publish(np.zeros(3, np.uint8))
        value = slot.read()
        assert value is not None
        assert (value.order, value.aspect) == (0, None)


@pytest.mark.parametrize(
    "array", [np.zeros(101, np.uint8), np.zeros(3, np.int64), np.zeros((1,) * 5, np.uint8)]
)
def test_what_does_not_fit_is_refused_and_the_old_value_stays(array):
    with Slot.create(100) as slot:
        slot.publish(np.ones(3, np.uint8))
        with pytest.raises(ValueError, match="cannot hold"):
            slot.publish(array)
        value = slot.read()
        assert value is not None
        assert value.array.tolist() == [1, 1, 1]


def test_a_write_that_was_broken_off_is_never_believed():
    with Slot.create(100) as slot:
        slot.publish(np.ones(3, np.uint8))
        slot.publish(np.full(3, 2, np.uint8))
        slot._heads[2][1] = 0  # the writer was killed before it stamped the end of write 2
        assert slot.read() is None


def test_an_unknown_name_says_so():
    with pytest.raises(FileNotFoundError):
        Slot("no_such_slot_of_livedream")


def test_closing_twice_is_allowed():
    slot = Slot.create(10)
    slot.close()
    slot.close()


def test_no_value_is_torn_while_a_writer_runs_at_full_speed():
    with Slot.create(30_000) as slot:
        stop = threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n = (n + 1) % 250
                slot.publish(np.full(30_000, n, np.uint8), index=n)

        writer = threading.Thread(target=write)
        writer.start()
        seen = 0
        try:
            last = 0
            while seen < 300:
                value = slot.read(last)
                if value is not None:
                    last, seen = value.seq, seen + 1
                    assert (value.array == value.index).all()
        finally:
            stop.set()
            writer.join()


def _child(name: str) -> None:
    slot = Slot(name)
    slot.publish(np.full((2, 2), 9, np.uint8), index=1)
    slot.close()


def test_a_spawned_process_writes_and_its_end_leaves_the_slot():
    with Slot.create(100) as slot:
        process = multiprocessing.get_context("spawn").Process(target=_child, args=(slot.name,))
        process.start()
        process.join()
        value = slot.read()
        assert value is not None
        assert value.array.tolist() == [[9, 9], [9, 9]]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; possible: .*ulimit -n"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "possible: mount a tmpfs on /dev/shm"),
        (MemoryError(), "out of memory; possible: .*ulimit -v"),
    ],
)
def test_a_system_without_shared_memory_is_said_in_one_line(monkeypatch, error, said):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(slots, "SharedMemory", refuse)
    with pytest.raises(OutputError, match=rf"^no shared memory of 0.3 MB: .*{said}"):
        Slot.create(100_000)


@pytest.mark.parametrize("memory_bytes", [100_000, 1_000_001, 7_864_320])
def test_the_largest_slot_for_some_memory_fits_and_a_larger_one_would_not(memory_bytes):
    capacity = slot_capacity(memory_bytes)
    assert slot_bytes(capacity) <= memory_bytes
    assert slot_bytes(capacity + mmap.PAGESIZE) > memory_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere shared memory is no file")
def test_only_memory_whose_owner_is_gone_is_freed(monkeypatch):
    monkeypatch.setattr(abandoned, "_YOUNG_S", 0.0)
    left = Path("/dev/shm") / f"{NAME}-test-abandoned"
    left.write_bytes(b"what a killed mirror left")
    with Slot.create(1024) as slot:
        assert left.name in abandoned.free_abandoned(NAME)
        assert not left.exists()
        assert (Path("/dev/shm") / slot.name).exists()
        with Slot(slot.name) as reader:
            assert reader.seq == 0


def test_a_cell_that_two_writers_have_mixed_up_is_not_read():
    with Slot.create(4096) as slot, Slot(slot.name) as other:
        slot.publish(np.zeros((4, 6, 3), np.uint8))
        other._heads[1][4] = 12  # nbytes of another picture
        assert slot.read() is None
        slot.publish(np.ones((2, 2, 3), np.uint8))
        assert slot.read().array.shape == (2, 2, 3)
