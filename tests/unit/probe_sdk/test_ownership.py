"""What a probe creates belongs to its run."""

from collections.abc import Callable
from typing import Any

import pytest

from probe_sdk import owned
from probe_sdk.environment import Environment

RUN = Environment(run="etcd-1", run_uid="uid-1", config="etcd", namespace="probes")
LABELS = {"kubeprobe.io/run": "etcd-1", "kubeprobe.io/config": "etcd", "app.kubernetes.io/managed-by": "kubeprobe"}
REFERENCE = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "name": "etcd-1", "uid": "uid-1"}


def test_in_the_run_s_namespace_it_is_labelled_and_owned() -> None:
    other = {"apiVersion": "v1", "kind": "Pod", "name": "other", "uid": "uid-2"}
    manifest = {
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "probes", "labels": {"mine": "yes"}, "ownerReferences": [other]},
    }
    assert owned(manifest, RUN) == {
        "kind": "ConfigMap",
        "metadata": {
            "name": "x",
            "namespace": "probes",
            "labels": {"mine": "yes", **LABELS},
            "ownerReferences": [other, REFERENCE],
        },
    }


def test_the_given_manifest_stays_as_it_was() -> None:
    manifest: dict[str, Any] = {"metadata": {"namespace": "probes", "labels": {}, "ownerReferences": []}}
    owned(manifest, RUN)
    assert manifest == {"metadata": {"namespace": "probes", "labels": {}, "ownerReferences": []}}


@pytest.mark.parametrize("metadata", [{"namespace": "elsewhere"}, {"name": "a-node"}])
def test_elsewhere_or_cluster_scoped_it_is_labelled_only(metadata: dict[str, Any]) -> None:
    assert owned({"metadata": metadata}, RUN)["metadata"] == {**metadata, "labels": LABELS}


def test_an_ad_hoc_run_has_no_config_to_be_labelled_with() -> None:
    run = Environment(run="once", run_uid="uid", namespace="probes")
    assert "kubeprobe.io/config" not in owned({}, run)["metadata"]["labels"]


def test_outside_a_cluster_there_is_nobody_to_own_it(no_environment: Callable[..., None]) -> None:
    assert owned({"metadata": {"labels": None}})["metadata"] == {
        "labels": {"app.kubernetes.io/managed-by": "kubeprobe"}
    }


def test_in_a_pod_the_run_is_the_process_s_own(no_environment: Callable[..., None]) -> None:
    no_environment(RUN="etcd-1", RUN_UID="uid-1", NAMESPACE="probes")
    assert owned({"metadata": {"namespace": "probes"}})["metadata"]["ownerReferences"] == [REFERENCE]
