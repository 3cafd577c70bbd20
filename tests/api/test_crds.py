"""The CRDs on a real API server: accepted, structural, with rules that hold, defaults, columns and a manual."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeprobe.api import KINDS, Change, ChangeGate, ProbeConfig, ProbeResult, ProbeRun, ProbeTemplate
from kubeprobe.api.check import KINDS as BY_NAME
from kubeprobe.api.check import check_object
from kubeprobe.api.duration import FORM
from tests.api.conftest import Server
from tests.api.examples import (
    CHANGE_ID,
    CLOSURE,
    EXAMPLES,
    FINAL,
    IMMUTABLE,
    RECORD,
    TOGETHER,
    Body,
    Example,
    change,
    changed,
    config,
    gate,
    run,
    template,
)

BAD = [(example, body) for example in EXAMPLES for body in example.bad]
GOOD = [body for example in EXAMPLES for body in example.good]

pytestmark = pytest.mark.usefixtures("crds")


@pytest.mark.parametrize("kind", KINDS)
def test_established_and_structural(crds: dict[str, dict[str, Any]], kind: type[ProbeConfig]) -> None:
    conditions = {one["type"]: one["status"] for one in crds[kind.__name__]["status"]["conditions"]}
    assert conditions.get("Established") == "True"
    assert conditions.get("NamesAccepted") == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize(("example", "body"), BAD)
def test_the_rule_refuses_what_it_should_and_names_the_field(server: Server, example: Example, body: Body) -> None:
    answer = server.create(body, dry_run=True)
    assert answer.status_code == 422
    causes = answer.json()["details"]["causes"]
    assert [one["field"].removeprefix("<nil>") for one in causes] == [example.field]
    assert causes[0]["message"].endswith(example.message)


@pytest.mark.parametrize("body", GOOD)
def test_the_rules_let_good_objects_pass(server: Server, body: Body) -> None:
    answer = server.create(body, dry_run=True)
    assert answer.status_code == 201, answer.text


def test_the_spec_of_a_run_never_changes(server: Server) -> None:
    body = run("immutable", templateRef={"name": "t"}, params={"deep": {"a": 1}})
    assert server.create(body).status_code == 201
    for edit in (
        {"params": {"deep": {"a": 2}}},
        {"params": {"more": 1}},
        {"timeout": "5s"},
        {"trigger": {"kind": "Schedule", "slot": "2026-01-01T00:00:00Z"}},
        {"templateRef": None, "configRef": {"name": "c"}, "params": None},
    ):
        answer = server.patch("ProbeRun", "immutable", {"spec": edit})
        assert answer.status_code == 422, edit
        assert IMMUTABLE in answer.json()["message"]
    assert server.patch("ProbeRun", "immutable", {"metadata": {"labels": {"a": "b"}}}).status_code == 200
    assert server.patch("ProbeRun", "immutable", {"status": {"phase": "Running"}}, "/status").status_code == 200
    for alone in ({"phase": "Running", "verdict": "Failed"}, {"phase": "Completed"}):
        answer = server.patch("ProbeRun", "immutable", {"status": alone}, "/status")
        assert (answer.status_code, TOGETHER in answer.json()["message"]) == (422, True)
    over = {"status": {"phase": "Completed", "verdict": "Failed", "reason": "CheckFailed"}}
    assert server.patch("ProbeRun", "immutable", over, "/status").status_code == 200
    assert server.patch("ProbeRun", "immutable", over, "/status").status_code == 200
    lie = server.patch("ProbeRun", "immutable", {"status": {"verdict": "Passed"}}, "/status")
    assert lie.status_code == 422
    assert FINAL in lie.json()["message"]


def test_the_spec_of_a_change_never_changes_and_its_status_does(server: Server) -> None:
    assert server.create(change("immutable")).status_code == 201
    for edit in ({"count": 7}, {"gates": ["prod"]}, {"objects": [changed("other")]}, {"last": "2026-01-02T00:00:00Z"}):
        answer = server.patch("Change", "immutable", {"spec": edit})
        assert (answer.status_code, RECORD in answer.json()["message"]) == (422, True), edit
    status = {"phase": "Verifying", "timeline": [{"at": "2026-01-01T12:00:00.5Z", "reason": "Changed"}]}
    written = server.patch("Change", "immutable", {"status": status}, "/status")
    assert written.status_code == 200, written.text
    assert Change.model_validate(written.json()).status.phase == "Verifying"
    assert server.patch("Change", "immutable", {"status": {"phase": "Good"}}, "/status").status_code == 422


def test_a_change_has_its_status_from_the_start(server: Server) -> None:
    assert server.create(change("from-the-start")).json()["status"] == {"phase": "Settling"}


def test_the_phase_of_a_gate_is_not_written_by_hand_alone(server: Server) -> None:
    assert server.create(gate("by-hand")).status_code == 201
    for alone in ({"phase": "Closed"}, {"closureID": "cls-1"}):
        answer = server.patch("ChangeGate", "by-hand", {"status": alone}, "/status")
        assert (answer.status_code, CLOSURE in answer.json()["message"]) == (422, True)
    closed = {"phase": "Closed", "closureID": "cls-1"}
    assert server.patch("ChangeGate", "by-hand", {"status": closed}, "/status").status_code == 200
    assert server.patch("ChangeGate", "by-hand", {"status": {"phase": "Open"}}, "/status").status_code == 422
    opened = {"phase": "Open", "closureID": ""}
    assert server.patch("ChangeGate", "by-hand", {"status": opened}, "/status").status_code == 200


def test_what_a_gate_no_longer_has_is_taken_away_by_null(server: Server) -> None:
    server.create(gate("settles"))
    verified = {"verifyingSince": "2026-01-01T12:00:00Z", "change": {"id": "chg-1", "since": "2026-01-01T12:00:00Z"}}
    assert server.patch("ChangeGate", "settles", {"status": verified}, "/status").status_code == 200
    answer = server.patch("ChangeGate", "settles", {"status": {"verifyingSince": None}}, "/status")
    assert ChangeGate.model_validate(answer.json()).status.verifying_since is None


@pytest.mark.parametrize("every", ["-5s", "5 parsecs", "60", ""])
def test_what_is_no_duration_is_told_what_one_is(server: Server, every: str) -> None:
    answer = server.create(config("no-duration", schedule={"every": every}), dry_run=True)
    assert answer.status_code == 422
    message = answer.json()["message"]
    assert "spec.schedule.every: " in message
    assert FORM.message in message


def test_defaults_are_those_of_the_models(server: Server) -> None:
    for body in (template("defaults"), config("defaults"), run("defaults", configRef={"name": "c"}), gate("defaults")):
        stored = server.create(body).json()
        kind = BY_NAME[body["kind"]]
        here, there = kind.model_validate(body), kind.model_validate(stored)
        assert there.model_copy(update={"metadata": here.metadata}) == here
    assert server.http.get(server.path("ProbeTemplate") + "/defaults").json()["spec"] == {
        "image": "registry.example/probe:1",
        "imagePullPolicy": "IfNotPresent",
        "modes": ["Periodic", "OnDemand"],
        "params": {"type": "object"},
        "deliveryFailure": "Unknown",
        "timeout": "60s",
    }
    assert server.http.get(server.path("ProbeRun") + "/defaults").json()["status"] == {"phase": "Pending"}
    status = server.http.get(server.path("ChangeGate") + "/defaults").json()["status"]
    assert status == {"phase": "Open", "reason": "Idle", "verdict": "Pending", "moreProbes": 0, "lastGoodMore": 0}


def test_nulls_and_unknown_fields_are_treated_as_the_offline_check_says(server: Server) -> None:
    assert server.create(config("nulls", timeout=None, params={"kept": {"a": 1}})).json()["spec"]["params"] == {
        "kept": {"a": 1}
    }
    answer = server.create(config(evry="5s"), dry_run=True)
    assert answer.status_code == 400
    assert 'unknown field "spec.evry"' in answer.json()["message"]


def test_status_is_written_through_its_own_door_and_keeps_its_microseconds(server: Server) -> None:
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeResult", "metadata": {"name": "status"}}
    assert "status" not in server.create({**body, "status": {"verdict": "Passed"}}).json()
    status = {
        "verdict": "Failed",
        "since": "2026-01-01T12:00:00.123456Z",
        "history": [{"run": "r", "verdict": "Failed", "at": "2026-01-01T12:00:00.5Z"}],
        "conditions": [
            {"type": "Healthy", "status": "False", "reason": "R", "lastTransitionTime": "2026-01-01T12:00:00.123456Z"}
        ],
    }
    model = ProbeResult.model_validate({**body, "status": status}).status
    written = model.model_dump(by_alias=True, exclude_none=True, mode="json")
    answer = server.patch("ProbeResult", "status", {"status": written}, "/status")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"]["since"] == "2026-01-01T12:00:00.123456Z"
    assert ProbeResult.model_validate(answer.json()).status == model


@pytest.mark.parametrize(
    "edit",
    [
        {"verdict": "Perhaps"},
        {"since": "yesterday"},
        {"consecutive": {"failed": -1}},
        {
            "conditions": [
                {"type": "Healthy", "status": "Maybe", "reason": "R", "lastTransitionTime": "2026-01-01T12:00:00Z"}
            ]
        },
        {"window": [{"period": "1h"}, {"period": "1h"}]},
    ],
)
def test_a_status_edited_by_hand_into_nonsense_is_refused(server: Server, edit: Body) -> None:
    name = f"edited-{next(iter(edit))}"
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeResult", "metadata": {"name": name}}
    server.create(body)
    assert server.patch("ProbeResult", name, {"status": edit}, "/status").status_code == 422


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("probeconfig.spec.schedule", ("every", "Time from one run to the next", "jitter", "cron", "timeZone")),
        ("probeconfig.spec", ("templateRef", "-required-", "How many runs in a row turn the verdict")),
        ("probetemplate.spec.params", ("OpenAPI v3 schema of the parameters",)),
        ("proberun.status", ("stage", "Where the run stopped when its pod stayed silent")),
        ("changegate.spec.override", ("until", "the probes are asked anew then")),
        ("changegate.status", ("closureID", "Names this closure", "lastGood")),
        ("probeconfig.spec.triggers.rollout", ("pinToNodes", "new pods of these workloads became ready", "during")),
        ("change.status", ("timeline", "What the ProbeConfigs say, those that failed first")),
        ("proberesult.status.window", ("successRatio", "Passed runs as a share of passed and failed ones")),
    ],
)
def test_explain_is_the_manual(server: Server, resource: str, words: tuple[str, ...]) -> None:
    text = " ".join(server.kubectl("explain", resource).split())
    assert [word for word in words if word not in text] == []


COLUMNS = {
    "pt": "NAME IMAGE MODES TIMEOUT DELIVERY READY AGE",
    "pcfg": "NAME MODE TEMPLATE SCHEDULE SUSPEND READY AGE",
    "pr": "NAME VERDICT PHASE CONFIG TRIGGER NODE DURATION MESSAGE AGE",
    "pres": "NAME VERDICT SINCE SEVERITY SUCCESS 1H MESSAGE",
    "cg": "NAME PHASE SINCE REASON PROBE MESSAGE",
    "chg": "NAME PHASE WHAT BY PASSED FAILED PENDING MESSAGE AGE",
}


@pytest.mark.parametrize(("short", "columns"), COLUMNS.items())
def test_columns_by_short_name(server: Server, short: str, columns: str) -> None:
    for body in (
        template("columns"),
        config("columns"),
        run("columns", configRef={"name": "c"}),
        gate("columns"),
        {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeResult", "metadata": {"name": "columns"}},
        change("columns"),
    ):
        server.create(body)
    header, *_ = server.kubectl("get", short).splitlines()
    assert " ".join(header.split()) == columns


def test_columns_show_either_schedule_the_ratio_of_the_hour_and_the_ready_condition(server: Server) -> None:
    server.create(config("by-interval", schedule={"every": "45s", "jitter": "5s"}))
    server.create(config("by-cron", schedule={"cron": "*/7 * * * *", "timeZone": "UTC"}))
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "TemplateNotFound",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    server.patch("ProbeConfig", "by-cron", {"status": {"conditions": [ready]}}, "/status")
    rows = server.kubectl("get", "probeconfigs", "--no-headers", "-o", "wide").splitlines()
    assert "45s" in next(row for row in rows if row.startswith("by-interval"))
    by_cron = next(row for row in rows if row.startswith("by-cron"))
    assert "*/7 * * * *" in by_cron
    assert by_cron.split()[-3:-1] == ["False", "TemplateNotFound"]

    server.create({"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeResult", "metadata": {"name": "ratio"}})
    window = [{"period": "24h", "successRatio": 0.25}, {"period": "1h", "successRatio": 0.75}]
    server.patch("ProbeResult", "ratio", {"status": {"verdict": "Passed", "window": window}}, "/status")
    (row,) = [row for row in server.kubectl("get", "pres", "--no-headers").splitlines() if row.startswith("ratio")]
    assert "0.75" in row
    assert "0.25" not in row


def test_the_category_lists_all_kinds(server: Server) -> None:
    for body in (
        template("category"),
        config("category"),
        run("category", configRef={"name": "c"}),
        gate("category"),
        change("category"),
    ):
        server.create(body)
    names = server.kubectl("get", "kubeprobe", "-A", "-o", "name").splitlines()
    for kind in (ProbeTemplate, ProbeConfig, ProbeRun, ChangeGate, Change):
        assert f"{kind.__name__.lower()}.kubeprobe.io/category" in names


def test_short_names_are_nobody_elses(server: Server) -> None:
    """kubectl takes the first resource that has a short name, and warns everybody in the cluster of the others."""
    rows = server.kubectl("api-resources", "--no-headers").splitlines()
    shorts = [short for row in rows for short in (row.split()[1].split(",") if len(row.split()) == 5 else ())]
    assert {short for short in COLUMNS if shorts.count(short) != 1} == set()


DURATIONS = st.sampled_from(["0s", "999ms", "1s", "60s", "1m", "1h30m", "24h", "1d1ms", "366d", "367d", "-1s"])
WHOLE = st.sampled_from([0, 1, 3, 100, 101, "2"])
SLOT = "2026-01-01T00:00:00Z"
KEY = {"name": "n", "key": "k"}


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    """An object with some of these fields."""
    return st.fixed_dictionaries({}, optional=optional)


def one(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


ENV = some(
    value=one("", "x"),
    valueFrom=some(secretKeyRef=st.just(KEY), configMapKeyRef=st.just(KEY), fieldRef=st.just({"fieldPath": "a"})),
)
TOLERATION = some(
    key=one("", "k"),
    operator=one("Equal", "Exists"),
    value=one("", "v"),
    effect=one("NoExecute", "NoSchedule"),
    tolerationSeconds=st.just(5),
)
SOURCES = some(
    configMap=st.just({"name": "c"}),
    secret=st.just({"secretName": "s"}),
    emptyDir=st.just({}),
    nfs=st.just({"path": "/"}),
)
MOUNT = st.fixed_dictionaries({"name": one("v", "w", "tmp"), "mountPath": one("/v", "/tmp", "/a:b")})
REQUIREMENT = st.fixed_dictionaries(
    {"key": st.just("k"), "operator": one("In", "NotIn", "Exists", "DoesNotExist", "Near")},
    optional={"values": one([], ["v"], ["v", "w"])},
)
ROLLOUT = some(
    kinds=one([], ["Deployment"], ["Rollout.argoproj.io"], ["deployment"], ["A."]),
    during=one([], ["Started"], ["Finished", "Finished"]),
    pinToNodes=st.booleans(),
    quiet=DURATIONS,
    timeout=DURATIONS,
)
LABELLED = {"matchLabels": {"a": "b"}}
# One aspect at a time of an otherwise good object: one with many mistakes shows nothing about any of them.
ASPECTS = st.one_of(
    st.builds(lambda part: config(schedule=part), some(every=DURATIONS, cron=st.just("* * * * *"), jitter=DURATIONS)),
    st.builds(
        lambda part: config(schedule={"cron": "* * * * *", **part}), some(timeZone=one("UTC", ""), jitter=DURATIONS)
    ),
    st.builds(lambda mode: config(mode=mode), one("Periodic", "OnDemand", "Resident")),
    st.builds(lambda name: config(name), one("a", "a.b", "n" * 52, "n" * 53)),
    st.builds(lambda length: config(timeout=length), DURATIONS),
    st.builds(lambda part: config(thresholds=part), some(failures=WHOLE, successes=WHOLE)),
    st.builds(lambda part: config(history=part), some(passed=WHOLE, failed=WHOLE)),
    st.builds(lambda part: config(podOverrides={"tolerations": [part]}), TOLERATION),
    st.builds(lambda part: config(podOverrides={"env": [{"name": "A", **part}]}), ENV),
    st.builds(lambda name: template(env=[{"name": name}]), one("A", "a.b", "KUBEPROBE_", "KUBEPROBE_RUN", "1", "")),
    st.builds(lambda names: template(env=[{"name": name} for name in names]), st.lists(one("A", "B"), max_size=3)),
    st.builds(lambda part: template(volumes=[{"name": "v", **part}]), SOURCES),
    st.builds(
        lambda mounts: template(volumes=[{"name": "v", "emptyDir": {}}], volumeMounts=mounts),
        st.lists(MOUNT, max_size=2),
    ),
    st.builds(lambda part: template(allowedNamespaces={"matchExpressions": [part]}), REQUIREMENT),
    st.builds(lambda modes: template(modes=modes), st.lists(one("Periodic", "OnDemand", "X"), max_size=3)),
    st.builds(
        lambda amount: template(resources={"limits": {"cpu": amount}}), one(1, "1", "100m", "1Gi", "-1", "x", 1.5)
    ),
    st.builds(lambda kind: template(params=kind), one({}, {"type": "object"}, {"type": "string"})),
    st.builds(lambda part: gate(**part), some(quiet=DURATIONS, longestQuiet=one("1h"))),
    st.builds(lambda part: gate(**part), some(longestQuiet=DURATIONS)),
    st.builds(lambda part: gate(**part), some(freshness=DURATIONS, timeout=DURATIONS, successThreshold=WHOLE)),
    st.builds(lambda part: gate(scope=part), some(namespaces=one([], ["*"], ["a", "*"], ["a", "a"], ["a", "b"]))),
    st.builds(lambda kinds: gate(scope={"namespaces": ["*"], "kinds": kinds}), st.lists(one("Deployment", "Job"))),
    st.builds(lambda part: gate(override=part), some(reason=one("", "r"), until=one(SLOT, "today"))),
    st.builds(lambda how: gate(enforcement=how), one("Enforce", "Warn", "Off", False)),
    st.builds(lambda part: run(**part), some(configRef=st.just({"name": "c"}), templateRef=st.just({"name": "t"}))),
    st.builds(
        lambda reference, part: run("either", **{**part, reference: {"name": "x"}}),
        one("configRef", "templateRef"),
        some(
            params=one({}, {"a": 1}), timeout=DURATIONS, podOverrides=st.just({}), deliveryFailure=one("Failed", "No")
        ),
    ),
    st.builds(
        lambda part: run(configRef={"name": "c"}, trigger=part),
        some(kind=one("Schedule", "Manual", "Gate"), slot=one(SLOT, "today")),
    ),
    st.builds(
        lambda part: run(configRef={"name": "c"}, trigger=part),
        some(kind=one("Manual", "Change"), changeID=one(CHANGE_ID, ""), during=one("Started", "Later"), part=WHOLE),
    ),
    st.builds(
        lambda part: config(triggers=[part]),
        some(rollout=ROLLOUT, node=some(facts=one([], ["Kubelet"], ["Disk"])), announced=st.just({})),
    ),
    st.builds(
        lambda part: config(triggers=[{"object": part}]),
        some(kinds=one([], ["ConfigMap"], ["CustomResourceDefinition"], ["Pod"]), selector=one({}, LABELLED)),
    ),
    st.builds(lambda count: change(count=count, objects=[changed("a"), changed("b")]), one(0, 1, 2, 3)),
)


@pytest.fixture
def agreed() -> set[str]:
    """The objects on which both were seen to be of one mind."""
    return set()


@settings(
    max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ASPECTS)
def test_the_offline_check_and_the_api_server_are_of_one_mind(server: Server, agreed: set[str], body: Body) -> None:
    text = json.dumps(body, sort_keys=True)
    if text in agreed:  # a quarter of what is made has been made before
        return
    answer = server.create(body, dry_run=True)
    assert answer.status_code in (201, 400, 422), answer.text
    assert bool(check_object(body).problems) == (answer.status_code != 201), answer.json().get("message", "accepted")
    agreed.add(text)
