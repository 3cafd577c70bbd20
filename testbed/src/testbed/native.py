"""The native provider: a whole Kubernetes of processes, network namespaces and control groups on this machine.

`up` is a list of steps each of which brings about a state and does nothing where it is there; so a second `up`, an
`up` after a crash and an `up` after faults are the same thing. `down` takes away what the layout names, whatever
state it is in.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed import controlplane, network, sandbox, services
from testbed import node as nodes_parts
from testbed.cgroup import Cgroup
from testbed.controlplane import Plane
from testbed.errors import TestbedError
from testbed.gobuild import ALL_TOOLS, PAUSE, Builder
from testbed.kubeapi import KubeApi
from testbed.layout import (
    API_PORT,
    DNS_ADDRESS,
    ETCD_PEER_PORT,
    ETCD_PORT,
    HOST_ADDRESS,
    REGISTRY_PORT,
    RUN_ROOT,
    Layout,
    Node,
    cache_root,
)
from testbed.machine import NODE_NEEDS, install, is_root, missing, run, wait_until
from testbed.process import State, Supervisor
from testbed.progress import Progress

_CNI_RESULTS = Path("/var/lib/cni/results")  # libcni takes no other folder
_OWNER = RUN_ROOT / "owner.json"
_API_NAME = "kubernetes.default.svc.cluster.local"


class NativeCluster:
    """One native testbed: `up`, `down`, and its parts by name."""

    def __init__(self, layout: Layout, node_count: int) -> None:
        self.layout = layout
        self.nodes = [layout.node(number) for number in range(1, node_count + 1)]
        self.plane = Plane(
            layout.state, layout.bin, HOST_ADDRESS, ETCD_PORT, ETCD_PEER_PORT, API_PORT, layout.audit_log
        )
        self.cgroup = Cgroup(layout.cgroup)
        self.supervisor = Supervisor(layout.processes, layout.logs, self.cgroup.procs())

    def up(self, progress: Progress, *, claimed: Callable[[], None]) -> None:
        """Bring everything up, and wait until it works; `claimed` is called once the machine is ours to use."""
        if not is_root():
            raise TestbedError(
                "a native testbed needs root (network namespaces, control groups). Run as root, or name a cluster "
                "with --context or KUBECONFIG, or run `testbed up --control-plane-only`, which needs no root"
            )
        builder = Builder(cache_root(), progress.say)
        with _machine_locked(progress.say):
            _claim(self.layout)
            claimed()
            self._make(builder, progress)

    def down(self) -> None:
        """End and take away everything that `up` made, also after a crash half way."""
        with _machine_locked(lambda _: None):
            self._stop_everything()
            if is_root():
                self._release_machine()
            _delete(self.layout.run)
            _delete(self.layout.state)
            if _owner() == str(self.layout.state):
                _OWNER.unlink()

    def node(self, name: str) -> Node:
        """A node by its name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise TestbedError(f"no node {name!r} here; there are: {', '.join(node.name for node in self.nodes)}")

    def _make(self, builder: Builder, progress: Progress) -> None:
        lacking = builder.lacking(ALL_TOOLS)
        packages = [("packages", "Debian packages", 45.0)] if missing(NODE_NEEDS) else []
        builds = [
            (f"build-{tool.name}", f"build {tool.name} ({', '.join(tool.programs)})", tool.expected_seconds)
            for tool in lacking
        ]
        starts: list[tuple[str, str, float, Callable[[Builder], None]]] = [
            ("network", "network of the nodes", 0.5, self._prepare),
            ("control-plane", "etcd and API server", 4.0, self._start_control_plane),
            ("nodes", "containerd, kubelets, kube-proxies", 1.0, self._start_nodes),
            ("ready", "nodes ready, names resolved", 4.0, lambda _: self._wait_ready()),
        ]
        progress.plan([*packages, *builds, *((key, title, seconds) for key, title, seconds, _ in starts)])
        with progress.shown():
            if packages:
                with progress.step("packages"):
                    install(NODE_NEEDS, progress.say)
            for tool in lacking:
                with progress.step(f"build-{tool.name}") as step:
                    builder.build(tool, lambda text, step=step: setattr(step, "detail", text))  # type: ignore[misc]
            for key, _, _, start in starts:
                with progress.step(key):
                    start(builder)

    def _prepare(self, builder: Builder) -> None:
        builder.link(ALL_TOOLS, self.layout.bin)
        self.cgroup.create([node.name for node in self.nodes])
        network.ensure(self.nodes)
        self.plane.write_pki()
        self.plane.kubeconfig(
            self.layout.kubeconfig, "kubeprobe-testbed-admin", "system:masters", cluster=self.layout.name
        )
        for node in self.nodes:
            nodes_parts.write_files(node, self.layout, self.plane)
            _bind(node.root / "kubelet", node.kubelet_root)
            network.heal(node)

    def _start_control_plane(self, builder: Builder) -> None:
        ensure = self.supervisor.ensure
        ensure(services.registry(self.layout))
        for node in self.nodes:  # while the API server starts, the runtimes do
            ensure(nodes_parts.containerd(node))
        ensure(self.plane.etcd())
        self._wait(lambda: services.accepts(HOST_ADDRESS, ETCD_PORT), "etcd listens", controlplane.ETCD)
        ensure(self.plane.apiserver(f"--advertise-address={HOST_ADDRESS}"))
        self._load_sandbox(builder)
        with KubeApi(self.layout.kubeconfig) as api:
            self._wait(api.ready, "the API server is ready", controlplane.ETCD, controlplane.APISERVER)

    def _start_nodes(self, _: Builder) -> None:
        ensure = self.supervisor.ensure
        ensure(self.plane.controller_manager())  # before /readyz its permissions are not there, and it would exit
        ensure(self.plane.scheduler())
        with KubeApi(self.layout.kubeconfig) as api:
            services.apply_dns(api)
        ensure(services.coredns(self.layout, self.plane))
        for node in self.nodes:
            ensure(nodes_parts.kubelet(node, self.layout))
        self._start_proxies()

    def _start_proxies(self) -> None:
        for node in self.nodes:
            name = node.component(nodes_parts.KUBE_PROXY)
            self.supervisor.ensure(nodes_parts.kube_proxy(name, node, self.layout, self.plane))
        ours = nodes_parts.HOST_KUBE_PROXY in self.supervisor.names()
        if not ours and network.host_has_service_rules():
            raise TestbedError(
                "this machine is itself a Kubernetes node (it has kube-proxy's rules): nothing is safe here"
            )
        proxy = nodes_parts.kube_proxy(
            nodes_parts.HOST_KUBE_PROXY, self.nodes[0], self.layout, self.plane, on_host=True
        )
        self.supervisor.ensure(proxy)

    def _load_sandbox(self, builder: Builder) -> None:
        """The sandbox image is loaded, not pulled: pods must start with the registry stopped."""
        archive = self.layout.state / "pause.tar"
        sandbox.write_image(builder.path(PAUSE) / "pause", archive)
        for node in self.nodes:
            containerd = node.component(nodes_parts.CONTAINERD)
            ctr = ["ctr", "--address", str(node.socket), "--namespace", "k8s.io"]
            self._wait(lambda node=node: services.listens(node.socket), f"{containerd} listens", containerd)  # type: ignore[misc]
            if sandbox.SANDBOX_IMAGE not in run([*ctr, "images", "list", "--quiet"]).stdout.split():
                run([*ctr, "images", "import", str(archive)])

    def _wait_ready(self) -> None:
        with KubeApi(self.layout.kubeconfig) as api:
            for node in self.nodes:
                parts = [node.component(part) for part in (nodes_parts.CONTAINERD, nodes_parts.KUBELET)]
                self._wait(lambda node=node: services.node_ready(api, node), f"{node.name} is Ready", *parts)  # type: ignore[misc]
                ranges = {"podCIDR": str(node.pod_range), "podCIDRs": [str(node.pod_range)]}
                api.merge(f"/api/v1/nodes/{node.name}", {"spec": ranges})
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait(lambda: api.get(account) is not None, f"{account} is there", controlplane.CONTROLLER_MANAGER)
        self._wait(lambda: services.dns_answers(HOST_ADDRESS, _API_NAME), "DNS answers", services.COREDNS)
        proxy = nodes_parts.HOST_KUBE_PROXY
        self._wait(lambda: services.dns_answers(DNS_ADDRESS, _API_NAME), f"DNS answers at {DNS_ADDRESS}", proxy)
        self._wait(
            lambda: services.accepts(HOST_ADDRESS, REGISTRY_PORT), "the registry listens", services.REGISTRY_COMPONENT
        )
        self.supervisor.check_alive(*self.supervisor.names())

    def _wait(self, condition: Callable[[], bool], what: str, *components: str) -> None:
        wait_until(condition, what, timeout_seconds=120, alive=lambda: self.supervisor.check_alive(*components))

    def _stop_everything(self) -> None:
        names = self.supervisor.names()
        kubelets = [name for name in names if name.endswith("/" + nodes_parts.KUBELET)]
        for name in (*kubelets, *(name for name in names if name not in kubelets)):
            if self.supervisor.state(name) in (State.RUNNING, State.FROZEN):
                self.supervisor.stop(name, at_once=True)  # its data is deleted in the same breath

    def _release_machine(self) -> None:
        self.cgroup.kill()
        _remove_shim_sockets(self.layout.run)
        _unmount([self.layout.run, self.layout.state])
        if _owner() == str(self.layout.state):  # it was claimed before anything was made
            network.remove(self._every_node())
        self.cgroup.remove()
        _remove_leftovers(self.layout.state, self._every_node())

    def _every_node(self) -> list[Node]:
        """Also those of a record that was lost: a node's folder says that there was one."""
        made = {int(path.name.removeprefix("node-")) for path in (self.layout.state / "nodes").glob("node-*")}
        return [self.layout.node(number) for number in sorted(made | {node.number for node in self.nodes})]


