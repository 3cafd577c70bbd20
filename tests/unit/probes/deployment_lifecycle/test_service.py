"""Which part of the way to a Service is blamed, by which ways in still work."""

from dataclasses import dataclass

import pytest
from tests.unit.probes.cluster.objects import pod

from cluster.names import NotResolvedError
from cluster.reach import NotReachedError
from deployment_lifecycle import service
from deployment_lifecycle.service import Ways
from probe_sdk import ProbeFailure

CLUSTER_IP, POD_IP = "10.96.7.7", "10.244.2.3"
SERVICE_SILENT, POD_SILENT = {CLUSTER_IP}, {POD_IP}
NOTHING: set[str] = set()
RESOLV_CONF = "search probes.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n"


@dataclass
class Network:
    """What resolves to what, and which addresses are silent."""

    addresses: list[str]
    silent: set[str]

    async def resolve(self, _name: str, _seconds: float) -> list[str]:
        if not self.addresses:
            raise NotResolvedError("temporary failure in name resolution")
        return self.addresses

    async def fetch(self, address: str, _port: int) -> str:
        if address in self.silent:
            raise NotReachedError("no connect within 1s")
        return "subject"

    async def fetch_within(self, address: str, port: int, _seconds: float) -> str:
        return await self.fetch(address, port)

    async def resolver_says(self, name: str, _resolv_conf: str) -> str:
        return f"resolver 10.96.0.10 refuses connections for {name}"


def ways(monkeypatch: pytest.MonkeyPatch, addresses: list[str], silent: set[str]) -> Ways:
    network = Network(addresses, silent)
    for name in ("resolve", "fetch", "fetch_within", "resolver_says"):
        monkeypatch.setattr(service, name, getattr(network, name))
    monkeypatch.setattr(service, "read_resolv_conf", lambda: RESOLV_CONF)
    monkeypatch.setenv("KUBEPROBE_NODE", "node-1")
    subject = pod("node-2", podIP=POD_IP)
    return Ways("subject", "probes", CLUSTER_IP, subject, 8080)


@pytest.mark.parametrize(
    ("silent", "says", "look_at"),
    [
        (NOTHING, f"its ClusterIP {CLUSTER_IP} answers", "CoreDNS (the resolver behind 10.96.0.10)"),
        (SERVICE_SILENT, f"the pod {POD_IP} on node-2 answers directly", "kube-proxy on node node-1"),
        (SERVICE_SILENT | POD_SILENT, "nor does the pod", "the pod network between node node-1 and node node-2"),
    ],
)
async def test_a_name_that_does_not_resolve(
    monkeypatch: pytest.MonkeyPatch, silent: set[str], says: str, look_at: str
) -> None:
    with pytest.raises(ProbeFailure) as failure:
        await ways(monkeypatch, [], silent).resolve(0.1)
    text = str(failure.value.errors[0])
    assert "resolve: the name subject.probes.svc.cluster.local does not resolve" in text
    assert "resolver 10.96.0.10 refuses connections for subject.probes.svc.cluster.local" in text
    assert says in text
    assert f"look at {look_at}" in text


@pytest.mark.parametrize(
    ("silent", "look_at"),
    [
        (SERVICE_SILENT, "kube-proxy on node node-1"),
        (SERVICE_SILENT | POD_SILENT, "the pod network between node node-1 and node node-2"),
    ],
)
async def test_a_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, silent: set[str], look_at: str) -> None:
    with pytest.raises(ProbeFailure) as failure:
        await ways(monkeypatch, [CLUSTER_IP], silent).reach(0.1)
    assert f"look at {look_at}" in str(failure.value.errors[0])


async def test_the_name_of_another_address_is_a_fault_of_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProbeFailure, match=r"resolves to 10.9.9.9 instead of .* 10.96.7.7; look at CoreDNS"):
        await ways(monkeypatch, ["10.9.9.9"], NOTHING).resolve(0.1)


async def test_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    way = ways(monkeypatch, [CLUSTER_IP], NOTHING)
    await way.resolve(0.1)
    await way.reach(0.1)
