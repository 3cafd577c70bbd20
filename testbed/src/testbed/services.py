"""What stands beside the control plane on the bridge: cluster DNS and the image registry."""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path

import yaml

from testbed.controlplane import Plane
from testbed.kubeapi import KubeApi
from testbed.layout import CLUSTER_DOMAIN, DNS_ADDRESS, HOST_ADDRESS, REGISTRY, Layout, Node
from testbed.process import ProcessSpec

COREDNS = "coredns"
REGISTRY_COMPONENT = "registry"
_DNS_USER = "kubeprobe-testbed:coredns"
_DNS_PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]

_COREFILE = """\
.:53 {{
    bind {address}
    errors
    health {address}:8080
    ready {address}:8181
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
    prometheus {address}:9153
    cache 5
    loadbalance
}}
"""


def coredns(layout: Layout, plane: Plane) -> ProcessSpec:
    """Cluster DNS; it knows the cluster's names only, since nothing leaves the machine."""
    kubeconfig = plane.kubeconfig(layout.config / "coredns.kubeconfig", _DNS_USER)
    corefile = layout.config / "Corefile"
    corefile.write_text(_COREFILE.format(address=HOST_ADDRESS, domain=CLUSTER_DOMAIN, kubeconfig=kubeconfig))
    return ProcessSpec(COREDNS, (str(layout.bin / "coredns"), "-conf", str(corefile)))


def registry(layout: Layout) -> ProcessSpec:
    """An image registry without TLS, reachable from the nodes and this machine only."""
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(layout.state / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": REGISTRY},
    }
    path = layout.config / "registry.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    env = {"OTEL_TRACES_EXPORTER": "none"}
    return ProcessSpec(REGISTRY_COMPONENT, (str(layout.bin / "registry"), "serve", str(path)), env=env)


def apply_dns(api: KubeApi) -> None:
    """The Service that pods ask, pointed at the process on the bridge, and what that process may read."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    name = "kubeprobe-testbed-coredns"
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    api.apply(
        f"{rbac}/clusterroles/{name}",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
    )
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _DNS_USER}],
    }
    api.apply(f"{rbac}/clusterrolebindings/{name}", binding)
    labels = {"k8s-app": "kube-dns"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": labels},
        "spec": {"clusterIP": DNS_ADDRESS, "ports": _DNS_PORTS},
    }
    api.apply("/api/v1/namespaces/kube-system/services/kube-dns", service)
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [HOST_ADDRESS], "conditions": {"ready": True}}],
        "ports": _DNS_PORTS,
    }
    api.apply("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns", endpoints)


def dns_query(name: str) -> tuple[int, bytes]:
    """The question for a name's address, and the id that its answer carries."""
    number = random.randrange(65536)  # noqa: S311 - it tells answers apart, nothing more
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return number, struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def dns_answers(server: str, name: str, timeout_seconds: float = 0.5) -> bool:
    """Whether a DNS server knows an address for a name."""
    number, query = dns_query(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout_seconds)
        try:
            udp.sendto(query, (server, 53))
            answer = udp.recv(4096)
        except OSError:
            return False
    found, flags, _, answers = struct.unpack(">4H", answer[:8])
    return bool(found == number and flags & 0xF == 0 and answers > 0)


def accepts(address: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((address, port), timeout=0.5):
            return True
    except OSError:
        return False


def listens(path: Path) -> bool:
    """Whether something listens on the socket; one whose process was killed stays in its folder."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.5)
        return client.connect_ex(str(path)) == 0


def node_ready(api: KubeApi, node: Node) -> bool:
    """Whether the API server has the node as Ready."""
    found = api.get(f"/api/v1/nodes/{node.name}")
    conditions = found["status"].get("conditions", []) if found else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
