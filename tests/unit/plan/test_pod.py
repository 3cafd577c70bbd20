from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at, config, run, template

from kubeprobe.api import ProbeConfig, ProbeTemplate
from kubeprobe.plan.pod import TOLERATED_TAINTS, Place, Site, build_pod, param_environment
from kubeprobe.plan.pod_view import read_pod
from kubeprobe.plan.resolve import Work, of_config
from probe_sdk import wire

SITE = Site("http://10.0.0.1:8080")
ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}


def built(one: ProbeConfig | None = None, of: ProbeTemplate | None = None, name: str = "main-1") -> dict[str, Any]:
    work = of_config(one or config(), of or template(), {})
    assert isinstance(work, Work), work
    return build_pod(run(name), work, SITE, at(0.25))


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    """What the probe sees: of variables of one name the last one, $$ read as the kubelet reads it."""
    env = pod["spec"]["containers"][0]["env"]
    return {one["name"]: one["value"].replace("$$", "$") if "value" in one else one["valueFrom"] for one in env}


def test_the_pod_is_named_owned_and_labelled_after_its_run() -> None:
    meta = built()["metadata"]
    assert (meta["name"], meta["namespace"]) == ("main-1", "probes")
    assert meta["labels"] == {
        wire.LABEL_RUN: "main-1",
        wire.LABEL_CONFIG: "main",
        wire.LABEL_MANAGED: "kubeprobe",
    }
    (owner,) = meta["ownerReferences"]
    assert owner == {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ProbeRun",
        "name": "main-1",
        "uid": "uid-main-1",
        "controller": True,
    }


def test_a_pod_of_many_is_named_by_itself_and_pinned_beside_what_its_config_says() -> None:
    ours = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    work = of_config(config(podOverrides={"tolerations": [ours]}), template(), {})
    assert isinstance(work, Work)
    pod = build_pod(run("main-1"), work, SITE, at(0), Place("main-1-7", "node-7"))
    assert (pod["metadata"]["name"], pod["metadata"]["labels"][wire.LABEL_RUN]) == ("main-1-7", "main-1")
    assert environment(pod)[wire.ENV_RUN] == "main-1"
    term = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-7"]}]}]
    assert pod["spec"]["tolerations"] == [ours, *({"key": key, "operator": "Exists"} for key in TOLERATED_TAINTS)]
    assert "nodeName" not in pod["spec"]
    assert "affinity" not in built()["spec"]


