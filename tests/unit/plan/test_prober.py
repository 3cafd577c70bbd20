"""The manifests of a resident prober."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import config, template

from kubeprobe.api import ProbeConfig
from kubeprobe.plan.found import Target
from kubeprobe.plan.owned import DIGEST
from kubeprobe.plan.pod import Site
from kubeprobe.plan.prober import FILE, PAGE_PORT, build_config_map, build_workload
from kubeprobe.plan.resolve import Work, of_config
from probe_sdk import wire
from probe_sdk.environment import PAGE_PORT as USUAL_PAGE_PORT
from probe_sdk.resident.spec import SPEC_FILE, Spec, read_spec

SITE = Site("http://10.0.0.1:8080")
TARGETS = (Target("a", {}, {}), Target("b", {"url": "http://b"}, {"team": "x"}))


def resident(**words: Any) -> ProbeConfig:
    spec = words.pop("spec", {})
    return config(mode="Resident", schedule=None, resident={"interval": "1s", **words}, **spec)


def work_of(one: ProbeConfig, **spec: Any) -> Work:
    params = {"type": "object", "additionalProperties": True}
    work = of_config(one, template(**{"modes": ["Resident"], "params": params, **spec}), {})
    assert isinstance(work, Work), work
    return work


def built(one: ProbeConfig | None = None, **spec: Any) -> dict[str, Any]:
    one = one or resident()
    return build_workload(one, work_of(one, **spec), SITE)


def file_of(one: ProbeConfig, *targets: Target) -> Spec:
    return read_spec(build_config_map(one, work_of(one), targets)["data"][FILE], "test")


def test_names_are_those_of_the_sdk() -> None:
    assert (FILE, PAGE_PORT) == (SPEC_FILE, USUAL_PAGE_PORT)


@pytest.mark.parametrize("each_node", [False, True])
def test_all_of_it_is_named_owned_and_labelled_after_its_config(each_node: bool) -> None:
    one = resident(eachNode=each_node)
    for manifest in (built(one), build_config_map(one, work_of(one), TARGETS)):
        meta = manifest["metadata"]
        assert (meta["name"], meta["namespace"]) == ("main-resident", "probes")
        assert meta["labels"] == {
            wire.LABEL_CONFIG: "main",
            wire.LABEL_MANAGED: "kubeprobe",
            "kubeprobe.io/resident": "true",
        }
        assert [(ref["kind"], ref["uid"], ref["controller"]) for ref in meta["ownerReferences"]] == [
            ("ProbeConfig", "uid-main", True)
        ]


def test_the_sdk_reads_from_the_file_what_the_config_says() -> None:
    params = {"url": "http://a"}
    spec = file_of(resident(interval="10ms", perTarget=3, failures=2, successes=4, spec={"params": params}), *TARGETS)
    assert (float(spec.interval), spec.per_target, spec.failures, spec.successes) == (0.01, 3, 2, 4)
    assert (spec.timeout, spec.window, spec.params) == (None, 0, params)
    assert [(one.name, one.params, one.labels) for one in spec.targets] == [
        ("a", {}, {}),
        ("b", {"url": "http://b"}, {"team": "x"}),
    ]
    windowed = file_of(resident(timeout="1s500ms", window=20, ratio=0.25))
    assert (windowed.timeout, windowed.window, windowed.ratio, windowed.targets) == (1.5, 20, 0.25, ())


def test_the_pod_is_restricted_and_knows_where_its_file_and_its_token_are() -> None:
    pod = built()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env[wire.ENV_RESIDENT] == "/etc/kubeprobe"
    assert env[wire.ENV_PAGE_PORT] == str(PAGE_PORT)
    assert (env[wire.ENV_URL], env[wire.ENV_CONFIG], env[wire.ENV_NAMESPACE]) == (SITE.intake_url, "main", "probes")
    assert wire.ENV_RUN not in env
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert mounts["kubeprobe-resident"] == env[wire.ENV_RESIDENT]
    assert volumes["kubeprobe-resident"]["configMap"] == {"name": "main-resident"}
    (source,) = volumes["kubeprobe-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "kubeprobe"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["livenessProbe"]["httpGet"]["port"] == PAGE_PORT
    assert "restartPolicy" not in pod


def test_labels_by_which_it_is_known_win_over_the_users() -> None:
    overrides = {"labels": {"team": "x", wire.LABEL_CONFIG: "other"}, "annotations": {"note": "y"}}
    spec = built(resident(spec={"podOverrides": overrides}))["spec"]
    metadata = spec["template"]["metadata"]
    assert metadata["labels"]["team"] == "x"
    assert metadata["annotations"]["note"] == "y"
    assert spec["selector"]["matchLabels"].items() <= metadata["labels"].items()


def test_a_change_leaves_no_gap() -> None:
    deployment, daemon_set = built(), built(resident(eachNode=True))
    assert (deployment["kind"], deployment["spec"]["replicas"]) == ("Deployment", 1)
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert (daemon_set["kind"], "replicas" in daemon_set["spec"]) == ("DaemonSet", False)
    assert daemon_set["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": "10%", "maxUnavailable": 0}


@pytest.mark.parametrize(
    "other",
    [
        resident(interval="2s"),
        resident(timeout="2s"),
        resident(failures=2),
        resident(window=5, ratio=0.5),
        resident(spec={"params": {"url": "b"}}),
        resident(spec={"podOverrides": {"nodeSelector": {"a": "b"}}}),
    ],
)
def test_another_rate_or_other_params_make_another_pod(other: ProbeConfig) -> None:
    before, after = built(), built(other)
    assert before["spec"]["template"] != after["spec"]["template"]
    assert before["metadata"]["annotations"][DIGEST] != after["metadata"]["annotations"][DIGEST]


def test_another_image_makes_another_pod_and_other_targets_do_not() -> None:
    assert built(image="probe:2") != built()
    assert built(resident(targets={"static": [{"name": "a"}]})) == built()
    assert built(resident(failWhen="All")) == built()  # the operator's to judge, not the prober's
