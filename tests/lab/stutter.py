"""A slow component: stopped and let go again several times a second, as long as the block lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbed import Testbed


@contextmanager
def stuttering(testbed: Testbed, component: str, stop_seconds: float, go_seconds: float) -> Iterator[None]:
    """Freeze and thaw a component in turn beside the block; it is thawed in the end, whatever happens."""
    done = threading.Event()

    def stutter() -> None:
        while not done.is_set():
            testbed.freeze(component)
            done.wait(stop_seconds)
            testbed.thaw(component)
            done.wait(go_seconds)

    thread = threading.Thread(target=stutter, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        testbed.thaw(component)
