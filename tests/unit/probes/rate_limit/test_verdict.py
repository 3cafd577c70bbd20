"""What the answers to a burst say."""

from typing import Any

import pytest

from rate_limit.burst import UNANSWERED, Answer, parse
from rate_limit.verdict import Names, judge, misdirected

OURS, THEIRS = "kubeprobe-burst", "service-accounts"


def item(name: str, uid: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid}, "spec": spec}


def level(**limited: Any) -> dict[str, Any]:
    return item(OURS, "l1", type="Limited", limited=limited)


REJECT = level(nominalConcurrencyShares=0, limitResponse={"type": "Reject"})
SCHEMAS = [item(OURS, "s1", priorityLevelConfiguration={"name": OURS}), item(THEIRS, "s2")]
NAMES = Names.of(SCHEMAS, [REJECT, item("workload-low", "l2", type="Limited")])
PASSED = Answer(201, "s1", "l1")
REFUSED = Answer(429, "s1", "l1", "1")
ACCOUNT = "probes/burst"


def test_throttled_by_the_right_schema() -> None:
    assert judge([PASSED, REFUSED, REFUSED], NAMES, OURS) is None


def test_no_429_names_the_limits_that_do_not_limit() -> None:
    assert judge([PASSED] * 3, NAMES, OURS) == (
        "throttling does not work: 3 requests at the same time in FlowSchema kubeprobe-burst brought no 429; look at "
        "PriorityLevelConfiguration kubeprobe-burst: nominalConcurrencyShares 0, limitResponse Reject; 0 and Reject "
        "throttle a burst"
    )


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([level(nominalConcurrencyShares=50, limitResponse={"type": "Queue"})], "Shares 50, limitResponse Queue"),
        ([item(OURS, "l1", type="Exempt")], "its type is Exempt, so it limits nothing"),
        ([], "PriorityLevelConfiguration kubeprobe-burst, which is missing"),
    ],
)
def test_no_429_from_other_levels(levels: list[dict[str, Any]], words: str) -> None:
    assert words in (judge([PASSED] * 3, Names.of(SCHEMAS, levels), OURS) or "")


def test_a_429_of_somebody_else_is_not_ours() -> None:
    found = judge([PASSED, Answer(429, "s2", "l2", "1")], NAMES, OURS)
    assert found == (
        "throttling is not by FlowSchema kubeprobe-burst: a 429 came from FlowSchema service-accounts of "
        "PriorityLevelConfiguration workload-low"
    )
    assert "with the UID ?" not in found
    assert "FlowSchema with the UID x9" in (judge([Answer(429, "x9", "l2", "1")], NAMES, OURS) or "")


def test_clients_are_told_when_to_come_again() -> None:
    assert "without Retry-After" in (judge([Answer(429, "s1", "l1")], NAMES, OURS) or "")


def test_other_answers_are_told() -> None:
    assert judge([REFUSED, Answer(500)], NAMES, OURS) == "the burst was answered with 500"
    no_right = judge([Answer(403)] * 2, NAMES, OURS) or ""
    assert "answered with 403; look at the RBAC of the burst's service account" in no_right


def test_requests_that_wait_in_a_queue_are_not_throttled() -> None:
    found = judge([PASSED, Answer(UNANSWERED), Answer(UNANSWERED)], NAMES, OURS) or ""
    assert "brought no 429 (2 of 3 requests of the burst were not answered: they wait in a queue)" in found


def test_a_single_request_that_waits_in_a_queue() -> None:
    queue = Names.of(SCHEMAS, [level(nominalConcurrencyShares=0, limitResponse={"type": "Queue"})])
    found = misdirected(Answer(UNANSWERED), queue, OURS, ACCOUNT) or ""
    assert "a single request of service account probes/burst was not answered: it waits in a queue" in found
    assert "nominalConcurrencyShares 0, limitResponse Queue" in found
    assert "FlowSchema gone, which is missing" in (misdirected(Answer(UNANSWERED), queue, "gone", ACCOUNT) or "")


def test_the_right_schema_is_met() -> None:
    assert misdirected(PASSED, NAMES, OURS, ACCOUNT) is None


def test_a_missing_schema_and_one_that_does_not_match() -> None:
    elsewhere = Answer(201, "s2", "l2")
    there = misdirected(elsewhere, NAMES, OURS, ACCOUNT) or ""
    assert "probes/burst was put into FlowSchema service-accounts of PriorityLevelConfiguration workload-low" in there
    assert "instead of FlowSchema kubeprobe-burst, which is there and does not match" in there
    missing = misdirected(elsewhere, Names.of(SCHEMAS[1:], []), OURS, ACCOUNT) or ""
    assert "FlowSchema kubeprobe-burst, which is missing" in missing


def test_priority_and_fairness_that_is_off() -> None:
    assert "--enable-priority-and-fairness" in (misdirected(Answer(201), NAMES, OURS, ACCOUNT) or "")


def test_an_answer_is_read_from_its_head() -> None:
    head = (
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nX-Kubernetes-Pf-Flowschema-Uid: s1\r\n"
        "X-Kubernetes-PF-PriorityLevel-UID: l1\r\n\r\n"
    )
    assert parse(head) == REFUSED
    assert parse("HTTP/1.1 201 Created\r\n\r\n") == Answer(201)
