"""Who callers are and what they may, asked of a real API server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.reviews import ClusterReviews
from testbed import ControlPlane
from tests.api.conftest import Server


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Client]:
    async with await connect(control_plane.kubeconfig) as client:
        yield client


@pytest.fixture
def account(server: Server) -> str:
    """A service account that may get one gate and nothing else."""
    name = f"ci-{uuid.uuid4().hex[:8]}"
    server.kubectl("create", "serviceaccount", name, "-n", "default")
    server.kubectl(
        "create", "clusterrole", name, "--verb=get,announce", "--resource=changegates.kubeprobe.io",
        "--resource-name=mine",
    )  # fmt: skip
    server.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount=default:{name}")
    return name


@pytest.mark.usefixtures("crds")
async def test_a_callers_rights_are_those_that_the_cluster_gives(server: Server, api: Client, account: str) -> None:
    reviews = ClusterReviews(api)
    caller = await reviews.who(server.kubectl("create", "token", account, "-n", "default").strip())
    assert caller is not None
    assert caller.name == f"system:serviceaccount:default:{account}"
    assert "system:serviceaccounts" in caller.groups
    for verb, gate, allowed in (
        ("get", "mine", True),
        ("announce", "mine", True),
        ("get", "another", False),
        ("override", "mine", False),
        ("list", "", False),
    ):
        assert await reviews.may(caller, verb, gate) is allowed


async def test_a_token_for_somebody_else_or_nobody_is_not_known(server: Server, api: Client, account: str) -> None:
    reviews = ClusterReviews(api)
    for_probes = server.kubectl("create", "token", account, "-n", "default", "--audience", "kubeprobe").strip()
    for token in (for_probes, "made-up", "a.b.c"):
        assert await reviews.who(token) is None
