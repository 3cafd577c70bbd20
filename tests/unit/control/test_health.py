"""What a restart would mend, and what it would not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from kubeprobe.control.context import Kind, Work
from kubeprobe.control.health import DEAF_SECONDS, ELECTION_SECONDS, STUCK_SECONDS, SYNC_SECONDS, OperatorHealth, Sync
from kubeprobe.control.queue import WorkQueue


@dataclass
class Watch:
    heard_at: float = 0.0
    turned_at: float = 0.0


class Election:
    identity = "this"
    holder = "another"
    idle = 0.0

    def idle_seconds(self) -> float:
        return self.idle

    def leads(self) -> bool:
        return False


class Site:
    def __init__(self) -> None:
        self.now = 0.0
        self.queue: WorkQueue[Work] = WorkQueue(lambda: self.now)
        self.sync, self.watch, self.election = Sync(), Watch(), Election()
        election: Any = self.election
        watches: Any = [self.watch]
        self.health = OperatorHealth(self.queue, election, self.sync, lambda: watches, lambda: self.now, 0.0)

    def failing(self) -> set[str]:
        return {check.name for check in self.health.live() if not check.ok}


def test_a_new_process_has_time_to_see_everything() -> None:
    site = Site()
    assert site.failing() == set()
    assert not site.health.ready()[0].ok
    site.now = site.watch.turned_at = SYNC_SECONDS
    assert site.failing() == {"views"}
    site.sync.done.set()
    assert site.failing() == set()
    assert site.health.ready()[0].ok


def test_a_key_that_nobody_works_on_is_found() -> None:
    site = Site()
    site.queue.add((Kind.RUN, ("a", "b")))
    site.now = STUCK_SECONDS - 1
    assert site.failing() == set()
    site.now = STUCK_SECONDS + 1
    assert "scheduling" in site.failing()


@pytest.mark.parametrize(("heard", "turned", "deaf"), [(0, 0, True), (10, 0, False), (0, 10, False)])
def test_a_watch_that_neither_hears_nor_asks_hangs(heard: float, turned: float, deaf: bool) -> None:
    site = Site()
    site.watch.heard_at, site.watch.turned_at, site.now = heard, turned, DEAF_SECONDS + 5
    assert ("watches" in site.failing()) is deaf


def test_an_election_that_nobody_thinks_about_is_found_once_there_is_one() -> None:
    site = Site()
    site.election.idle = ELECTION_SECONDS
    assert site.failing() == set()
    site.sync.done.set()
    assert site.failing() == {"election"}
    assert "another leads" in site.health.ready()[1].detail
