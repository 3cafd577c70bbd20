"""What turned is told at once, everything now and then, and what was not heard is told again."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from probe_sdk.resident.account import Account, Denoise
from probe_sdk.resident.outbox import SUMMARY_SECONDS
from probe_sdk.resident.teller import AGAIN_SECONDS, LOG_SECONDS, Teller, Turns
from probe_sdk.resident.told import TARGETS_PER_MESSAGE, Epoch, Pace
from probe_sdk.samples import LOG_MARK, LOGGED_FAILING, MAX_SAMPLES_BYTES, MAX_TARGET_NAME, Samples

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PACE = Pace(1.0, 1.0, 0.0)


class Ear:
    """A home that hears, or does not."""

    def __init__(self) -> None:
        self.heard: list[Samples] = []
        self.deaf = False
        self.tries = 0

    def send(self, samples: Samples) -> bool:
        self.tries += 1
        if not self.deaf:
            body = samples.model_dump_json(exclude_defaults=True)
            assert len(body.encode()) <= MAX_SAMPLES_BYTES
            self.heard.append(Samples.model_validate_json(body))
        return not self.deaf


class Desk:
    """A teller with its surroundings."""

    def __init__(self, *targets: str) -> None:
        self.accounts = {name: Account(name, Denoise(), 0.0) for name in targets}
        self.turns, self.ear = Turns(), Ear()
        self.lines: list[dict[str, Any]] = []
        self.paces = 0
        epoch = Epoch("1-a", lambda: START, lambda: 100.0)
        home: Any = self.ear
        self.teller = Teller(self.turns, epoch, home, self.accounts, self._pace, self._write, 0.0)

    def _write(self, line: str) -> None:
        assert line.startswith(LOG_MARK)
        assert "\n" not in line
        self.lines.append(json.loads(line.removeprefix(LOG_MARK)))

    def _pace(self) -> Pace:
        self.paces += 1
        return PACE

    def fail(self, target: str, why: str = "refused") -> None:
        if self.accounts[target].fail(90.0, 0.1, "Connect", why):
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
    assert desk.lines[0]["sequence"] == 2  # that of the last: read by itself it is news to whoever heard but the first


def test_where_one_message_is_not_heard_the_others_do_not_wait_for_an_answer_too() -> None:
    names = [f"t{number:04}" for number in range(3 * TARGETS_PER_MESSAGE)]
    desk = Desk(*names)
    desk.ear.deaf = True
    for name in names:
        desk.fail(name)
    desk.teller.tell(1.0)
    assert desk.ear.tries == 1
    desk.teller.tell(SUMMARY_SECONDS)
    assert desk.ear.tries == 2
    assert len(desk.lines) == 2
    desk.ear.deaf = False
    desk.teller.tell(SUMMARY_SECONDS + 1)
    assert [one.target for said in desk.ear.heard for one in said.targets] == names


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


def test_much_that_breaks_at_once_is_told_at_once_in_messages_that_are_taken() -> None:
    """A thousand targets with the longest names and reasons there are, all of which break for the same cause."""
    desk = Desk(*(f"{number:04}".ljust(MAX_TARGET_NAME, "\u00fc") for number in range(1000)))
    for name, account in desk.accounts.items():
        for class_ in range(20):
            account.lose(1.0, f"Class{class_}" * 20, "held up")
        account.pass_(80.0, 0.001)
        desk.fail(name, '"\n' * 300)
    desk.teller.tell(1.0)
    assert sum(len(said.targets) for said in desk.ear.heard) == 1000
    assert {said.round for said in desk.ear.heard} == {0}
    assert len(desk.lines) == 1
    desk.ear.heard.clear()
    desk.teller.tell(SUMMARY_SECONDS)
    assert sum(len(said.targets) for said in desk.ear.heard) == 1000
    assert [said.complete for said in desk.ear.heard] == [False] * (len(desk.ear.heard) - 1) + [True]


def test_a_message_that_is_not_heard_is_told_again_but_not_at_each_turn_of_another(desk: Desk) -> None:
    desk.ear.deaf = True
    desk.fail("a")
    desk.teller.tell(1.0)
    for hundredth in range(1, 100):
        desk.teller.tell(1.0 + hundredth / 100 * AGAIN_SECONDS)
    assert desk.ear.tries == 1
    desk.teller.tell(1.0 + AGAIN_SECONDS)
    assert desk.ear.tries == 2


def test_the_pace_is_that_of_whole_rounds(desk: Desk) -> None:
    desk.fail("a")
    desk.teller.tell(1.0)
    desk.fail("b")
    desk.teller.tell(2.0)
    assert (len(desk.ear.heard), desk.paces) == (2, 1)
    desk.teller.tell(SUMMARY_SECONDS)
    assert desk.paces == 2


def test_whoever_does_not_probe_has_nothing_to_say(desk: Desk) -> None:
    desk.fail("a")
    desk.teller.tell(SUMMARY_SECONDS, at_work=False)
    assert (desk.ear.heard, desk.lines) == ([], [])
    desk.teller.tell(2 * SUMMARY_SECONDS)
    assert [one.complete for one in desk.ear.heard] == [True]


def test_a_signal_may_come_at_any_line_of_the_tellers() -> None:
    """Its handler runs on the same thread, between any two steps of `wait`: a lock would be waited for for ever."""
    turns, frames = Turns(), 0
    account = Account("a", Denoise(), 0.0)

    def interrupted(*_: object) -> Any:
        nonlocal frames
        frames += 1
        turns.wake()
        return interrupted

    turns.put(account)
    before = sys.gettrace()
    sys.settrace(interrupted)
    try:
        turns.wait(1.0)
    finally:
        sys.settrace(before)
    assert [*turns.drain()] == ["a"]
    assert frames > 3


def test_turns_of_a_second_share_a_line_of_the_log_and_the_last_of_them_is_not_left_out() -> None:
    desk = Desk(*(str(number) for number in range(100)))
    for hundredth in range(100):
        desk.fail(str(hundredth))
        desk.teller.tell(1.0 + hundredth / 100)
    assert len(desk.lines) == 1
    for second in range(1, 5):
        desk.teller.tell(1.0 + second * LOG_SECONDS)
    assert [line["targetsFailed"] for line in desk.lines][:2] == [1, 100]
    assert len(desk.lines) <= 3
