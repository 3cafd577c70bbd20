"""Nodes as network namespaces on a bridge, with no way out of the machine.

A packet for the service range that no kube-proxy rule has rewritten ends in a cable with nobody at its end, as it
would end in a network that knows no such address: on a node whose kube-proxy lost its rules, nothing answers. (Sent
to the bridge it would reach the host, whose own proxy would help it on, and hide the fault.)
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from testbed.errors import TestbedError
from testbed.layout import BRIDGE, HOST_ADDRESS, HOST_PREFIX, SERVICE_RANGE, Node
from testbed.machine import run

_PROXY_TABLES = ("ip", "ip6")
_FORWARD = ("FORWARD", "--in-interface", BRIDGE, "--out-interface", BRIDGE, "--jump", "ACCEPT")


def bridge_exists() -> bool:
    """Whether a bridge of our name is there, whoever made it."""
    return _interface_exists(BRIDGE)


def ensure(nodes: Sequence[Node]) -> None:
    """The bridge, the nodes' namespaces and every route; what is there already is kept."""
    if not bridge_exists():
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{HOST_ADDRESS}/{HOST_PREFIX}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    run(["ip", "route", "replace", SERVICE_RANGE, "dev", BRIDGE, "src", HOST_ADDRESS])
    _let_nodes_talk()
    for node in nodes:
        _ensure_namespace(node)
        _ensure_cable(node)
        run(["ip", "route", "replace", str(node.pod_range), "via", node.address, "dev", BRIDGE])
    for node in nodes:
        for other in nodes:
            if other != node:
                in_node(node, "ip", "route", "replace", str(other.pod_range), "via", other.address)


def partition(node: Node) -> None:
    """Pull the node's cable, at the host's end: the routes inside stay, as they do on a real node."""
    run(["ip", "link", "set", node.veth, "down"])


def heal(node: Node) -> None:
    """Plug it in again."""
    run(["ip", "link", "set", node.veth, "up"])


def in_node(node: Node, *argv: str, check: bool = True) -> str:
    """Run a program in a node's network."""
    return run(["nsenter", f"--net=/run/netns/{node.netns}", "--", *argv], check=check).stdout


def flush_service_rules(node: Node) -> None:
    """Remove what kube-proxy wrote into a node's network."""
    for family in _PROXY_TABLES:
        in_node(node, "nft", "delete", "table", family, "kube-proxy", check=False)


def flush_host_service_rules() -> None:
    """Remove what the host's own kube-proxy wrote."""
    for family in _PROXY_TABLES:
        run(["nft", "delete", "table", family, "kube-proxy"], check=False)


def host_has_service_rules() -> bool:
    """Whether some kube-proxy has written rules for this machine itself."""
    return any(
        run(["nft", "list", "table", family, "kube-proxy"], check=False).returncode == 0 for family in _PROXY_TABLES
    )


def remove(nodes: Sequence[Node]) -> None:
    """Take away namespaces, cables, bridge and the host's rules, in whatever state they are."""
    for node in nodes:
        run(["ip", "link", "delete", node.veth], check=False)
        run(["ip", "netns", "delete", node.netns], check=False)
    run(["ip", "link", "delete", BRIDGE], check=False)
    flush_host_service_rules()
    run(["iptables", "--delete", *_FORWARD], check=False)


def _interface_exists(name: str) -> bool:
    """Asked of the kernel, not of /sys, which may show another namespace's."""
    return any(name == found for _, found in socket.if_nameindex())


def _let_nodes_talk() -> None:
    """Docker's hosts pass bridged packets through a FORWARD chain that drops what it does not know."""
    if not _bridge_is_filtered() or run(["iptables", "--check", *_FORWARD], check=False).returncode == 0:
        return
    if "-P FORWARD DROP" in run(["iptables", "--list-rules", "FORWARD"], check=False).stdout:
        run(["iptables", "--insert", *_FORWARD])


def _bridge_is_filtered() -> bool:
    path = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    return path.exists() and path.read_text().strip() == "1"


def _ensure_namespace(node: Node) -> None:
    if not Path(f"/run/netns/{node.netns}").exists():
        run(["ip", "netns", "add", node.netns])
    in_node(node, "ip", "link", "set", "lo", "up")
    in_node(node, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def _ensure_cable(node: Node) -> None:
    if not _interface_exists(node.veth):
        run(["ip", "link", "add", node.veth, "type", "veth", "peer", "name", "eth0", "netns", node.netns])
    run(["ip", "link", "set", node.veth, "master", BRIDGE, "up"])
    in_node(node, "ip", "address", "replace", f"{node.address}/{HOST_PREFIX}", "dev", "eth0")
    in_node(node, "ip", "link", "set", "eth0", "up")
    if not in_node(node, "ip", "link", "show", "services", check=False):
        in_node(node, "ip", "link", "add", "services", "type", "veth", "peer", "name", "nobody")
    for end in ("services", "nobody"):  # without ARP a packet is sent at once, to an address that is not the other's
        in_node(node, "ip", "link", "set", end, "arp", "off", "up")
    in_node(node, "ip", "route", "replace", SERVICE_RANGE, "dev", "services", "src", node.address)


def check_free(owner: str | None) -> None:
    """A bridge of our name that nobody recorded is not ours to use."""
    if owner is None and bridge_exists():
        raise TestbedError(
            f"bridge {BRIDGE} is there, and no testbed recorded it: `ip link delete {BRIDGE}` if it is a leftover"
        )
