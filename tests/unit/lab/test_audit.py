"""The audit log is read for what the operator's replicas wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lab.audit import Write, read_write, writes

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(verb: str, subresource: str = "", code: int = 200, agent: str = "kubeprobe/0.1.0 (pod_1)") -> dict[str, Any]:
    return {
        "verb": verb,
        "stage": "ResponseComplete",
        "userAgent": agent,
        "objectRef": {"resource": "proberuns", "subresource": subresource, "namespace": "a", "name": "b"},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": at(1).isoformat(),
        "stageTimestamp": at(2).isoformat(),
    }


def test_writes_are_read_from_all_parts_of_the_log(tmp_path: Path) -> None:
    lines = [event("patch", "status"), event("get"), event("create", code=409)]
    (tmp_path / "audit.log").write_text(json.dumps(lines[0], separators=(",", ":")) + "\n")
    older = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines[1:])
    (tmp_path / "audit-2026.log").write_text(older)
    found = writes(tmp_path / "audit.log")
    assert [(write.resource, write.code, write.refused) for write in found] == [
        ("proberuns", 409, True),
        ("proberuns/status", 200, False),
    ]
    assert found[1] == Write(at(1), at(2), "pod_1", "patch", "proberuns/status", "a", "b", 200)
    assert writes(tmp_path / "audit.log", at(1.5)) == []


@pytest.mark.parametrize(
    "other", [event("get"), event("patch", agent="kubectl/1.34"), event("patch", agent="kubeprobe/1")]
)
def test_what_is_no_write_of_a_replica_is_passed_over(other: dict[str, Any]) -> None:
    assert read_write(other) is None
