"""A shop behind a gate: a Deployment whose images are good or bad, a probe that buys there, and the gate between."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.lab.cart import CART, deployment, service, template
from tests.lab.changes import SOON_SECONDS, change, followed, pinned
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import RELEASE, Lab

PROBE = "cart-answers"
ENFORCED_SECONDS = 180.0
"""A policy takes its time to become effective, and a gate that did not hold is tried again after half a minute."""


@dataclass(frozen=True)
class Shop:
    """The Deployment `cart` in a namespace of its own, with the good image and good at first."""

    lab: Lab
    suffix: str = field(default_factory=lambda: uuid.uuid4().hex[:5])

    @property
    def namespace(self) -> str:
        """Where the cart is."""
        return f"shop-{self.suffix}"

    @property
    def watch(self) -> str:
        """Where its probe is, which developers of the shop may not touch."""
        return f"watch-{self.suffix}"

    @property
    def gate(self) -> str:
        """The gate between; cluster-wide objects of the shop have this name as well."""
        return f"gate-{self.suffix}"

    @property
    def good(self) -> str:
        """The image that serves."""
        return self.lab.images.reference("probes")

    @property
    def bad(self) -> str:
        """The image that does not."""
        return self.lab.images.reference("operator")

    @property
    def next(self) -> str:
        """The image of a release that is never to be seen."""
        return f"{self.lab.images.repository}/cart:next"

    def open(self) -> None:
        """Make it all, and wait until the gate is seen to hold and the cart is followed."""
        self.lab.namespace(self.namespace)
        self.lab.namespace(self.watch)
        self.lab.kubectl.apply(service(self.namespace), template(self.gate, self.good, self.namespace))
        self.release(self.good, "1")
        self.rolled_out()
        pinned = {"kinds": ["Deployment"], "namespaceSelector": {"matchLabels": self._here()}, "pinToNodes": True}
        self.lab.config(
            PROBE, self.gate, self.watch, mode="OnDemand", triggers=[{"rollout": {**pinned, "quiet": "1s"}}]
        )
        self.set_gate()
        followed(self.lab, "Deployment", self.namespace, CART)
        gate = f"changegate/{self.gate}"
        self.lab.kubectl(
            "wait", "--for=condition=Enforced", gate, f"--timeout={ENFORCED_SECONDS:.0f}s",
            timeout_seconds=ENFORCED_SECONDS + 10,
        )  # fmt: skip

    def close(self) -> None:
        """Remove it all."""
        for kind in ("changegate", "clusterrolebinding"):
            self.lab.kubectl.delete(kind, self.gate)
        self.lab.kubectl.delete("probeconfig", PROBE, self.watch)
        for namespace in (self.namespace, self.watch):
            self.lab.kubectl.delete("namespace", namespace, "--wait=false")
        self.lab.kubectl.delete("probetemplate", self.gate)

    def set_gate(self, **spec: Any) -> None:
        """Write the gate."""
        scope = {"namespaces": [self.namespace], "kinds": ["Deployment"]}
        whole = {"scope": scope, "probes": {"namespaces": [self.watch]}, "quiet": "1s", **spec}
        self.lab.kubectl.apply(
            {
                "apiVersion": "kubeprobe.io/v1alpha1",
                "kind": "ChangeGate",
                "metadata": {"name": self.gate},
                "spec": whole,
            }
        )

    def release(self, image: str, number: str, *args: str, glass: str = "", warm_up: str = "") -> None:
        """Apply a release of the cart.

        Args:
            image: its image.
            number: what else tells it from the one before.
            args: further ones of `kubectl apply`.
            glass: the closure to break the glass of.
            warm_up: the image of an init container, if it has one.

        Raises:
            KubectlError: it was refused.
        """
        body = yaml.safe_dump(self.manifest(image, number, glass=glass, warm_up=warm_up))
        self.lab.kubectl("apply", "--server-side", "--force-conflicts", *args, "-f", "-", stdin=body)

    def refusal(self, image: str, number: str, *args: str, glass: str = "") -> str:
        """What the API server says to a release that is only tried; nothing if it would pass."""
        try:
            self.release(image, number, "--dry-run=server", *args, glass=glass)
        except KubectlError as error:
            return str(error)
        return ""

    def manifest(self, image: str, number: str, *, glass: str = "", warm_up: str = "") -> dict[str, Any]:
        """A release of the cart; see `release`."""
        return deployment(self.namespace, image, number, glass=glass, warm_up=warm_up)

    def rolled_out(self) -> None:
        """Wait until the cart is."""
        self.lab.kubectl(
            "rollout", "status", f"deployment/{CART}", "-n", self.namespace, "--timeout=120s", timeout_seconds=130
        )

    def nodes(self) -> set[str]:
        """The nodes on which the cart runs now."""
        pods = self.lab.kubectl.list("pods", self.namespace, "-l", f"app={CART}")
        return {one["spec"]["nodeName"] for one in pods if _ready(one) and "deletionTimestamp" not in one["metadata"]}

    def let_in(self, group: str, role: str, everywhere: str = "") -> tuple[str, ...]:
        """Give a group a role with the shop, and another one with everything; the options that make kubectl of it."""
        who = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}
        self._bind("RoleBinding", {"name": group, "namespace": self.namespace}, role, who)
        if everywhere:
            self._bind("ClusterRoleBinding", {"name": self.gate}, everywhere, who)
        return (f"--as={group}-member", f"--as-group={group}")

    def developer(self) -> tuple[str, ...]:
        """The options by which kubectl speaks as somebody who may release."""
        return self.let_in(f"developers-{self.suffix}", "edit")

    def on_call(self) -> tuple[str, ...]:
        """The same for somebody who may break the glass as well."""
        return self.let_in(f"on-call-{self.suffix}", "edit", f"{RELEASE}-gate-override")

    def status(self) -> dict[str, Any]:
        """The gate's."""
        found: dict[str, Any] = (self.lab.kubectl.get("changegate", self.gate) or {}).get("status", {})
        return found

    def becomes(self, phase: str, *reasons: str) -> dict[str, Any]:
        """Wait until the gate is open or closed for one of these reasons; its status then."""

        def look() -> dict[str, Any] | None:
            status = self.status()
            return status if status.get("phase") == phase and status.get("reason") in reasons else None

        return eventually(f"{self.gate} is {phase} ({', '.join(reasons)})", look, SOON_SECONDS, self.status)

    def change(self, number: int) -> dict[str, Any]:
        """The Change of this number about the cart, once it is over."""
        return change(self.lab, self.watch, number)

    def pinned(self, name: str) -> dict[str, str]:
        """By node, what the probe that its own trigger pinned there for a Change came to."""
        return pinned(self.lab, self.watch, name)

    def remembered(self) -> bool:
        """Whether the gate knows the cart's good images, and that there are others by now."""
        good = self.status().get("lastGood", ())
        return [(one["images"], one.get("changed", False)) for one in good] == [({"app": self.good}, True)]

    def hold(self, reason: str) -> None:
        """Close the gate by hand."""
        patch = json.dumps({"spec": {"hold": {"reason": reason}}})
        self.lab.kubectl("patch", "changegate", self.gate, "--type=merge", "-p", patch)

    def _here(self) -> dict[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace}

    def _bind(self, kind: str, metadata: dict[str, str], role: str, who: dict[str, str]) -> None:
        api = "rbac.authorization.k8s.io"
        to = {"kind": "ClusterRole", "apiGroup": api, "name": role}
        self.lab.kubectl.apply(
            {"apiVersion": f"{api}/v1", "kind": kind, "metadata": metadata, "roleRef": to, "subjects": [who]}
        )


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)
