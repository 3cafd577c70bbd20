from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at

from kubeprobe.api import Verdict
from kubeprobe.plan.window import DAY, HOUR, SHORTEST_SECONDS, SPANS, Span, Window, decode

Run = tuple[datetime, Verdict, float | None]

durations = st.none() | st.floats(SHORTEST_SECONDS, 86_400)
runs = st.lists(
    st.tuples(
        st.integers(0, 30 * 3600).map(lambda seconds: CREATED + timedelta(seconds=seconds)),
        st.sampled_from(Verdict),
        durations,
    ),
    max_size=40,
)
spans = st.sampled_from(SPANS)


def filled(span: Span, outcomes: list[Run]) -> Window:
    window = Window(span)
    for moment, verdict, duration in outcomes:
        window = window.add(moment, verdict, duration)
    return window


def in_span(span: Span, outcomes: list[Run], now: datetime) -> list[Run]:
    """Those in the slots that the span ends with, counted the slow way."""
    newest = int(now.timestamp()) // span.slot_seconds
    oldest = newest - span.seconds // span.slot_seconds
    return [one for one in outcomes if oldest < int(one[0].timestamp()) // span.slot_seconds <= newest]


def nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(len(values) * share) - 1]


@given(spans, runs)
def test_what_is_encoded_comes_back(span: Span, outcomes: list[Run]) -> None:
    window = filled(span, outcomes)
    again = next(one for one in decode([window.encode()]) if one.span is span)
    assert again.summary() == window.summary()
    assert again.encode() == window.encode()


@given(spans, runs, st.integers(0, 40 * 3600))
def test_the_figures_are_those_of_the_span(span: Span, outcomes: list[Run], later: int) -> None:
    now = at(later)
    told = filled(span, outcomes).until(now).summary()
    counted = in_span(span, outcomes, now)
    verdicts = [verdict for _, verdict, _ in counted]
    assert told.period == span.name
    assert told.runs == len(counted)
    assert told.passed == verdicts.count(Verdict.PASSED)
    assert told.failed == verdicts.count(Verdict.FAILED)
    assert told.unknown == verdicts.count(Verdict.UNKNOWN)
    judged = told.passed + told.failed
    assert told.success_ratio == (round(told.passed / judged, 4) if judged else None)
    passing = [taken for _, verdict, taken in counted if verdict is Verdict.PASSED and taken is not None]
    for share, percentile in ((0.5, told.p50_seconds), (0.99, told.p99_seconds)):
        if not passing:
            assert percentile is None
        else:
            assert percentile == pytest.approx(nearest_rank(passing, share), rel=0.04)


@given(runs)
def test_the_order_of_counting_does_not_matter(outcomes: list[Run]) -> None:
    assert filled(HOUR, outcomes).encode() == filled(HOUR, outcomes[::-1]).encode()


@given(runs, st.integers(0, 40 * 3600), st.integers(0, 40 * 3600))
def test_until_drops_what_is_older_than_the_span_and_can_be_repeated(
    outcomes: list[Run], first: int, later: int
) -> None:
    window = filled(DAY, outcomes).until(at(first))
    assert window.until(at(first)) == window
    for slot in window.slots:
        assert 0 <= int(at(first).timestamp()) // DAY.slot_seconds - slot.number < 24
    if later >= first:
        assert len(window.until(at(later)).slots) <= len(window.slots)


def test_an_hour_has_twelve_slots_and_no_more() -> None:
    window = filled(HOUR, [(at(minute * 60), Verdict.PASSED, 1.0) for minute in range(180)])
    assert len(window.until(at(179 * 60)).slots) == 12
    assert window.until(at(179 * 60)).summary().runs == 60
    assert window.until(at(239 * 60)).summary().runs == 0


def test_a_clock_that_ran_ahead_leaves_nothing_behind() -> None:
    window = Window(HOUR).add(at(8 * 3600), Verdict.FAILED, 1.0).add(at(60), Verdict.PASSED, 2.0)
    assert window.until(at(120)).summary().failed == 0
    assert window.until(at(120)).summary().passed == 1


def test_durations_of_runs_that_did_not_pass_are_not_told() -> None:
    window = Window(HOUR).add(at(0), Verdict.FAILED, 60.0).add(at(0), Verdict.UNKNOWN, 60.0)
    assert window.summary().p99_seconds is None
    assert window.add(at(1), Verdict.PASSED, 1.0).summary().p99_seconds == pytest.approx(1.0, rel=0.04)


@pytest.mark.parametrize("duration", [0.0, -3.0, SHORTEST_SECONDS])
def test_what_is_shorter_than_can_be_told_is_the_shortest(duration: float) -> None:
    assert Window(HOUR).add(at(0), Verdict.PASSED, duration).summary().p50_seconds == SHORTEST_SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7d|1:1,0,0:",
        "1h|",
        "1h|nonsense",
        "1h|1:2,3:",
        "1h|1:a,0,0:",
        "1h|1:1,0,0:5",
        "1h|1:1,0,0:5=x",
        "1h|1:-1,0,0:",
        "1h|-1:1,0,0:",
        "1h|1:1,0,0:-5=1",
        "1h|1:1,0,0:99999=1",
        "1h|1:1,0,0:5=-1",
        "1h|1:1,0,0:5=1:6",
        f"1h|1:{'9' * 5000},0,0:",
        f"1h|1:{10**30},0,0:",
    ],
)
def test_text_that_is_not_ours_is_an_empty_window(text: str) -> None:
    assert decode([text]) == (Window(HOUR), Window(DAY))
    assert all(window.until(at(0)).summary().runs == 0 for window in decode([text]))


def test_a_spoilt_window_does_not_spoil_the_other() -> None:
    day = Window(DAY).add(at(0), Verdict.PASSED, 1.0)
    assert decode(["1h|spoilt", day.encode()])[1].encode() == day.encode()


def test_a_busy_day_stays_small() -> None:
    outcomes = [(at(second), Verdict.PASSED, 1 + second % 5) for second in range(0, 86400, 60)]
    assert len(filled(DAY, [(moment, verdict, float(took)) for moment, verdict, took in outcomes]).encode()) < 2000
