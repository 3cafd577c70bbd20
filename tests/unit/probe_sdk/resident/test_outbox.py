"""Turns are told at once, a target that flaps costs a bounded number of messages, and a summary covers it all."""

from __future__ import annotations

from probe_sdk.resident.outbox import PAUSE_SECONDS, SUMMARY_SECONDS, TURNS_AT_ONCE, Outbox, Told


def test_turns_of_one_moment_are_told_together() -> None:
    outbox = Outbox(0.0)
    assert outbox.take(1.0) is None
    assert outbox.turned("a", 1.0)
    assert outbox.turned("b", 1.0)
    assert outbox.take(1.0) == Told(("a", "b"), everything=False)
    assert outbox.take(1.0) is None


def test_a_summary_covers_the_turns_and_comes_at_its_times() -> None:
    outbox = Outbox(0.0)
    outbox.turned("a", 9.99)
    assert outbox.take(SUMMARY_SECONDS) == Told((), everything=True)
    assert outbox.take(SUMMARY_SECONDS) is None
    assert outbox.next_at() == 2 * SUMMARY_SECONDS
    assert outbox.take(SUMMARY_SECONDS * 7.5) == Told((), everything=True)
    assert outbox.next_at() == 8 * SUMMARY_SECONDS


def test_a_target_that_flaps_waits_for_the_summaries_and_no_other_does() -> None:
    outbox, told = Outbox(0.0), 0
    for tenth in range(3000):
        now = tenth / 10
        told += outbox.turned("flapping", now)
        outbox.take(now)
    assert TURNS_AT_ONCE <= told <= TURNS_AT_ONCE + 300 / 30 + 1
    assert outbox.turned("other", 300.0)


def test_what_breaks_one_after_the_other_is_told_in_few_messages_and_the_first_at_once() -> None:
    outbox, told, targets = Outbox(0.0), 0, 0
    for hundredth in range(100):
        now = 1.0 + hundredth / 100
        outbox.turned(f"t{hundredth}", now)
        if said := outbox.take(now):
            told, targets = told + 1, targets + len(said.targets)
            assert hundredth or said.targets == ("t0",)
    assert outbox.next_at() <= 2.0 + PAUSE_SECONDS
    rest = outbox.take(outbox.next_at())
    assert rest is not None
    assert targets + len(rest.targets) == 100
    assert told + 1 <= 1.0 / PAUSE_SECONDS + 2


def test_targets_that_are_gone_cost_no_memory() -> None:
    outbox = Outbox(0.0)
    for name in "abc":
        outbox.turned(name, 1.0)
    outbox.keep({"b"})
    assert list(outbox._tokens) == ["b"]
