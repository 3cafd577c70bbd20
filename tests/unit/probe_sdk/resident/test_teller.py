"""What turned is told at once, everything now and then, and what was not heard is told again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from probe_sdk.resident.account import Account, Denoise
from probe_sdk.resident.outbox import SUMMARY_SECONDS
from probe_sdk.resident.teller import Teller, Turns
from probe_sdk.resident.told import TARGETS_PER_MESSAGE, Epoch, Pace
from probe_sdk.samples import (
    LOG_MARK,
    LOGGED_FAILING,
    MAX_CLASS,
    MAX_MESSAGE,
    MAX_SAMPLES_BYTES,
    MAX_TARGET_NAME,
    Samples,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PACE = Pace(1.0, 1.0, 0.0)


class Ear:
    """A home that hears, or does not."""

    def __init__(self) -> None:
        self.heard: list[Samples] = []
        self.asked = 0
        self.deaf = False

    def send(self, samples: Samples) -> bool:
        self.asked += 1
        if not self.deaf:
            self.heard.append(Samples.model_validate_json(samples.model_dump_json(exclude_defaults=True)))
        return not self.deaf


class Desk:
    """A teller with its surroundings."""

    def __init__(self, *targets: str) -> None:
        self.accounts = {name: Account(name, Denoise(), 0.0) for name in targets}
        self.turns, self.ear = Turns(), Ear()
        self.lines: list[dict[str, Any]] = []
        epoch = Epoch("1-a", lambda: START, lambda: 100.0)
        home: Any = self.ear
        self.teller = Teller(self.turns, epoch, home, self.accounts, lambda: PACE, self._write, 0.0)

    def _write(self, line: str) -> None:
        assert line.startswith(LOG_MARK)
        assert "\n" not in line
        self.lines.append(json.loads(line.removeprefix(LOG_MARK)))

    def fail(self, target: str) -> None:
        if self.accounts[target].fail(90.0, 0.1, "Connect", "refused"):
            self.turns.put(self.accounts[target])


@pytest.fixture
def desk() -> Desk:
    return Desk("a", "b")


def test_a_turn_is_told_at_once_with_all_that_is_known_of_the_target(desk: Desk) -> None:
    desk.teller.tell(1.0)
    desk.fail("a")
    desk.teller.tell(1.1)
    (said,) = desk.ear.heard
    (target,) = said.targets
    assert (said.sequence, said.round, said.complete, said.of) == (1, 0, False, 2)
    assert (target.target, target.verdict, target.failed, target.message) == ("a", "Failed", 1, "refused")
    assert target.since == START.replace(hour=11, minute=59, second=50)
    told = desk.lines[0]["notPassed"][0]
    assert (told["target"], told["verdict"], told["message"]) == ("a", "Failed", "refused")


def test_everything_is_told_at_its_time_in_as_many_messages_as_it_takes() -> None:
    desk = Desk(*(f"t{number:04}" for number in range(TARGETS_PER_MESSAGE + 1)))
    desk.teller.tell(SUMMARY_SECONDS)
    assert [(one.round, one.complete, len(one.targets)) for one in desk.ear.heard] == [
        (1, False, TARGETS_PER_MESSAGE),
        (1, True, 1),
    ]
    assert len(desk.lines) == 1
    assert len(desk.lines[0]["notPassed"]) == LOGGED_FAILING
    assert desk.lines[0]["more"] == TARGETS_PER_MESSAGE + 1 - LOGGED_FAILING


def test_all_may_turn_at_once_and_are_told_in_as_many_messages_as_it_takes() -> None:
    names = [f"t{number:04}" for number in range(TARGETS_PER_MESSAGE + 1)]
    desk = Desk(*names)
    for name in names:
        desk.fail(name)
    desk.teller.tell(1.0)
    assert [len(one.targets) for one in desk.ear.heard] == [TARGETS_PER_MESSAGE, 1]
    assert [one.target for said in desk.ear.heard for one in said.targets] == names
    assert len(desk.lines) == 1
    assert desk.lines[0]["sequence"] == 1


def test_where_one_message_is_not_heard_the_others_do_not_wait_for_an_answer_too() -> None:
    names = [f"t{number:04}" for number in range(3 * TARGETS_PER_MESSAGE)]
    desk = Desk(*names)
    desk.ear.deaf = True
    for name in names:
        desk.fail(name)
    desk.teller.tell(1.0)
    assert desk.ear.asked == 1
    desk.teller.tell(SUMMARY_SECONDS)
    assert desk.ear.asked == 2
    assert len(desk.lines) == 2
    desk.ear.deaf = False
    desk.teller.tell(SUMMARY_SECONDS + 1)
    assert [one.target for said in desk.ear.heard for one in said.targets] == names


def test_as_many_targets_as_are_in_a_message_fit_into_it_whatever_they_say() -> None:
    names = [f"{number:03}" + "n" * (MAX_TARGET_NAME - 3) for number in range(TARGETS_PER_MESSAGE)]
    desk = Desk(*names)
    for account in desk.accounts.values():
        account.buckets = [10_000_000] * len(account.buckets)
        for class_ in range(20):
            account.fail(90.0, 0.1, f"{class_:02}" + "c" * MAX_CLASS, "m" * MAX_MESSAGE)
        account.classes = dict.fromkeys(account.classes, 10_000_000)
    desk.teller.tell(SUMMARY_SECONDS)
    (said,) = desk.ear.heard
    assert MAX_SAMPLES_BYTES / 2 < len(said.model_dump_json(exclude_defaults=True)) <= MAX_SAMPLES_BYTES


def test_a_prober_without_targets_says_so(desk: Desk) -> None:
    desk.accounts.clear()
    desk.teller.tell(SUMMARY_SECONDS)
    (said,) = desk.ear.heard
    assert (said.targets, said.of, said.complete) == ((), 0, True)


def test_what_was_not_heard_is_told_again_and_logged_once(desk: Desk) -> None:
    desk.ear.deaf = True
    desk.fail("a")
    desk.teller.tell(1.0)
    desk.teller.tell(2.0)
    assert len(desk.lines) == 1
    desk.ear.deaf = False
    desk.fail("b")
    desk.teller.tell(3.0)
    (said,) = desk.ear.heard
    assert [one.target for one in said.targets] == ["a", "b"]
    desk.teller.tell(4.0)
    assert len(desk.ear.heard) == 1


def test_a_summary_that_was_heard_covers_what_was_not(desk: Desk) -> None:
    desk.ear.deaf = True
    desk.fail("a")
    desk.teller.tell(1.0)
    desk.ear.deaf = False
    desk.teller.tell(SUMMARY_SECONDS)
    desk.teller.tell(SUMMARY_SECONDS + 1)
    assert [one.complete for one in desk.ear.heard] == [True]


def test_a_target_that_is_gone_is_not_told_of(desk: Desk) -> None:
    desk.ear.deaf = True
    desk.fail("a")
    desk.teller.tell(1.0)
    del desk.accounts["a"]
    desk.ear.deaf = False
    desk.teller.tell(2.0)
    assert [one.target for said in desk.ear.heard for one in said.targets] == []
