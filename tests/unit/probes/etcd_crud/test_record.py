"""The sentences of a member's record: endpoint, operation, cause, evidence, place to look; value against limit."""

import pytest

from etcd_crud.causes import Trouble
from etcd_crud.record import Record, Tally

ENDPOINT = "https://10.0.0.1:2379"
REFUSED = Trouble("connection refused", "the etcd process", lost=True)
FULL = Trouble("etcdserver: mvcc: database space exceeded", "etcd's quota")


def record(*operations: str) -> Record:
    return Record(ENDPOINT, {name: Tally() for name in operations})


def test_a_good_record_has_no_findings() -> None:
    good = record("put", "get")
    for name in ("put", "get"):
        good.note(name, [0.004], None)
    assert list(good.findings(0.5)) == []


def test_one_failed_operation_of_many_is_a_finding() -> None:
    bad = record("put")
    for _ in range(9):
        bad.note("put", [0.001], None)
    bad.note("put", [0.001], FULL)
    assert list(bad.findings(0.5)) == [
        (
            "etcd https://10.0.0.1:2379: put (1 of 10) failed: etcdserver: mvcc: database space exceeded; "
            "look at etcd's quota"
        )
    ]


def test_the_same_trouble_is_told_once_for_all_operations() -> None:
    bad = record("put", "get", "delete")
    bad.note("put", [], REFUSED)
    bad.note("get", [], REFUSED)
    bad.evidence = "nothing else answers"
    (finding,) = bad.findings(0.5)
    assert "put (1 of 1), get (1 of 1) failed: connection refused; nothing else answers" in finding
    assert "not tried then: delete" in finding
    assert finding.endswith("look at the etcd process")


def test_different_troubles_are_told_apart() -> None:
    bad = record("put", "get")
    bad.note("put", [], FULL)
    bad.note("get", [], REFUSED)
    assert len(list(bad.findings(0.5))) == 2


@pytest.mark.parametrize(("seconds", "found"), [(0.5, 0), (0.501, 1)])
def test_too_slow_names_value_and_limit(seconds: float, found: int) -> None:
    slow = record("put")
    slow.note("put", [0.01] * 9 + [seconds], None)
    findings = list(slow.findings(0.5))
    assert len(findings) == found
    assert all("put is too slow: 501ms at p99 of 10 requests, maxLatency is 500ms" in each for each in findings)


def test_the_99th_percentile_forgives_one_request_in_a_hundred() -> None:
    slow = record("put")
    slow.note("put", [0.01] * 99 + [3.0], None)
    assert slow.tallies["put"].p99_seconds == 0.01
    slow.note("put", [3.0], None)
    assert slow.tallies["put"].p99_seconds == 3.0
    assert Tally().p99_seconds == 0.0
