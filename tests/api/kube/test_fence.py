"""The fence against a real API server: what is held back in the last moment has not reached it."""

from __future__ import annotations

import uuid
from itertools import chain, repeat

import pytest

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.fence import Fence, NotLeadingError
from kubeprobe.kube.port import ApiError, Object, Resource
from testbed import ControlPlane

CONFIGMAPS = Resource("", "v1", "configmaps")


def deposed_after(api: Client, looks: int) -> Fence:
    """The fence of a leader that finds itself deposed after so many looks, as one that was frozen in between does."""
    answers = chain(repeat(True, looks), repeat(False))
    return Fence(api, lambda: next(answers))


def body(name: str) -> Object:
    metadata = {"name": name, "labels": {"test": name}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": "first"}}


@pytest.mark.parametrize("looks", [0, 1])
async def test_a_replica_deposed_before_the_bytes_leave_writes_nothing(control_plane: ControlPlane, looks: int) -> None:
    name = f"fenced-{uuid.uuid4().hex[:8]}"
    async with await connect(control_plane.kubeconfig) as api:
        uid = (await api.create(CONFIGMAPS, "default", body(name)))["metadata"]["uid"]
        with pytest.raises(NotLeadingError):
            await deposed_after(api, looks).create(CONFIGMAPS, "default", body(f"{name}-new"))
        with pytest.raises(NotLeadingError):
            await deposed_after(api, looks).merge_patch(CONFIGMAPS, "default", name, {"data": {"value": "second"}})
        with pytest.raises(NotLeadingError):
            await deposed_after(api, looks).delete(CONFIGMAPS, "default", name, uid=uid)
        with pytest.raises(NotLeadingError):
            await deposed_after(api, looks).delete_collection(CONFIGMAPS, "default", label_selector=f"test={name}")
        assert (await api.get(CONFIGMAPS, "default", name))["data"] == {"value": "first"}
        with pytest.raises(ApiError, match="not found"):
            await api.get(CONFIGMAPS, "default", f"{name}-new")


async def test_a_leader_writes(control_plane: ControlPlane) -> None:
    name = f"fenced-{uuid.uuid4().hex[:8]}"
    async with await connect(control_plane.kubeconfig) as api:
        fence = deposed_after(api, 1000)
        uid = (await fence.create(CONFIGMAPS, "default", body(name)))["metadata"]["uid"]
        await fence.merge_patch(CONFIGMAPS, "default", name, {"data": {"value": "second"}})
        await fence.delete(CONFIGMAPS, "default", name, uid=uid)
        with pytest.raises(ApiError, match="not found"):
            await api.get(CONFIGMAPS, "default", name)