def test_the_view_reads_back_what_was_built() -> None:
    pod = built(of=template(timeout="30s"))
    pod["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    view = read_pod(pod)
    assert (view.run, view.run_uid, view.started_at, view.deadline) == ("main-1", "uid-main-1", at(0.25), at(30.25))


def test_the_pod_meets_the_restricted_pod_security_standard() -> None:
    spec = built()["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (spec["restartPolicy"], spec["enableServiceLinks"]) == ("Never", False)
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize(("timeout", "seconds"), [("1s", 11), ("30s", 40), ("1500ms", 12), ("24h", 86410)])
def test_the_kubelet_ends_a_probe_that_hangs_after_its_last_words(timeout: str, seconds: int) -> None:
    assert built(config(timeout=timeout))["spec"]["activeDeadlineSeconds"] == seconds


def test_every_probe_has_a_token_of_its_own_and_a_place_to_write() -> None:
    spec = built()["spec"]
    token, tmp = spec["volumes"]
    (source,) = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "kubeprobe"
    assert tmp == {"name": "tmp", "emptyDir": {}}
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == [
        "/var/run/secrets/kubeprobe",
        "/tmp",
    ]


@pytest.mark.parametrize(
    ("of_template", "of_config_", "account"),
    [("", "", "default"), ("reader", "", "reader"), ("", "writer", "writer"), ("reader", "writer", "writer")],
)
def test_a_probe_has_access_to_the_cluster_only_as_an_account_that_was_named(
    of_template: str, of_config_: str, account: str
) -> None:
    overrides: dict[str, Any] = {"podOverrides": {"serviceAccountName": of_config_}} if of_config_ else {}
    spec = built(config(**overrides), template(serviceAccountName=of_template))["spec"]
    assert spec["serviceAccountName"] == account
    assert spec["automountServiceAccountToken"] is (account != "default")


def test_the_environment_tells_all_that_a_probe_has_to_know() -> None:
    one = config(params={"host": "etcd-0", "maxLatency": "500ms", "members": [1, 2]})
    env = environment(built(one, template(params=ANY, timeout="30s")))
    assert env["KUBEPROBE_URL"] == "http://10.0.0.1:8080"
    assert env["KUBEPROBE_TOKEN_FILE"] == "/var/run/secrets/kubeprobe/token"
    assert (env["KUBEPROBE_RUN"], env["KUBEPROBE_RUN_UID"]) == ("main-1", "uid-main-1")
    assert (env["KUBEPROBE_CONFIG"], env["KUBEPROBE_NAMESPACE"]) == ("main", "probes")
    assert env["KUBEPROBE_DEADLINE"] == "2026-03-01T12:00:30.250000+00:00"
    assert json.loads(env["KUBEPROBE_PARAMS"]) == {"host": "etcd-0", "maxLatency": "500ms", "members": [1, 2]}
    assert env["KUBEPROBE_NODE"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert env["KUBEPROBE_POD"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert (env["PARAM_HOST"], env["PARAM_MAX_LATENCY"]) == ("etcd-0", "500ms")
    assert "PARAM_MEMBERS" not in env


@pytest.mark.parametrize("secret", ["pa$$word", "$(KUBEPROBE_URL)", "$", "$$$(X)", "$HOME", "plain"])
def test_a_parameter_reaches_the_probe_as_it_was_written(secret: str) -> None:
    """The kubelet replaces $(NAME) and reads $$ as $."""
    pod = built(config(params={"secret": secret}), template(params=ANY))
    for one in pod["spec"]["containers"][0]["env"]:
        assert "$" not in one.get("value", "").replace("$$", "")
    env = environment(pod)
    assert env["PARAM_SECRET"] == secret
    assert json.loads(env["KUBEPROBE_PARAMS"])["secret"] == secret


def test_the_users_own_variables_come_last_the_configs_over_the_templates() -> None:
    one = config(
        params={"host": "a"},
        podOverrides={"env": [{"name": "LEVEL", "value": "debug"}, {"name": "PARAM_HOST", "value": "b"}]},
    )
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    env = environment(built(one, template(params=ANY, env=[{"name": "LEVEL", "value": "info"}, secret])))
    assert (env["LEVEL"], env["PARAM_HOST"]) == ("debug", "b")
    assert env["KEY"] == {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"host": "a"}, {"PARAM_HOST": "a"}),
        ({"maxLatency": 1.5}, {"PARAM_MAX_LATENCY": "1.5"}),
        ({"max-latency": 2}, {"PARAM_MAX_LATENCY": "2"}),
        ({"http2Port": 80}, {"PARAM_HTTP2_PORT": "80"}),
        ({"on": True, "off": False}, {"PARAM_ON": "true", "PARAM_OFF": "false"}),
        ({"none": None, "list": ["a"], "map": {"a": 1}}, {}),
        ({}, {}),
    ],
)
def test_scalar_parameters_are_variables(params: dict[str, Any], expected: dict[str, str]) -> None:
    assert param_environment(params) == expected


def test_overrides_join_the_template() -> None:
    of = template(
        command=["python", "-m", "etcd"],
        args=["--host=$(PARAM_HOST)"],
        resources={"requests": {"cpu": "50m"}},
        volumes=[{"name": "ca", "configMap": {"name": "ca"}}],
        volumeMounts=[{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    )
    overrides: dict[str, Any] = {
        "nodeSelector": {"kubernetes.io/hostname": "node-1"},
        "tolerations": [{"operator": "Exists"}],
        "resources": {"limits": {"memory": "64Mi"}},
        "labels": {"team": "a", wire.LABEL_RUN: "forged", wire.LABEL_MANAGED: "forged"},
        "annotations": {"note": "x", "kubeprobe.io/deadline": "forged"},
        "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
    }
    pod = built(config(podOverrides=overrides), of)
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "node-1"}
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert [volume["name"] for volume in spec["volumes"]] == ["kubeprobe-token", "tmp", "ca", "tls"]
    assert container["volumeMounts"][2:] == [
        {"name": "ca", "mountPath": "/ca", "readOnly": True},
        {"name": "tls", "mountPath": "/tls"},
    ]
    assert (container["command"], container["args"]) == (["python", "-m", "etcd"], ["--host=$(PARAM_HOST)"])
    assert container["resources"] == {"requests": {}, "limits": {"memory": "64Mi"}}
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["labels"][wire.LABEL_RUN] == "main-1"
    assert pod["metadata"]["labels"][wire.LABEL_MANAGED] == "kubeprobe"
    assert pod["metadata"]["annotations"]["note"] == "x"
    assert pod["metadata"]["annotations"]["kubeprobe.io/deadline"] != "forged"


def test_what_nobody_asked_for_is_left_to_the_image() -> None:
    pod = built()
    (container,) = pod["spec"]["containers"]
    assert not {"command", "args", "resources"} & container.keys()
    assert not {"nodeSelector", "tolerations"} & pod["spec"].keys()
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_run_for_itself_names_no_config() -> None:
    work = of_config(config(), template(), {})
    assert isinstance(work, Work)
    alone = Work(work.template, "", {}, 60.0, work.delivery, work.overrides)
    pod = build_pod(run("alone"), alone, SITE, at(0))
    assert wire.LABEL_CONFIG not in pod["metadata"]["labels"]
    assert environment(pod)["KUBEPROBE_CONFIG"] == ""


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()))
def test_any_parameters_make_a_manifest_that_is_json(params: dict[str, Any]) -> None:
    work = of_config(config(), template(), {})
    assert isinstance(work, Work)
    pod = build_pod(run(), Work(work.template, "main", params, 60.0, work.delivery, work.overrides), SITE, at(0))
    assert json.loads(environment(pod)["KUBEPROBE_PARAMS"]) == params
    json.dumps(pod)


def test_a_run_of_one_node_runs_there_or_nowhere_however_the_node_is() -> None:
    work = of_config(config(podOverrides={"tolerations": [{"key": "gpu", "operator": "Exists"}]}), template(), {})
    assert isinstance(work, Work)
    spec = build_pod(run(node="node-2"), work, SITE, at(0))["spec"]
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = required["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}
    tolerated = {one["key"] for one in spec["tolerations"]}
    assert {"gpu", "node.kubernetes.io/not-ready", "node.kubernetes.io/unschedulable"} <= tolerated
    assert "nodeName" not in spec
    assert "affinity" not in built()["spec"]