def _owner() -> str | None:
    """The state folder of the testbed that has this machine's bridge, if one has."""
    try:
        return str(json.loads(_OWNER.read_text())["state"])
    except FileNotFoundError:
        return None


def _claim(layout: Layout) -> None:
    owner = _owner()
    if owner not in (None, str(layout.state)):
        name = json.loads(_OWNER.read_text())["name"]
        raise TestbedError(
            f"testbed {name!r} has this machine's bridge and addresses (its state is in {owner}). Use it with "
            f"`--name {name}`, end it with `testbed down --name {name}`, or run a control plane alone beside it: "
            f"`testbed up --control-plane-only --name {layout.name}`"
        )
    network.check_free(owner)
    _OWNER.write_text(json.dumps({"name": layout.name, "state": str(layout.state)}))


@contextmanager
def _machine_locked(say: Callable[[str], None]) -> Iterator[None]:
    """One `up` or `down` at a time."""
    if not is_root():
        yield
        return
    RUN_ROOT.mkdir(parents=True, exist_ok=True)
    with (RUN_ROOT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another `testbed up` or `down` on this machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def mounts_below(mountinfo: str, folders: Sequence[Path]) -> list[str]:
    """The mount points in or below folders, innermost first."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    below = {point for point in points if any(Path(point).is_relative_to(folder) for folder in folders)}
    return sorted(below, key=lambda point: (-point.count("/"), point))


def _bind(source: Path, target: Path) -> None:
    """Give a folder a second name, for all that lies in it."""
    for folder in (source, target):
        folder.mkdir(parents=True, exist_ok=True)
    if str(target) not in mounts_below(Path("/proc/self/mountinfo").read_text(), [target]):
        run(["mount", "--bind", str(source), str(target)])


def _unmount(folders: Sequence[Path]) -> None:
    for _ in range(10):  # several mounts may lie on one point
        points = mounts_below(Path("/proc/self/mountinfo").read_text(), folders)
        if not points:
            return
        for point in points:
            run(["umount", "--lazy", point], check=False)
    raise TestbedError(f"still mounted: {', '.join(points)}. Nothing below {folders} was deleted")


def _remove_shim_sockets(run_folder: Path) -> None:
    """Shims that were killed leave their sockets in a folder that all runtimes of a machine share."""
    for address in run_folder.rglob("io.containerd.runtime.v2.task/*/*/address"):
        path = Path(address.read_text().strip().removeprefix("unix://"))
        if path.parent == Path("/run/containerd/s"):
            path.unlink(missing_ok=True)


def _remove_leftovers(state: Path, nodes: Sequence[Node]) -> None:
    """What kubelet and CNI write outside the folders they are given: links to logs, cached results."""
    for link in Path("/var/log/containers").glob("*.log"):
        with contextlib.suppress(OSError):
            if link.is_symlink() and link.readlink().is_relative_to(state):
                link.unlink()
    for node in nodes:
        for result in _CNI_RESULTS.glob(f"{node.cni_network}-*-eth0"):
            container = result.name.removeprefix(f"{node.cni_network}-").removesuffix("-eth0")
            (_CNI_RESULTS / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
            result.unlink()


def _delete(folder: Path) -> None:
    if mounts_below(Path("/proc/self/mountinfo").read_text(), [folder]):
        raise TestbedError(f"{folder} has mounts in it: nothing in it was deleted")
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)
