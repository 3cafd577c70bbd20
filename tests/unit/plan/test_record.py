from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprobe.api import ProbeRunStatus, RunTargets, Source, Verdict
from kubeprobe.plan import record
from kubeprobe.plan.record import FAILURES_BYTES, NodeOutcome

TEXTS = st.text(max_size=60)
OUTCOMES = st.dictionaries(
    st.integers(0, 49),
    st.builds(NodeOutcome, st.sampled_from(Verdict), st.just("CheckFailed"), TEXTS, st.sampled_from(["a1b2", "none"])),
)


@given(OUTCOMES)
def test_what_is_written_is_read_again(outcomes: dict[int, NodeOutcome]) -> None:
    read = record.read(record.write(outcomes, 50), 50)
    assert {n: (one.verdict, one.mark) for n, one in read.items()} == {
        n: (one.verdict, one.mark) for n, one in outcomes.items()
    }
    assert record.write(read, 50) == record.write(record.read(record.write(read, 50), 50), 50)


@given(st.text(min_size=1), st.integers(1, 50))
def test_the_reasons_and_messages_of_all_nodes_have_a_bound(text: str, count: int) -> None:
    failed = {n: NodeOutcome(Verdict.FAILED, "R" * 200, text * 40) for n in range(count)}
    written = record.write(failed, 50)
    assert sum(record.json_size(one.model_dump()) for one in written.not_passed) <= max(FAILURES_BYTES, count * 80)
    assert len(written.not_passed) == count


def test_one_failure_has_all_its_words_and_many_share() -> None:
    words = "x" * 1000
    one = record.write({3: NodeOutcome(Verdict.FAILED, "CheckFailed", words)}, 50)
    assert one.not_passed[0].message == words
    many = record.write({n: NodeOutcome(Verdict.FAILED, "CheckFailed", words) for n in range(50)}, 50)
    assert all(0 < len(each.message) < 40 for each in many.not_passed)
    assert len(json.dumps(many.model_dump())) < 4500


def test_a_record_that_makes_no_sense_is_no_outcome() -> None:
    assert record.read(None, 3) == {}
    edited = RunTargets(outcomes="P?.FPPPP", reports="")
    assert record.read(edited, 4) == {
        0: NodeOutcome(Verdict.PASSED, "Passed", "", "none"),
        3: NodeOutcome(Verdict.FAILED, "Failed", "", "none"),
    }


@pytest.mark.parametrize(
    ("counts", "verdict", "told"),
    [
        ((5, 0, 0), "Passed", ("Passed", "")),
        ((5, 0, 5), "Passed", ("Passed", "")),
        ((4, 0, 5), "Unknown", ("NodesUnknown", "5 of 9 nodes could not be probed: a, b, c and 2 more")),
        ((0, 0, 1), "Unknown", ("NodesUnknown", "1 of 1 nodes could not be probed: a")),
        ((9, 1, 5), "Failed", ("NodesFailed", "1 of 15 nodes failed: a")),
    ],
)
def test_one_failed_node_fails_all_and_too_many_unknown_leave_it_unknown(
    counts: tuple[int, int, int], verdict: str, told: tuple[str, str]
) -> None:
    passed, failed, unknown = counts
    found, total = record.overall((RunTargets(passed=passed), RunTargets(failed=failed, unknown=unknown)))
    assert (found.value, total) == (verdict, RunTargets(passed=passed, failed=failed, unknown=unknown))
    count = failed or unknown
    assert record.summary(found, total, list("abcde")[:count]) == told


def test_a_summary_without_names_and_with_long_ones() -> None:
    total = RunTargets(failed=2)
    assert record.summary(Verdict.FAILED, total, []) == ("NodesFailed", "2 of 2 nodes failed")
    assert len(record.summary(Verdict.FAILED, total, ["n" * 253] * 2)[1]) <= record.SUMMARY_BYTES


@pytest.mark.parametrize(("source", "mark"), [(Source.TERMINATION_MESSAGE, "term"), (Source.TIMEOUT, "none")])
def test_a_nodes_outcome_is_that_of_a_run_of_its_own(source: Source, mark: str) -> None:
    status = ProbeRunStatus(verdict=Verdict.FAILED, reason="CheckFailed", message="no", source=source)
    assert record.of_status(status) == NodeOutcome(Verdict.FAILED, "CheckFailed", "no", mark)


def test_a_text_is_cut_by_what_it_takes_as_json() -> None:
    assert record.within("<<<<", 12) == "<…"
    assert record.within("abc", 7) == ""
    assert record.within("abc", 8) == "abc"
    assert record.json_size(record.within("<" * 99, 60)) <= 62
