"""Opened graphs are held within bounds, and the ones unused for the longest go."""

from __future__ import annotations

import threading

from livedream.networks.graphs import GraphSpec
from livedream.runtimes.store import OpenedGraph, SessionStore
from tests.runtimes.conftest import FakeSession


def spec(width):
    return GraphSpec("dreamnet", "textures"), (width, 48)


def opened(runtime="a", size_bytes=10):
    return OpenedGraph(FakeSession(runtime), runtime, size_bytes)


def widths(store):
    return [size[0] for _, size in store.opened()]


def test_the_one_unused_for_the_longest_makes_room():
    store = SessionStore(most_sessions=2)
    store.add(spec(1), opened())
    store.add(spec(2), opened())
    assert store.use(spec(1)) is not None
    store.add(spec(3), opened())
    assert widths(store) == [1, 3]
    assert store.use(spec(2)) is None


def test_bytes_have_a_bound_too():
    store = SessionStore(most_bytes=25)
    for width in (1, 2, 3):
        store.add(spec(width), opened(size_bytes=10))
    assert widths(store) == [2, 3]


def test_a_graph_larger_than_the_bound_is_held_alone():
    store = SessionStore(most_bytes=25)
    store.add(spec(1), opened())
    store.add(spec(2), opened(size_bytes=100))
    assert widths(store) == [2]


def test_a_glance_makes_none_the_latest():
    store = SessionStore(most_sessions=2)
    store.add(spec(1), opened("a"))
    store.add(spec(2), opened("b"))
    assert store.peek(spec(1)).runtime == "a"
    assert store.peek(spec(3)) is None
    assert widths(store) == [1, 2]


def test_a_runtimes_sessions_are_closed_together():
    store = SessionStore()
    store.add(spec(1), opened("a"))
    store.add(spec(2), opened("b"))
    store.remove_runtime("a")
    assert widths(store) == [2]


def test_threads_do_not_disturb_each_other():
    store = SessionStore(most_sessions=4)
    failures = []

    def work(start):
        try:
            for width in range(start, start + 300):
                store.add(spec(width % 7), opened())
                store.use(spec((width + 1) % 7))
                store.remove_runtime("b")
                assert len(store.opened()) <= 4
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
