"""What a subject pod is made of: restricted, quick to end, placed where the parameters say."""

import httpx
import pytest

from cluster.api import Api
from cluster.config import ApiConfig
from cluster.subject import Subject, SubjectParams, plan_subject
from probe_sdk import ProbeFailure

IMAGE = "registry.example/probes:1"


async def plan(**chosen: object) -> Subject:
    """Where an image is named, no request is made: the client has nowhere to go."""
    async with httpx.AsyncClient() as client:
        api = Api(ApiConfig("https://nowhere.invalid", "probes"), client)
        return await plan_subject(api, SubjectParams.model_validate(chosen), "pod-lifecycle")


async def test_subject_meets_the_restricted_standard() -> None:
    spec = (await plan(image=IMAGE)).pod_spec(readiness_probe=True)
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False


async def test_subject_is_told_to_end_by_its_kubelet() -> None:
    # With 0 the API server would remove the pod without asking the kubelet, and nothing would be tested.
    assert (await plan(image=IMAGE)).pod_spec(readiness_probe=True)["terminationGracePeriodSeconds"] == 1


async def test_node_and_selector_both_hold() -> None:
    subject = await plan(image=IMAGE, node="node-2", nodeSelector={"zone": "a"}, pullPolicy="Always", port=9000)
    spec = subject.pod_spec(readiness_probe=True)
    assert spec["nodeSelector"] == {"zone": "a", "kubernetes.io/hostname": "node-2"}
    container = spec["containers"][0]
    assert container["imagePullPolicy"] == "Always"
    assert container["command"][-1] == "9000"
    assert container["readinessProbe"]["httpGet"]["port"] == 9000


async def test_each_subject_has_a_name_of_its_own() -> None:
    first, second = await plan(image=IMAGE), await plan(image=IMAGE)
    assert first.name != second.name
    assert len(first.name) <= 63


async def test_own_image_is_unknown_outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEPROBE_POD", raising=False)
    with pytest.raises(ProbeFailure, match="`image` is needed outside a cluster"):
        await plan()
