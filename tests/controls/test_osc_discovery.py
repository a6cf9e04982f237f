"""OSC announced by mDNS, and found by another program on this machine."""

from __future__ import annotations

import secrets
import time

import pytest

from livedream.controls.osc_discovery import OSC, OSCQUERY, Announcement

zeroconf = pytest.importorskip("zeroconf", reason="needs the extra mdns")


@pytest.fixture
def browser():
    try:
        browser = zeroconf.Zeroconf()
    except OSError as error:
        pytest.skip(f"no multicast here: {error}")
    yield browser
    browser.close()


def test_both_ports_are_found_and_taken_back(browser):
    name = f"livedream test {secrets.token_hex(4)}"
    announced = Announcement(9000, 8400, name)
    try:
        end, found = time.monotonic() + 20, {}
        while len(found) < 2 and time.monotonic() < end:
            for kind in (OSC, OSCQUERY):
                info = browser.get_service_info(kind, f"{name}.{kind}", timeout=500)
                found |= {kind: info.port} if info else {}
    finally:
        announced.close()
        announced.close()
    if not found:
        pytest.skip("no multicast here: nothing is heard")
    assert found == {OSC: 9000, OSCQUERY: 8400}


def test_closing_at_once_is_harmless(browser, caplog):
    announced = Announcement(9000, 0, "livedream test")
    announced.close()
    announced._thread.join(20)
    assert not announced._thread.is_alive()
    assert not caplog.records
