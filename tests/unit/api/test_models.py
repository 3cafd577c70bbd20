"""The models as the operator meets them: names on the wire, defaults, times, immutability, newer CRDs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError
from tests.api.examples import CHANGE_ID, change, change_run, changed, config, gate, run, template

from kubeprobe.api import (
    KINDS,
    Change,
    ChangeGate,
    ChangePhase,
    ChangeSource,
    ChangeType,
    Condition,
    DeliveryFailure,
    During,
    Enforcement,
    GatePhase,
    GateReason,
    GateVerdict,
    Mode,
    OnInconclusive,
    Phase,
    ProbeConfig,
    ProbeResult,
    ProbeRun,
    ProbeRunStatus,
    ProbeState,
    ProbeTemplate,
    Resources,
    Schedule,
    Severity,
    Source,
    Stage,
    Trigger,
    TriggerKind,
    Verdict,
    WorkloadKind,
)
from kubeprobe.api.meta import NOT_CREATED, ObjectMeta
from kubeprobe.api.template import ProbeTemplateSpec

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def wire(model: Any) -> Any:
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


def test_names_are_camel_case_on_the_wire_and_either_is_read() -> None:
    by_name = ProbeRunStatus(pod_uid="u", report_digest="d", finished_at=NOON)
    assert wire(by_name) == {
        "phase": "Pending",
        "reason": "",
        "message": "",
        "errors": [],
        "steps": [],
        "attributes": {},
        "node": "",
        "pod": "",
        "podUID": "u",
        "finishedAt": "2026-01-01T12:00:00.123456Z",
        "reportDigest": "d",
        "conditions": [],
    }
    assert ProbeRunStatus.model_validate(wire(by_name)) == by_name


def test_times_are_utc_with_z_and_keep_their_microseconds() -> None:
    there = datetime(2026, 1, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    trigger = Trigger(kind=TriggerKind.SCHEDULE, slot=there)
    assert wire(trigger) == {"kind": "Schedule", "slot": "2026-01-01T12:00:00Z", "covers": []}
    assert trigger.slot == there
    assert Trigger.model_validate({"slot": "2026-01-01T12:00:00.123456Z"}).slot == NOON


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Trigger(slot=datetime(2026, 1, 1))  # noqa: DTZ001


def test_objects_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ProbeConfig.model_validate(config()).spec.mode = Mode.ON_DEMAND  # type: ignore[misc]


def test_fields_of_a_newer_version_are_passed_over() -> None:
    body = config(tomorrow={"a": 1})
    assert ProbeConfig.model_validate(body) == ProbeConfig.model_validate(config())


def test_defaults_of_a_config() -> None:
    spec = ProbeConfig.model_validate(config()).spec
    assert (spec.mode, spec.severity, spec.params) == (Mode.PERIODIC, Severity.WARNING, {})
    assert (spec.thresholds.failures, spec.thresholds.successes) == (1, 1)
    assert (spec.history.passed, spec.history.failed) == (3, 10)
    assert (spec.timeout, spec.delivery_failure, spec.pod_overrides) == (None, None, None)


def test_defaults_of_a_template() -> None:
    spec = ProbeTemplateSpec(image="i")
    assert (spec.image_pull_policy, spec.timeout.seconds) == ("IfNotPresent", 60)
    assert spec.modes == (Mode.PERIODIC, Mode.ON_DEMAND)
    assert spec.delivery_failure is DeliveryFailure.UNKNOWN
    assert (spec.params, spec.resources, spec.allowed_namespaces.match_labels) == ({"type": "object"}, None, {})


def test_a_new_run_is_pending_and_manual() -> None:
    one = ProbeRun.model_validate(run(configRef={"name": "c"}))
    assert (one.status.phase, one.status.verdict, one.spec.trigger.kind) == (Phase.PENDING, None, TriggerKind.MANUAL)


def test_a_run_for_a_change_names_it_as_the_wire_does() -> None:
    trigger = ProbeRun.model_validate(change_run(during="Finished", covers=[{"changeID": "c", "during": "Started"}]))
    written = wire(trigger)["spec"]["trigger"]
    assert (written["kind"], written["changeID"], written["during"]) == ("Change", CHANGE_ID, "Finished")
    assert written["covers"] == [{"changeID": "c", "during": "Started", "part": 0}]
    assert "changeId" not in written


def test_defaults_of_triggers() -> None:
    body = config(triggers=[{"rollout": {}}, {"node": {}}, {"announced": {}}])
    rollout, node, announced = ProbeConfig.model_validate(body).spec.triggers
    assert rollout.rollout is not None
    assert rollout.rollout.kinds == ("Deployment", "StatefulSet", "DaemonSet")
    assert (rollout.rollout.quiet.seconds, rollout.rollout.timeout.seconds) == (10, 1800)
    assert (rollout.rollout.namespace_selector, rollout.rollout.during, rollout.rollout.pin_to_nodes) == (
        None,
        (),
        False,
    )
    assert node.node is not None
    assert [one.value for one in node.node.facts] == ["Added", "Kubelet", "Kernel", "Runtime", "OSImage", "Cordon"]
    assert announced.announced is not None
    assert announced.announced.gates == ()


def test_a_new_change_is_settling() -> None:
    status = Change.model_validate(change()).status
    assert (status.phase, status.finished_at, status.probes) == (ChangePhase.SETTLING, None, ())


def test_a_result_without_status_knows_nothing_yet() -> None:
    status = ProbeResult.model_validate({"metadata": {"name": "r"}}).status
    assert (status.verdict, status.since, status.consecutive.failed) == (Verdict.UNKNOWN, None, 0)


def test_defaults_of_a_gate() -> None:
    one = ChangeGate.model_validate(gate())
    spec, status = one.spec, one.status
    assert [kind.value for kind in spec.scope.kinds] == ["Deployment", "StatefulSet", "DaemonSet"]
    assert (spec.freshness, spec.verify_on_change, spec.success_threshold) == (None, True, 1)
    assert (spec.quiet.seconds, spec.longest_quiet.seconds, spec.timeout.seconds) == (10, 60, 600)
    assert (spec.on_inconclusive, spec.enforcement) == (OnInconclusive.KEEP, Enforcement.ENFORCE)
    assert (spec.hold, spec.override) == (None, None)
    assert (status.phase, status.reason, status.verdict) == (GatePhase.OPEN, GateReason.IDLE, GateVerdict.PENDING)


def test_what_the_api_server_adds_is_read() -> None:
    meta = ObjectMeta.model_validate(
        {
            "name": "n",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T12:00:00Z",
            "managedFields": [],
            "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "o", "uid": "x", "controller": True}],
        }
    )
    assert meta.owner_references[0].api_version == "v1"
    assert (meta.resource_version, meta.creation_timestamp.year) == ("7", 2026)
    assert ObjectMeta().creation_timestamp == NOT_CREATED


def test_wrong_kind_is_not_read() -> None:
    with pytest.raises(ValidationError, match="kind"):
        ProbeTemplate.model_validate(config())


def test_params_are_a_schema_of_an_object() -> None:
    with pytest.raises(ValidationError, match="type: object"):
        ProbeTemplate.model_validate(template(params={"type": "array"}))


@pytest.mark.parametrize("amount", ["100m", "1", "1.5", ".5", "64Mi", "1e3", 2])
def test_amounts(amount: object) -> None:
    assert Resources(limits={"memory": amount}).limits == {"memory": str(amount)}


@pytest.mark.parametrize("amount", ["", "64 Mi", "-1", "1Zi", "m", True, 1.5, None])
def test_what_is_no_amount(amount: object) -> None:
    with pytest.raises(ValidationError):
        Resources(limits={"memory": amount})


WORDS = [
    *(Verdict, Phase, Mode, Severity, DeliveryFailure, TriggerKind, Source, Stage),
    *(During, ChangeSource, ChangeType, ChangePhase, ProbeState),
    *(Enforcement, GatePhase, GateReason, GateVerdict, OnInconclusive, WorkloadKind),
]


@pytest.mark.parametrize("words", WORDS)
def test_words_are_written_as_kubernetes_writes_them(words: Any) -> None:
    for one in words:
        assert one.value == "".join(part.capitalize() for part in one.name.split("_"))


@pytest.mark.parametrize("text", ["0s", "1m"])
def test_a_schedule_keeps_its_text(text: str) -> None:
    assert wire(Schedule.model_validate({"every": text})) == {"every": text}


@pytest.mark.parametrize("kind", KINDS)
def test_whole_objects_survive_the_wire(kind: Any) -> None:
    one = {
        "ProbeTemplate": template(env=[{"name": "A", "value": "1"}]),
        "ProbeConfig": config(podOverrides={"nodeSelector": {"a": "b"}}),
        "ProbeRun": run(configRef={"name": "c"}),
        "ProbeResult": {"metadata": {"name": "r"}, "status": {"since": "2026-01-01T12:00:00Z"}},
        "Change": change(objects=[changed("a"), changed("b")], count=2),
        "ChangeGate": gate(override={"reason": "r", "until": "2026-01-01T12:00:00Z"}),
    }[kind.__name__]
    model = kind.model_validate(one)
    assert kind.model_validate(wire(model)) == model
    assert wire(model)["kind"] == kind.__name__


def test_condition_reason_is_needed() -> None:
    with pytest.raises(ValidationError):
        Condition(type="Ready", status="True", reason="", last_transition_time=NOON)
