"""What the chart installs for gates, by its values."""

from __future__ import annotations

import pytest

from tests.lab.chart import ChartError, render

POLICIES = [
    ("ValidatingAdmissionPolicy", "kubeprobe-gates-enforce"),
    ("ValidatingAdmissionPolicy", "kubeprobe-gates-warn"),
    ("ValidatingAdmissionPolicyBinding", "kubeprobe-gates-enforce"),
    ("ValidatingAdmissionPolicyBinding", "kubeprobe-gates-warn"),
]
OFF = ("--set", "gates.enforcement.enabled=false")


def admission(*options: str, **more: str) -> list[tuple[str, str]]:
    found = [(one["kind"], one["metadata"]["name"]) for one in render(*options, **more)]
    return sorted(one for one in found if one[0].startswith("Validating"))


def test_it_brings_the_policies_and_off_is_one_value() -> None:
    assert admission() == POLICIES
    assert admission(*OFF) == []


def test_a_cluster_that_has_no_policies_is_told_the_way_out() -> None:
    with pytest.raises(ChartError, match=r"gates\.enforcement\.enabled=false"):
        render(kubernetes="1.29.4")
    assert admission(*OFF, kubernetes="1.29.4") == []


def test_every_namespace_is_all_but_the_one_that_it_is_in() -> None:
    policy = next(one for one in render(namespace="elsewhere") if one["kind"] == "ValidatingAdmissionPolicy")
    assert "'elsewhere'" in policy["spec"]["matchConditions"][0]["expression"]


def test_the_webhook_is_there_when_it_is_asked_for() -> None:
    on = ("--set", "gates.webhook.enabled=true", "--set", "gates.webhook.port=9000")
    assert ("ValidatingWebhookConfiguration", "kubeprobe-webhook") in admission(*on)
    objects = {(one["kind"], one["metadata"]["name"]): one for one in render(*on)}
    pod = objects["Deployment", "kubeprobe"]["spec"]["template"]["spec"]["containers"][0]
    assert {"--webhook-service=kubeprobe-system/kubeprobe-webhook", "--webhook-port=9000"} <= set(pod["args"])
    assert {"name": "webhook", "containerPort": 9000} in pod["ports"]
    selector = objects["Service", "kubeprobe-webhook"]["spec"]["selector"]
    assert "kubeprobe.io/leader" not in selector, "every replica answers"
    (hook,) = objects["ValidatingWebhookConfiguration", "kubeprobe-webhook"]["webhooks"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"], hook["sideEffects"]) == ("Ignore", 3, "None")


def test_nothing_of_the_webhook_is_there_or_granted_otherwise() -> None:
    chart = render()
    assert not [one for one in chart if "kubeprobe-webhook" in str(one)]
    assert not [one for one in chart if "subjectaccessreviews" in str(one)]


def test_who_may_override_gates_is_the_platform_teams_to_say() -> None:
    roles = {one["metadata"]["name"]: one for one in render() if one["kind"] == "ClusterRole"}
    overriding = {name for name, role in roles.items() if any("override" in rule["verbs"] for rule in role["rules"])}
    assert overriding == {"kubeprobe-gate-admin", "kubeprobe-gate-override"}
    assert "rbac.authorization.k8s.io/aggregate-to-edit" not in roles["kubeprobe-gate-admin"]["metadata"]["labels"]
    assert not [label for label in roles["kubeprobe-gate-override"]["metadata"]["labels"] if "aggregate" in label]
    (rule,) = roles["kubeprobe-view"]["rules"]
    assert {"changegates", "changes"} <= set(rule["resources"])


def test_names_of_services_fit_whatever_the_release_is_called() -> None:
    chart = render("--set", "gates.webhook.enabled=true", release="r" * 53)
    names = [one["metadata"]["name"] for one in chart if one["kind"] == "Service"]
    assert len(names) == len(set(names)) == 3
    assert [name for name in names if len(name) > 63] == []
