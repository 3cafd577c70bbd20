"""What becomes of configs in mode Resident: their Deployment or DaemonSet, their targets, and what is said of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubeprobe.plan.found import LABEL_RESIDENT
from probe_sdk.resident.spec import Spec, read_spec
from tests.api.control.conftest import SOON_SECONDS, Operator
from tests.lab.kubectl import eventually

PARAMS = {"type": "object", "properties": {"url": {"type": "string"}, "limit": {"type": "integer", "default": 3}}}
SERVICES = [{"kind": "Service", "params": {"url": "$(SCHEME)://$(HOST):$(PORT)/$(NAME)"}}]


class Prober:
    """One config in mode Resident, and what there is of its prober."""

    def __init__(self, operator: Operator, namespace: str, name: str) -> None:
        self._operator = operator
        self._kubectl = operator.kubectl
        self.namespace = namespace
        self.name = name

    def ask(self, resident: dict[str, Any] | None = None, **spec: Any) -> None:
        """Apply the config."""
        whole = {"interval": "1s", **(resident or {})}
        self._operator.config(
            self.name, self.namespace, mode="Resident", resident=whole, **{"params": {"url": "http://a"}, **spec}
        )

    def get(self, kind: str) -> dict[str, Any] | None:
        return self._kubectl.get(kind, f"{self.name}-resident", self.namespace)

    def there(self, kind: str) -> dict[str, Any]:
        return eventually(f"{kind} of {self.name}", lambda: self.get(kind), SOON_SECONDS, self._story)

    def gone(self, kind: str) -> None:
        eventually(f"no {kind} of {self.name}", lambda: self.get(kind) is None, SOON_SECONDS, self._story)

    def file(self) -> Spec:
        """The prober's file, read as the prober reads it."""
        return read_spec(self.there("configmap")["data"]["resident.json"], "configmap")

    def has_targets(self, *names: str) -> Spec:
        def look() -> bool:
            return sorted(one.name for one in self.file().targets) == sorted(names)

        eventually(f"{self.name} probes {names}", look, SOON_SECONDS, self._story)
        return self.file()

    def condition(self, type_: str) -> dict[str, Any] | None:
        config = self._kubectl.get("probeconfig", self.name, self.namespace) or {}
        conditions = config.get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == type_), None)

    def says(self, type_: str, reason: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            condition = self.condition(type_)
            return condition if condition is not None and condition["reason"] == reason else None

        return eventually(f"{self.name} says {type_} {reason}", look, SOON_SECONDS, self._story)

    def _story(self) -> object:
        return (
            self._kubectl.get("probeconfig", self.name, self.namespace),
            self.get("configmap"),
            self.get("deployment"),
        )


@pytest.fixture
def prober(operator: Operator, namespace: str) -> Prober:
    name = f"r{namespace}"
    operator.template(name, modes=["Periodic", "Resident"], params=PARAMS)
    return Prober(operator, namespace, name)


def template_of(workload: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = workload["spec"]["template"]
    return template


def service(operator: Operator, name: str, namespace: str, **metadata: Any) -> None:
    operator.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, **metadata},
            "spec": {"ports": [{"name": "http", "port": 8080}]},
        }
    )


def test_a_prober_is_a_deployment_with_a_config_map_owned_by_the_config(operator: Operator, prober: Prober) -> None:
    prober.ask({"targets": {"static": [{"name": "one"}, {"name": "two", "params": {"url": "http://b"}}]}})
    deployment, config = prober.there("deployment"), operator.kubectl.get("probeconfig", prober.name, prober.namespace)
    assert config is not None
    for one in (deployment, prober.there("configmap")):
        assert [ref["uid"] for ref in one["metadata"]["ownerReferences"]] == [config["metadata"]["uid"]]
        assert one["metadata"]["labels"][LABEL_RESIDENT] == "true"
    assert deployment["spec"]["replicas"] == 1
    spec = prober.file()
    assert (float(spec.interval), spec.params) == (1.0, {"url": "http://a", "limit": 3})
    assert [(one.name, one.params) for one in spec.targets] == [("one", {}), ("two", {"url": "http://b"})]
    env = {one["name"]: one.get("value") for one in template_of(deployment)["spec"]["containers"][0]["env"]}
    assert env["KUBEPROBE_RESIDENT"] == "/etc/kubeprobe"
    assert env["KUBEPROBE_CONFIG"] == prober.name
    assert prober.says("Available", "ProberStarting")["status"] == "False"
    assert prober.says("TargetsFound", "TargetsFound")["status"] == "True"


