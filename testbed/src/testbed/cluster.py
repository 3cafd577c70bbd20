"""The testbed as a program uses it; the command is a thin layer over this."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from testbed import faults, network, standalone
from testbed.errors import TestbedError
from testbed.etcdclient import EtcdClientFiles
from testbed.images import Images
from testbed.kubeapi import KubeApi
from testbed.layout import HOST_ADDRESS, MAX_NODES, REGISTRY, Layout, cache_root, state_root
from testbed.machine import run
from testbed.native import NativeCluster
from testbed.node import HOST_KUBE_PROXY, KUBE_PROXY
from testbed.process import State, Supervisor
from testbed.progress import Durations, Progress, quiet_progress
from testbed.providers import Choice, Kind, Machine, ProviderKind, choose, container_engine, write_existing
from testbed.record import Record
from testbed.shipping import Shipping


class Testbed:
    """One testbed, running or not, by its name."""

    __test__ = False  # not a test class, whatever its name begins with

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def open(cls, name: str = "kubeprobe", state_dir: Path | None = None) -> Testbed:
        """The testbed of a name; nothing is started or looked for yet."""
        return cls(Layout.of(name, state_dir))

    # What it is.

    @property
    def name(self) -> str:
        """Its name."""
        return self.layout.name

    @property
    def record(self) -> Record | None:
        """What it was brought up as; None if it is not up."""
        return Record.read(self.layout.record)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.layout.kubeconfig

    @property
    def api_url(self) -> str:
        """The API server's address."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        context = next(each for each in config["contexts"] if each["name"] == config["current-context"])["context"]
        cluster = next(each for each in config["clusters"] if each["name"] == context["cluster"])
        return str(cluster["cluster"]["server"])

    @property
    def bin_dir(self) -> Path:
        """kubectl and helm, and on a native testbed the cluster's own programs and kwok."""
        return self.layout.bin

    @property
    def registry(self) -> str:
        """The registry that its nodes pull from."""
        return self._up().registry

    @property
    def host_address(self) -> str:
        """Where pods reach a program that runs on this machine."""
        self._native("host_address")
        return HOST_ADDRESS

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one line of metadata per request."""
        return self.layout.audit_log

    @property
    def nodes(self) -> list[str]:
        """The nodes' names."""
        if self._up().provider is ProviderKind.NATIVE:
            return [node.name for node in self._native("nodes").nodes]
        kubectl = [str(self.bin_dir / "kubectl"), "--kubeconfig", str(self.kubeconfig)]
        listed = run([*kubectl, "get", "nodes", "-o", "name"]).stdout.split()
        return [line.removeprefix("node/") for line in listed]

    @property
    def etcd_client(self) -> EtcdClientFiles:
        """A client certificate for the cluster's etcd, made for probes."""
        plane = self._native("etcd_client").plane
        client = plane.etcd_client()
        return EtcdClientFiles(plane.etcd_authority.files.cert, client.cert, client.key, plane.etcd_url)

    @property
    def signing_key(self) -> Path:
        """The private key that service accounts' tokens are signed with."""
        return self._native("signing_key").plane.pki / "service-account.key"

    # Up and down.

    def up(
        self,
        nodes: int | None = None,
        *,
        provider: ProviderKind | None = None,
        context: str = "",
        registry: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Bring it up and wait until it works; what is up already is made whole, faults included."""
        progress = progress or quiet_progress(Durations(cache_root() / "durations.json"))
        choice = self._choice(provider, context)
        record = self.record or Record(choice.kind, nodes or 2, registry or _registry_of(choice.kind), choice.reason)
        if not 1 <= record.nodes <= MAX_NODES:
            raise TestbedError(f"{nodes} nodes: use 1 to {MAX_NODES}")
        if nodes not in (None, record.nodes):
            raise TestbedError(f"testbed {self.name!r} is up with {record.nodes} nodes: `testbed down` first")
        if choice.kind is ProviderKind.NATIVE:
            cluster = NativeCluster(self.layout, record.nodes)
            cluster.up(progress, claimed=lambda: record.write(self.layout.record))
        else:
            self._up_elsewhere(choice, record, progress)

    def down(self) -> None:
        """End it and take away what it made; what it did not make (an existing cluster) is left alone."""
        record = self.record
        if record and record.provider is ProviderKind.KIND:
            Kind(self.name, self.kubeconfig).down()
        if record and record.provider is ProviderKind.CONTROL_PLANE:
            standalone.take_down(self.layout.state)
        if record and record.provider is not ProviderKind.NATIVE:
            shutil.rmtree(self.layout.state)
        else:
            NativeCluster(self.layout, record.nodes if record else 0).down()

    # Its parts.

    def components(self) -> dict[str, State]:
        """Every component and what it is doing."""
        supervisor = self._supervisor()
        return {name: supervisor.state(name) for name in supervisor.names()}

    def log_path(self, component: str) -> Path:
        """A component's log."""
        supervisor = self._supervisor()
        supervisor.record(component)
        return supervisor.log_path(component)

    def stop(self, component: str, *, flush: bool = False) -> None:
        """End a component. `flush` also removes the rules that a node's kube-proxy wrote."""
        node, _, part = component.partition("/")
        if flush and part != KUBE_PROXY:
            raise TestbedError(f"{component}: only a kube-proxy has rules to flush")
        self._supervisor().stop(component)
        if flush and component == HOST_KUBE_PROXY:
            network.flush_host_service_rules()
        elif flush:
            network.flush_service_rules(self._native("flush").node(node))

    def start(self, component: str) -> None:
        """Start a component again as it was."""
        self._supervisor().start(component)

    def freeze(self, component: str) -> None:
        """Hold a component's process still, its connections open."""
        self._supervisor().freeze(component)

    def thaw(self, component: str) -> None:
        """Let it go on."""
        self._supervisor().thaw(component)

    def partition(self, node: str) -> None:
        """Cut a node off the network."""
        network.partition(self._native("partition").node(node))

    def heal(self, node: str) -> None:
        """Connect it again."""
        network.heal(self._native("heal").node(node))

    def cni_remove(self, node: str) -> None:
        """Take a node's CNI configuration away."""
        faults.remove_cni(self._native("cni_remove").node(node))

    def cni_restore(self, node: str) -> None:
        """Write it again."""
        faults.restore_cni(self._native("cni_restore").node(node))

    def exhaust_addresses(self, node: str) -> int:
        """Take all free pod addresses of a node; how many that were."""
        return faults.exhaust_addresses(self._native("exhaust_addresses").node(node))

    def restore_addresses(self, node: str) -> int:
        """Give them back."""
        return faults.restore_addresses(self._native("restore_addresses").node(node))

    # Images, and what probes are given.

    def build(
        self,
        context: Path,
        *,
        tag: str,
        dockerfile: Path | None = None,
        target: str = "",
        build_args: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Build an image."""
        self._shipping(say).build(context, tag=tag, dockerfile=dockerfile, target=target, build_args=build_args or {})

    def push(self, tag: str) -> None:
        """Bring a built image to where the nodes find it."""
        self._shipping(None).push(tag)

    def base_image(self, say: Callable[[str], None] | None = None) -> str:
        """Make and push the Python base image; its name."""
        self._native("base_image")
        images = Images(say or _say)
        images.ensure_python_base()
        images.push(images.python_base)
        return images.python_base

    def has_image(self, reference: str) -> bool:
        """Whether the testbed's registry has an image; of other registries it is not known."""
        return self._shipping(None).has(reference)

    def etcd_secret(self, namespace: str, name: str = "kubeprobe-etcd-client") -> None:
        """Give a namespace the client certificate for etcd, as a Secret with ca.crt, tls.crt and tls.key."""
        with KubeApi(self.kubeconfig) as api:
            self.etcd_client.put(api, namespace, name)

    def environment(self) -> dict[str, str]:
        """The variables with which other programs use this testbed."""
        self._up()
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": f"{self.bin_dir}:{os.environ.get('PATH', '')}"}

    def _up(self) -> Record:
        record = self.record
        if record is None:
            raise TestbedError(f"testbed {self.name!r} is not up: `testbed up --name {self.name}`")
        return record

    def _native(self, wanted: str) -> NativeCluster:
        record = self._up()
        if record.provider is not ProviderKind.NATIVE:
            raise TestbedError(f"{wanted} needs a native testbed; {self.name!r} is {record.provider} ({record.reason})")
        return NativeCluster(self.layout, record.nodes)

    def _shipping(self, say: Callable[[str], None] | None) -> Shipping:
        return Shipping(self._up().provider, Kind(self.name, self.kubeconfig), say or _say)

    def _supervisor(self) -> Supervisor:
        record = self._up()
        if record.provider is ProviderKind.NATIVE:
            return self._native("components").supervisor
        return Supervisor(self.layout.processes, self.layout.logs)

    def _choice(self, provider: ProviderKind | None, context: str) -> Choice:
        record = self.record
        if record and (context or (provider and provider is not record.provider)):
            raise TestbedError(
                f"testbed {self.name!r} is up already as {record.provider} ({record.reason}): "
                f"`testbed down --name {self.name}` first, or take another --name"
            )
        if record:
            return Choice(record.provider, record.reason)
        return choose(self._machine(), context=context, provider=provider)

    def _machine(self) -> Machine:
        return Machine(
            kubeconfig=os.environ.get("KUBECONFIG", ""),
            own_folders=(state_root(), self.layout.state),
            container_engine=container_engine() if shutil.which("kind") else "",
            has_kind=shutil.which("kind") is not None,
            linux=sys.platform == "linux",
            home_kubeconfig=Path.home() / ".kube" / "config",
        )

    def _up_elsewhere(self, choice: Choice, record: Record, progress: Progress) -> None:
        if choice.kind is ProviderKind.EXISTING and self.record is None:
            write_existing(choice, self.kubeconfig)
        record.write(self.layout.record)
        if choice.kind is ProviderKind.CONTROL_PLANE:
            standalone.bring_up(self.layout.state, audit_log=self.audit_log, progress=progress)
            return
        if choice.kind is ProviderKind.KIND:
            Kind(self.name, self.kubeconfig).up(record.nodes, progress.say)
        self.bin_dir.mkdir(exist_ok=True)
        for program in ("kubectl", "helm"):
            found, link = shutil.which(program), self.bin_dir / program
            if found and not link.exists():
                link.symlink_to(found)


def _registry_of(kind: ProviderKind) -> str:
    return {ProviderKind.NATIVE: REGISTRY, ProviderKind.KIND: "kind.local"}.get(kind, "")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
