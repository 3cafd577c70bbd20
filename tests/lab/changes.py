"""Changes as they are seen from outside: what is followed, what became a Change, and its story by the command."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from kubeprobe.plan.fingerprint import LABEL_KNOWN
from kubeprobe.plan.known import read_shard
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.lab import NAMESPACE, Lab

SOON_SECONDS = 180.0


def known(kubectl: Kubectl, kind: str, own_namespace: str) -> set[tuple[str, str]]:
    """Namespaces and names of the objects of a kind whose fingerprints are kept: what changes of them is told."""
    found = kubectl.list("configmaps", own_namespace, "-l", f"{LABEL_KNOWN}={kind}")
    shards = [shard for one in found if (shard := read_shard(one)) is not None]
    return {(key.namespace, key.name) for shard in shards for key in shard.fingerprints}


def followed(lab: Lab, kind: str, namespace: str, name: str) -> None:
    """Wait until what changes of an object is told."""
    eventually(
        f"{kind} {namespace}/{name} is followed",
        lambda: (namespace, name) in known(lab.kubectl, kind, NAMESPACE),
        SOON_SECONDS,
    )


def changes(lab: Lab, watch: str) -> list[dict[str, Any]]:
    """The Changes that probes of a namespace run for, in their order."""
    found = [
        one
        for one in lab.kubectl.list("changes")
        if watch in {probe["namespace"] for probe in one["spec"].get("probes", ())}
    ]
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def change(lab: Lab, watch: str, number: int) -> dict[str, Any]:
    """The Change of this number that probes of a namespace run for, once it is over."""

    def look() -> dict[str, Any] | None:
        of = changes(lab, watch)[number:]
        return of[0] if of and of[0].get("status", {}).get("finishedAt") else None

    what = f"Change {number} of the probes in {watch} is over"
    return eventually(what, look, SOON_SECONDS, lambda: changes(lab, watch))


def pinned(lab: Lab, watch: str, name: str) -> dict[str, str]:
    """By node, what the runs of a namespace came to that were pinned there for a Change by their configs' triggers."""
    runs = lab.kubectl.list("proberuns", watch, "-l", f"kubeprobe.io/change={name}")
    mine = [one for one in runs if one["spec"]["trigger"]["kind"] == "Change"]
    return {one["spec"].get("node", ""): one["status"].get("verdict", "") for one in mine}


def told(lab: Lab, *args: str) -> str:
    """What `kubeprobe changes` says."""
    command = [sys.executable, "-m", "kubeprobe.cli", "changes", *args, "--kubeconfig", str(lab.testbed.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"kubeprobe changes {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout
