"""One object, checked offline: each mistake has its field and its way out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.examples import Body, config, run, template

from kubeprobe.api.check import KINDS, check_object, is_ours
from kubeprobe.api.strict import Problem


def told(body: Body) -> list[str]:
    return [str(problem) for problem in check_object(body).problems]


def with_head(**head: Any) -> Body:
    return {**config(), **head}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"apiVersion": "kubeprobe.io/v1", "kind": "ProbeConfig"}, True),
        ({"apiVersion": "kubeprobe.oi/v1", "kind": "ProbeConfig"}, True),
        ({"apiVersion": "kubeprobe.io/v1alpha1", "kind": "Whatever"}, True),
        ({"apiVersion": "v1", "kind": "Pod"}, False),
        ({}, False),
    ],
)
def test_ours(body: Body, expected: bool) -> None:
    assert is_ours(body) is expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (with_head(kind="ProbeConfg"), 'kind: kubeprobe.io has no kind "ProbeConfg"; did you mean ProbeConfig?'),
        (
            with_head(kind=None),
            f"kind: kubeprobe.io has no kind null; known here: {', '.join(sorted(KINDS))}",
        ),
        (
            with_head(apiVersion="kubeprobe.io/v1"),
            'apiVersion: a ProbeConfig is of kubeprobe.io/v1alpha1, not of "kubeprobe.io/v1"; write that',
        ),
        (with_head(metadata="x"), 'metadata: must be an object with a name, not "x"'),
        (with_head(metadata=None), "metadata.name: is required; give the object a name"),
        (with_head(metadata={"name": 5}), "metadata.name: must be text, not 5: put it in quotes"),
        (
            config(name="Etcd_Main"),
            ("metadata.name: \"Etcd_Main\" cannot be a name; use lower-case letters, digits, '-' and '.', at most 253, "
            "with a letter or digit first and last"),
        ),
        (config(evry="5s"), ("spec.evry: there is no such field; known here: concurrency, deliveryFailure, history, "
         "maintenance, mode, params, podOverrides, resident, retries, schedule, severity, "
         "suspend, targets, templateRef, thresholds, timeout, triggers")),
        (config(time_out="5s"), "spec.time_out: there is no such field; did you mean timeout?"),
        (
            config(schedule={"every": "5s", "TIMEZONE": "x"}),
            "spec.schedule.TIMEZONE: there is no such field; did you mean timeZone?",
        ),
        (config(timeout=30), "spec.timeout: must be text, not 30: put it in quotes"),
        (config(thresholds={"failures": "2"}), 'spec.thresholds.failures: must be a whole number, not "2"'),
        (config(thresholds={"failures": 1.5}), "spec.thresholds.failures: must be a whole number, not 1.5"),
        (config(thresholds={"failures": 0}), "spec.thresholds.failures: must be at least 1; it is 0"),
        (config(thresholds={"failures": 101}), "spec.thresholds.failures: must be at most 100; it is 101"),
        (config(thresholds=[1]), "spec.thresholds: must be an object, not [1]"),
        (config(params=[1]), "spec.params: must be an object, not [1]"),
        (config(templateRef={}), "spec.templateRef.name: is required; add it"),
        (config(templateRef={"name": ""}), 'spec.templateRef.name: must have at least 1 characters; it is ""'),
        (config(templateRef={"name": {"a": 1}}), 'spec.templateRef.name: must be text, not {"a": 1}'),
        (config(severity="Fatal"), "spec.severity: must be 'Critical', 'Warning' or 'Info', not \"Fatal\""),
        (
            template(imagePullPolicy="Sometimes"),
            "spec.imagePullPolicy: must be 'Always', 'IfNotPresent' or 'Never', not \"Sometimes\"",
        ),
        (template(command="sh"), 'spec.command: must be a list, not "sh"'),
        (template(modes=[]), "spec.modes: must have at least 1 items; it is []"),
        (template(modes=["Periodic", "Periodic"]), "spec.modes[1]: 'Periodic' is there already; remove one of the two"),
        (template(args=["a"] * 101), f"spec.args: must have at most 100 items; it is {json.dumps(['a'] * 101)[:59]}…"),
        (template(image="i" * 1025), f'spec.image: must have at most 1024 characters; it is "{"i" * 58}…'),
        (
            template(volumes=[{"name": "V", "emptyDir": {}}]),
            'spec.volumes[0].name: must match the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$; it is "V"',
        ),
        (
            template(env=[{"name": "A"}, {"name": "A"}]),
            "spec.env[1]: name A is there already; remove one of the two",
        ),
        (template(params={"type": "list"}), ("spec.params: parameters are an object: write 'type: object', and the "
         "parameters under 'properties'")),
        (
            template(resources={"limits": {"memory": "64 Mi"}}),
            "spec.resources.limits.memory: '64 Mi' is not an amount: write one such as 100m, 1, 64Mi or 1Gi",
        ),
        (
            config(schedule={"every": "-5s"}),
            ("spec.schedule.every: '-5s' is not a duration: write numbers with the units ms, s, m, h or d, "
            "such as 500ms, 30s, 5m or 1h30m"),
        ),
        (
            {**run(configRef={"name": "c"}), "metadata": {"name": "r", "labels": {"a": True}}},
            "metadata.labels.a: must be text, not true: put it in quotes",
        ),
        (
            {**run(configRef={"name": "c"}), "metadata": {"name": "r", "anotations": {}}},
            "metadata.anotations: there is no such field; did you mean annotations?",
        ),
    ],
)  # fmt: skip
def test_a_mistake_has_its_field_and_its_way_out(body: Body, message: str) -> None:
    assert told(body) == [message]


def test_a_time_that_is_none() -> None:
    (message,) = told(run(configRef={"name": "c"}, trigger={"kind": "Schedule", "slot": "yesterday"}))
    assert message.startswith("spec.trigger.slot: Input should be a valid datetime")
    assert message.endswith('; it is "yesterday"')


def test_all_mistakes_are_told_at_once() -> None:
    found = told(config(name="X", evry=1, schedule={"every": "1x"}, thresholds={"failures": 0}))
    assert [one.split(":")[0] for one in found] == [
        "spec.evry",
        "metadata.name",
        "spec.schedule.every",
        "spec.thresholds.failures",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {**config(), "metadata": {"generateName": "r-", "managedFields": [{"a": 1}], "creationTimestamp": None}},
        config(params={"free": {"form": None}}),
        config(timeout=None),
        template(params={"type": "object", "properties": {"anything": {"x": 1}}}),
        template(resources={"requests": {"cpu": 1}, "limits": {"memory": "64Mi"}}),
        config(podOverrides={"labels": {"any": "thing"}}),
        {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeResult", "metadata": {"name": "r"}},
    ],
)
def test_what_an_api_server_takes_passes(body: Body) -> None:
    checked = check_object(body)
    assert checked.problems == ()
    assert checked.model is not None


def test_a_problem_of_the_whole_object_has_no_field() -> None:
    assert str(Problem("", "too long")) == "too long"


def test_items_of_a_keyed_list_that_are_none_are_left_to_the_types() -> None:
    assert told(template(env=["A", "A"]))[0] == "spec.env[1]: 'A' is there already; remove one of the two"