def test_other_targets_alone_leave_the_pods_as_they_are_and_other_params_roll_them(prober: Prober) -> None:
    prober.ask({"targets": {"static": [{"name": "one"}]}})
    before = prober.there("deployment")
    prober.ask({"targets": {"static": [{"name": "one"}, {"name": "two"}]}})
    prober.has_targets("one", "two")
    prober.ask({"targets": {"static": [{"name": "three"}]}})
    prober.has_targets("three")
    after = prober.there("deployment")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]

    def rolled() -> bool:
        return template_of(prober.there("deployment")) != template_of(before)

    prober.ask({"targets": {"static": [{"name": "three"}]}}, params={"url": "http://other"})
    eventually("the pods are rolled", rolled, SOON_SECONDS)
    assert prober.file().params["url"] == "http://other"


def test_another_interval_rolls_and_what_is_said_no_more_is_removed(prober: Prober) -> None:
    prober.ask(podOverrides={"nodeSelector": {"disk": "ssd"}})
    before = prober.there("deployment")
    assert template_of(before)["spec"]["nodeSelector"] == {"disk": "ssd"}
    prober.ask({"interval": "2s"})

    def rolled() -> bool:
        template = template_of(prober.there("deployment"))
        return bool(template["metadata"]["annotations"] != template_of(before)["metadata"]["annotations"])

    eventually("the pods are rolled", rolled, SOON_SECONDS)
    assert "nodeSelector" not in template_of(prober.there("deployment"))["spec"]


def test_what_others_change_or_delete_is_put_right(operator: Operator, prober: Prober) -> None:
    prober.ask()
    name, where = f"{prober.name}-resident", ("-n", prober.namespace)
    prober.there("deployment")
    operator.kubectl("scale", "deployment", name, *where, "--replicas=0")
    eventually("it is scaled back", lambda: bool(prober.there("deployment")["spec"]["replicas"] == 1), SOON_SECONDS)
    uid = prober.there("configmap")["metadata"]["uid"]
    operator.kubectl("delete", "configmap", name, *where)
    eventually("it is there again", lambda: prober.there("configmap")["metadata"]["uid"] != uid, SOON_SECONDS)
    assert [one.name for one in prober.file().targets] == [prober.name]


