"""Where everything lives and which addresses it has: the names that all parts of the testbed share."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError

BRIDGE = "kp0"
HOST_ADDRESS = "10.200.0.1"
HOST_PREFIX = 24
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_FIRST = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
REGISTRY_PORT = 5000
REGISTRY = f"{HOST_ADDRESS}:{REGISTRY_PORT}"
MAX_NODES = 99
RUN_ROOT = Path("/run/kubeprobe-testbed")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


def cache_root() -> Path:
    """What may be thrown away and is made again: built programs, base images."""
    return _home("XDG_CACHE_HOME", ".cache") / "kubeprobe" / "testbed"


def state_root() -> Path:
    """What running testbeds are."""
    return _home("XDG_STATE_HOME", ".local/state") / "kubeprobe" / "testbed"


def check_name(name: str) -> str:
    """A testbed's name is part of paths, network namespaces and cgroups."""
    if not _NAME.fullmatch(name):
        raise TestbedError(f"testbed name {name!r}: use up to 32 lower-case letters, digits and inner hyphens")
    return name


@dataclass(frozen=True)
class Node:
    """One node: a network namespace with its own runtime, kubelet and proxy."""

    testbed: str
    number: int
    root: Path
    run: Path

    @property
    def name(self) -> str:
        """The Node object's name."""
        return f"node-{self.number}"

    @property
    def netns(self) -> str:
        """Its network namespace, as `ip netns` knows it."""
        return f"{self.testbed}-{self.name}"

    @property
    def veth(self) -> str:
        """The host's end of its cable."""
        return f"kp-n{self.number}"

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return f"10.200.0.{10 + self.number}"

    @property
    def pod_range(self) -> ipaddress.IPv4Network:
        """The addresses its pods get."""
        return ipaddress.IPv4Network(f"10.244.{self.number}.0/24")

    @property
    def socket(self) -> Path:
        """The container runtime's socket."""
        return self.run / "containerd.sock"

    @property
    def kubelet_root(self) -> Path:
        """The kubelet's folder, by a short name: it makes sockets there, and a socket's path is 107 bytes at most."""
        return self.run / "kubelet"

    @property
    def cni_config(self) -> Path:
        """The file that tells the runtime how pods get their network."""
        return self.root / "cni" / "10-kubeprobe.conflist"

    @property
    def cni_network(self) -> str:
        """The name of the pod network, which host-local and libcni use in paths."""
        return self.netns

    @property
    def address_leases(self) -> Path:
        """Where host-local keeps one file per address that is taken."""
        return self.root / "cni-leases" / self.cni_network

    def component(self, part: str) -> str:
        """A component's name, such as node-2/kubelet."""
        return f"{self.name}/{part}"


@dataclass(frozen=True)
class Layout:
    """A testbed's folders."""

    name: str
    state: Path
    run: Path

    @classmethod
    def of(cls, name: str, state_dir: Path | None = None) -> Layout:
        """The layout of a testbed by name."""
        check_name(name)
        return cls(name, (state_dir or state_root() / name).absolute(), RUN_ROOT / name)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.state / "kubeconfig"

    @property
    def bin(self) -> Path:
        """Links to the programs of this testbed's versions."""
        return self.state / "bin"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the components."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log per component."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One record per component."""
        return self.state / "processes"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        return self.state / "audit" / "audit.log"

    @property
    def record(self) -> Path:
        """What this testbed is: its provider and size."""
        return self.state / "testbed.json"

    @property
    def cgroup(self) -> str:
        """The group that every process of this testbed is in."""
        return f"kubeprobe-testbed-{self.name}"

    def node(self, number: int) -> Node:
        """A node by number, from 1."""
        return Node(self.name, number, self.state / "nodes" / f"node-{number}", self.run / f"node-{number}")
