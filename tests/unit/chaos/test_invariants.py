"""The chaos suite's own judgement: it finds what is wrong, and nothing where all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.chaos import invariants
from tests.chaos.record import Record, Run
from tests.lab.audit import Write

START = datetime(2026, 3, 1, tzinfo=UTC)
TEN = timedelta(seconds=10)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(seconds: float, *, missed: int = 0, name: str = "", attempt: int = 1, ahead: bool = False) -> Run:
    name = name or f"r{seconds}"
    return Run(f"uid-{name}", name, "chaos", "main", at(seconds), attempt, missed, ahead)


def broken_slots(*runs: Run) -> list[str]:
    return list(invariants.slots(runs, {"main": TEN}))


def test_slots_that_all_had_a_run_or_were_counted_are_well() -> None:
    assert broken_slots(run(0), run(10), run(40, missed=2), run(50), run(50, attempt=2, name="again")) == []
    assert list(invariants.slots([run(0), run(99)], {})) == []


def test_a_clock_that_ran_ahead_missed_nothing() -> None:
    assert broken_slots(run(0), run(10), run(20), run(3600, missed=357, ahead=True)) == []
    assert len(broken_slots(run(0), run(10, ahead=True), run(30))) == 1


def test_whether_a_slot_lies_ahead_is_seen_at_the_first_look() -> None:
    record = Record()
    ahead = body("a")
    ahead["spec"]["trigger"] = {"slot": at(60).isoformat()}
    for wall in (at(0), at(120)):
        record.look([ahead], [], 0.0, wall)
    assert record.runs["uid-a"].ahead


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([run(0), run(20)], "1 slots lie between r0 and r20, which counts 0"),
        ([run(0), run(10, missed=1)], "0 slots lie between"),
        ([run(0), run(0, name="twin"), run(10)], "are runs of one slot"),
    ],
)
def test_a_slot_that_is_lost_invented_or_run_twice_is_found(runs: list[Run], says: str) -> None:
    (found,) = broken_slots(*runs)
    assert says in found


def body(name: str, verdict: str | None = None, **attributes: str) -> dict[str, Any]:
    status = {"phase": "Completed", "verdict": verdict, "attributes": attributes} if verdict else {}
    meta = {"uid": f"uid-{name}", "name": name, "namespace": "chaos"}
    return {"metadata": meta, "spec": {"configRef": {"name": "main"}}, "status": status}


def test_a_verdict_that_changes_is_found() -> None:
    record = Record()
    for verdict in (None, "Passed", "Passed"):
        record.look([body("a", verdict)], [], 0.0, START)
    assert list(invariants.verdicts(record.runs.values())) == []
    record.look([body("a", "Failed")], [], 0.0, START)
    assert list(invariants.verdicts(record.runs.values())) == ["chaos/a was Passed, then Failed"]


def test_a_pod_that_outlives_its_run_is_found() -> None:
    record = Record()
    pod = {"metadata": {"namespace": "chaos", "name": "a", "labels": {"kubeprobe.io/run": "a"}}}
    record.look([body("a")], [pod], 0.0, START)
    record.look([], [pod], 10.0, START)
    record.look([], [pod], 69.0, START)
    assert list(invariants.leftovers(record)) == []
    record.look([], [pod], 71.0, START)
    assert len(list(invariants.leftovers(record))) == 1
    assert record.runs["uid-a"].gone_at == 10.0


def test_an_acknowledged_report_that_is_in_no_verdict_is_found() -> None:
    record = Record()
    record.look([body("a", "Passed", mark="m1"), body("b", "Passed")], [], 0.0, START)
    assert list(invariants.acknowledged({"a": "m1"}, record.runs.values())) == []
    assert len(list(invariants.acknowledged({"a": "m2", "b": "m3", "c": "m4"}, record.runs.values()))) == 3


def write(seconds: float, identity: str, resource: str = "proberuns", code: int = 200) -> Write:
    return Write(at(seconds), at(seconds), identity, "patch", resource, "a", "b", code)


def test_a_write_without_the_lease_is_found() -> None:
    well = [write(0, "one", "leases"), write(1, "one"), write(5, "two", "leases"), write(6, "two")]
    assert list(invariants.leases(well)) == []
    assert len(list(invariants.leases([*well, write(6.5, "one")]))) == 1
    # The label that it takes off itself, and what the API server refused.
    assert list(invariants.leases([*well, write(6.5, "one", "pods"), write(6.6, "one", code=409)])) == []
