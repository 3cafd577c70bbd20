"""Ways to break a node that are not the stop of a process; each has its way back."""

from __future__ import annotations

import contextlib

from testbed.layout import Node
from testbed.node import write_cni_config

_MARK = "kubeprobe-testbed: taken on purpose"


def remove_cni(node: Node) -> None:
    """Take the pod network's configuration away: the runtime notices and the node is not ready any more."""
    node.cni_config.unlink(missing_ok=True)


def restore_cni(node: Node) -> None:
    """Write it again."""
    write_cni_config(node)


def exhaust_addresses(node: Node) -> int:
    """Take every pod address of the node that is free; how many that were."""
    node.address_leases.mkdir(parents=True, exist_ok=True)
    taken = 0
    for address in node.pod_range.hosts():
        with contextlib.suppress(FileExistsError), (node.address_leases / str(address)).open("x") as lease:
            lease.write(_MARK)
            taken += 1
    return taken


def restore_addresses(node: Node) -> int:
    """Give them back; those that pods hold stay theirs."""
    given = 0
    for lease in node.address_leases.glob("*.*.*.*"):
        if lease.read_text() == _MARK:
            lease.unlink()
            given += 1
    return given
