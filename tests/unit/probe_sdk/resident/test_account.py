"""A target's verdict turns by its thresholds, and nothing of the prober's own makes it a failure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe_sdk.resident.account import BOUNDS_SECONDS, MAX_CLASSES, OTHER, Account, Denoise, Verdict
from probe_sdk.resident.told import Epoch, Pace, log_line
from probe_sdk.samples import MAX_CLASS


def account(**denoise: float) -> Account:
    return Account("a", Denoise(**denoise), 0.0)  # type: ignore[arg-type]


def told(subject: Account, ends: Iterable[str]) -> list[str]:
    """The verdicts after each of the ends: p passed, f failed, u unknown."""
    verdicts = []
    for now, end in enumerate(ends, 1):
        if end == "p":
            subject.pass_(now, 0.01)
        elif end == "f":
            subject.fail(now, 0.01, "Connect", f"refused at {now}")
        else:
            subject.lose(now, "ProberStarved", "held up")
        verdicts.append(subject.verdict[0])
    return verdicts


@pytest.mark.parametrize(
    ("denoise", "ends", "verdicts"),
    [
        ({}, "pfp", "PFP"),
        ({"failures": 3}, "pffpfff", "PPPPPPF"),
        ({"failures": 2, "successes": 2}, "pppffpfpp", "UPPPFFFFP"),
        ({"failures": 2}, "pfuf", "PPPF"),
        ({"failures": 1}, "f" + "u" * 10, "F" * 10 + "U"),
        ({"window": 4, "ratio": 0.5}, "ppppfpfpp", "UUUPPPFFP"),
    ],
)
def test_the_verdict_after_each_probe(denoise: dict[str, float], ends: str, verdicts: str) -> None:
    assert "".join(told(account(**denoise), ends)) == verdicts


def test_a_turn_is_told_once_with_its_time_and_reason() -> None:
    subject = account(failures=2)
    assert subject.pass_(1.0, 0.01)
    assert not subject.pass_(2.0, 0.01)
    assert not subject.fail(3.0, 0.01, "Connect", "refused")
    assert subject.fail(4.0, 0.01, "Connect", "refused again")
    assert (subject.verdict, subject.since, subject.message, subject.turns) == (Verdict.FAILED, 4.0, "refused again", 2)
    assert not subject.fail(5.0, 0.01, "Status", "now 503")
    assert subject.message == "now 503"


def test_a_slot_left_out_for_the_one_before_it_does_not_wear_the_verdict_out() -> None:
    subject = account()
    subject.fail(1.0, 0.01, "Timeout", "no answer")
    for _ in range(100):
        subject.skip("StillUnderWay")
    assert (subject.verdict, subject.unknown, subject.missed) == (Verdict.FAILED, 100, 100)


def test_classes_are_bounded() -> None:
    subject = account()
    for number in range(100):
        subject.fail(1.0, 0.01, f"Class{number}", "")
    assert len(subject.classes) == MAX_CLASSES + 1
    assert subject.classes[OTHER] == 100 - MAX_CLASSES


def test_whatever_a_check_says_can_be_sent() -> None:
    subject = account()
    subject.fail(1.0, 0.01, "Odd\ud800" * 100, "bytes of a file's name: \udcff" + "x" * 1000)
    epoch = Epoch("1-a", lambda: datetime(2026, 3, 1, tzinfo=UTC), lambda: 2.0)
    (samples,) = epoch.round([subject], Pace(1.0, 1.0, 0.0))
    assert samples.targets[0].message.startswith("bytes of a file's name: ?x")
    assert len(log_line(samples, [subject], epoch.time_of)) < 2000
    assert max(map(len, samples.targets[0].classes)) <= MAX_CLASS


def test_so_are_their_names() -> None:
    subject = account()
    subject.fail(1.0, 0.01, "C" * 1000, "broken")
    subject.fail(2.0, 0.01, "C" * 1001, "broken")
    assert subject.classes == {"C" * MAX_CLASS: 2}


def test_durations_are_in_the_bucket_below_their_bound() -> None:
    subject = account()
    for seconds in (0.00005, BOUNDS_SECONDS[0], BOUNDS_SECONDS[3], 1e6):
        subject.pass_(1.0, seconds)
    assert (subject.buckets[0], subject.buckets[3], subject.buckets[-1], sum(subject.buckets)) == (2, 1, 1, 4)


@given(st.text(alphabet="pfu", max_size=200), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_is_failed_only_by_failures_and_passed_only_by_successes(
    ends: str, failures: int, successes: int
) -> None:
    subject = account(failures=failures, successes=successes)
    for verdict, end, before in zip(
        told(subject, ends), ends, ["U", *told(account(failures=failures, successes=successes), ends)], strict=False
    ):
        assert verdict == before or verdict == {"p": "P", "f": "F", "u": "U"}[end]
    assert subject.total == len(ends)