def test_a_suspended_config_has_no_prober_until_it_goes_on(prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    prober.ask(suspend=True)
    prober.gone("deployment")
    prober.gone("configmap")
    assert prober.says("Available", "Suspended")["status"] == "False"
    prober.ask(suspend=False)
    prober.there("deployment")


def test_another_mode_takes_the_prober_away(operator: Operator, prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    patch = {"spec": {"mode": "Periodic", "schedule": {"every": "1h"}, "resident": None}}
    operator.kubectl(
        "patch", "probeconfig", prober.name, "-n", prober.namespace, "--type=merge", "-p", json.dumps(patch)
    )
    prober.gone("deployment")
    prober.gone("configmap")
    eventually("nothing is said of it any more", lambda: prober.condition("Available") is None, SOON_SECONDS)
    assert prober.says("Ready", "Accepted")["status"] == "True"


def test_a_deleted_config_is_not_given_a_prober_again(operator: Operator, prober: Prober) -> None:
    """No garbage collector runs here: what is left is what ownership would take away."""
    prober.ask()
    prober.there("deployment")
    operator.kubectl("delete", "probeconfig", prober.name, "-n", prober.namespace)
    operator.kubectl("delete", "deployment", f"{prober.name}-resident", "-n", prober.namespace)
    other = Prober(operator, prober.namespace, prober.name)
    other.ask()
    assert other.says("Available", "NameTaken")["status"] == "False"  # the ConfigMap is the old one's
    operator.kubectl("delete", "configmap", f"{prober.name}-resident", "-n", prober.namespace)
    other.there("deployment")


def test_each_node_is_a_daemon_set_in_place_of_the_deployment(prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    prober.ask({"eachNode": True})
    prober.there("daemonset")
    prober.gone("deployment")


def test_services_are_found_come_and_go_and_opt_out(operator: Operator, prober: Prober) -> None:
    service(operator, "one", prober.namespace)
    service(operator, "out", prober.namespace, annotations={"kubeprobe.io/probe": "false"})
    service(operator, "elsewhere", "default")
    prober.ask({"targets": {"static": [{"name": "fixed"}], "discover": SERVICES}})
    one, two = f"{prober.namespace}/one:8080", f"{prober.namespace}/two:8080"
    (found,) = (target for target in prober.has_targets("fixed", one).targets if target.name == one)
    address = operator.kubectl.get("service", "one", prober.namespace)
    assert address is not None
    assert found.params == {"url": f"http://{address['spec']['clusterIP']}:8080/one"}
    assert found.labels == {"kind": "Service", "namespace": prober.namespace, "name": "one", "port": "8080"}
    before = prober.there("deployment")["metadata"]["generation"]
    service(operator, "two", prober.namespace)
    prober.has_targets("fixed", one, two)
    operator.kubectl("annotate", "service", "one", "-n", prober.namespace, "kubeprobe.io/probe=false")
    prober.has_targets("fixed", two)
    operator.kubectl("delete", "service", "two", "-n", prober.namespace)
    prober.has_targets("fixed")
    assert prober.there("deployment")["metadata"]["generation"] == before


def test_other_namespaces_are_looked_into_only_if_the_template_says_so(operator: Operator, prober: Prober) -> None:
    other = f"{prober.namespace}-o"
    operator.kubectl("create", "namespace", other)
    service(operator, "there", other)
    discover = [{**SERVICES[0], "namespaces": [other]}]
    prober.ask({"targets": {"static": [{"name": "fixed"}], "discover": discover}})
    condition = prober.says("TargetsFound", "NamespaceNotAllowed")
    assert other in condition["message"]
    prober.has_targets("fixed")
    operator.template(
        prober.name, modes=["Resident"], params=PARAMS, discoverNamespaces={"matchLabels": {"open": prober.namespace}}
    )
    operator.kubectl("label", "namespace", other, f"open={prober.namespace}")
    prober.has_targets("fixed", f"{other}/there:8080")
    prober.says("TargetsFound", "TargetsFound")
    operator.kubectl("delete", "namespace", other, "--wait=false")


def test_a_selector_that_matches_the_prober_leaves_it_out(operator: Operator, prober: Prober) -> None:
    def pod(name: str, address: str, labels: dict[str, str]) -> None:
        container = {"name": "c", "image": "none", "ports": [{"containerPort": 80}]}
        metadata = {"name": name, "namespace": prober.namespace, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
        operator.kubectl.apply(body)
        operator.kubelet(name, prober.namespace, phase="Running", podIP=address, podIPs=[{"ip": address}])

    prober.ask({"targets": {"discover": [{"kind": "Pod"}]}})
    labels = template_of(prober.there("deployment"))["metadata"]["labels"]
    pod("own", "10.9.0.1", labels)
    pod("theirs", "10.9.0.2", {})
    prober.has_targets(f"{prober.namespace}/theirs:80")


def test_a_target_with_wrong_params_is_left_out_and_told(prober: Prober) -> None:
    targets = [{"name": "good"}, {"name": "bad", "params": {"limit": "many"}}]
    prober.ask({"targets": {"static": targets}})
    prober.has_targets("good")
    condition = prober.says("TargetsFound", "InvalidTargets")
    assert condition["status"] == "False"
    assert "spec.resident.targets.static[1] (bad)" in condition["message"]


def test_a_mistake_leaves_the_prober_and_a_revoked_template_does_not(operator: Operator, prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    prober.ask(params={"url": 7})
    assert prober.says("Ready", "InvalidParams")["status"] == "False"
    assert prober.file().params["url"] == "http://a"
    operator.template(prober.name, modes=["Periodic"], params=PARAMS)
    prober.says("Ready", "ModeNotAllowed")
    prober.gone("deployment")
    assert prober.says("Available", "NotReady")["status"] == "False"


def test_a_prober_that_runs_is_said_to(operator: Operator, prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    status = {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}}
    operator.kubectl(
        "patch", "deployment", f"{prober.name}-resident", "-n", prober.namespace, "--subresource=status",
        "--type=merge", "-p", json.dumps(status),
    )  # fmt: skip
    assert prober.says("Available", "ProberRunning")["status"] == "True"


def test_a_run_of_a_resident_config_is_told_why_there_is_none(operator: Operator, prober: Prober) -> None:
    prober.ask()
    prober.there("deployment")
    body = {"configRef": {"name": prober.name}}
    metadata = {"name": "asked", "namespace": prober.namespace}
    operator.kubectl.apply(
        {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "metadata": metadata, "spec": body}
    )
    record = operator.completed("asked", prober.namespace)
    assert (record["verdict"], record["reason"]) == ("Unknown", "ModeNotAllowed")
