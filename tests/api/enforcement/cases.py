"""What closed gates hold and what passes them: one table, which the admission policy, the webhook's decisions and the
webhook itself are all held to, so that they cannot differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

OWN_NAMESPACE = "kubeprobe-system"
NAMESPACES: dict[str, dict[str, str]] = {
    "shop": {},
    "pay": {"team": "web", "stage": "live"},
    "free": {"kubeprobe.io/gate-exempt": "true"},
    "unfree": {"kubeprobe.io/gate-exempt": "yes"},
    "kube-system": {},
    OWN_NAMESPACE: {},
}
"""The namespaces that cases are in, with their labels."""
CLOSURE = "cls-1"
WHY = "probe probes/checkout failed (CheckFailed: HTTP 500)"
ON_CALL = "on-call"
"""A group that may override the gate `production`, and no other."""
HELD = f"ChangeGate production is closed: {WHY}"
STALE = "ChangeGate production is closed: the annotation kubeprobe.io/break-glass names another closure than this one; "
NOT_ALLOWED = "ChangeGate production is closed: the annotation kubeprobe.io/break-glass is only for those who may"
PROVEN = "kubeprobe-gate-proof: ChangeGate production is enforced"
EXEMPT = {"kubeprobe.io/gate-exempt": "true"}
KEY = {"kubeprobe.io/break-glass": CLOSURE}
PROOF = {"kubeprobe.io/gate-proof": "production"}
GOING = {"finalizers": ["example.com/somebody"], "deletionTimestamp": "2026-03-01T12:00:00Z"}
"""Of a gate that was deleted, and that somebody keeps from going."""


def gate(
    name: str = "production",
    *,
    status: Body | None = None,
    scope: Body | None = None,
    metadata: Body | None = None,
    **spec: Any,
) -> Body:
    """A gate that is closed, over all namespaces."""
    closed = {"phase": "Closed", "reason": "ProbeFailed", "closureID": CLOSURE, "message": WHY}
    return {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ChangeGate",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"scope": {"namespaces": ["*"], **(scope or {})}, "probes": {"namespaces": ["*"]}, **spec},
        "status": {**closed, **(status or {})},
    }


OPEN = {"phase": "Open", "closureID": "", "reason": "Verified"}


def good(**more: Any) -> Body:
    """A status that remembers cart:1, from which the workload has moved on."""
    entry = {"namespace": "shop", "kind": "Deployment", "name": "cart", "images": {"app": "cart:1"}, "changed": True}
    return {"lastGood": [{**entry, **more}]}


def workload(
    image: str = "cart:2",
    *,
    kind: str = "Deployment",
    namespace: str = "shop",
    replicas: int = 1,
    env: str = "",
    init: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Body:
    """A workload named cart."""
    own = {"app": "cart"}
    container = {"name": "app", "image": image, **({"env": [{"name": "STAGE", "value": env}]} if env else {})}
    pod: Body = {"containers": [container]}
    if init:
        pod["initContainers"] = [{"name": "migrate", "image": init}]
    spec: Body = {"selector": {"matchLabels": own}, "template": {"metadata": {"labels": own}, "spec": pod}}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = "cart"
    metadata = {"name": "cart", "namespace": namespace, "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


BEFORE = workload("cart:1")
BAD = workload("cart:bad")


@dataclass(frozen=True)
class Case:
    """Somebody creates a workload, or changes it."""

    name: str
    after: Body
    before: Body | None = None
    gates: tuple[Body, ...] = (gate(),)
    groups: tuple[str, ...] = ()
    denied: str = ""
    """In the denial; empty when it passes."""
    warned: str = ""
    """In the warning; empty when there is none."""
    dry_run: bool = True


CASES = (
    # What is held.
    Case("a new template", workload(), BEFORE, denied=HELD),
    Case("the first deployment", workload(), denied=HELD),
    Case("an edit beside the image", workload("cart:1", env="live"), BEFORE, denied=HELD),
    Case("a StatefulSet", workload(kind="StatefulSet"), workload("cart:1", kind="StatefulSet"), denied=HELD),
    Case("a DaemonSet", workload(kind="DaemonSet"), workload("cart:1", kind="DaemonSet"), denied=HELD),
    Case("a system's namespace by name", workload(namespace="kube-system"),
         gates=(gate(scope={"namespaces": ["kube-system"]}),), denied=HELD),
    Case("kubeprobe's own namespace by name", workload(namespace=OWN_NAMESPACE),
         gates=(gate(scope={"namespaces": ["shop", OWN_NAMESPACE]}),), denied=HELD),
    Case("two gates, one of them open", workload(), BEFORE, (gate("pay", status=OPEN), gate()), denied=HELD),
    Case("a gate without a message", workload(), BEFORE, (gate(status={"message": ""}),),
         denied="ChangeGate production is closed: kubectl describe changegate production says why"),
    # What is not.
    Case("no gate", workload(), BEFORE, ()),
    Case("an open gate", workload(), BEFORE, (gate(status=OPEN),)),
    Case("a gate that is new", workload(), BEFORE, (gate(status={"phase": "Open", "closureID": "", "message": ""}),)),
    Case("a gate that is off", workload(), BEFORE, (gate(enforcement="Off"),)),
    Case("a gate that is being deleted", workload(), BEFORE, (gate(metadata=GOING),)),
    Case("a scale", workload("cart:1", replicas=5), BEFORE),
    Case("other labels", workload("cart:1", labels={"team": "web"}), BEFORE),
    Case("a system's namespace", workload(namespace="kube-system")),
    Case("kubeprobe's own namespace", workload(namespace=OWN_NAMESPACE)),
    Case("another namespace", workload(), gates=(gate(scope={"namespaces": ["pay"]}),)),
    Case("another kind", workload(), gates=(gate(scope={"kinds": ["DaemonSet", "StatefulSet"]}),)),
    Case("a resident prober", workload(labels={"kubeprobe.io/resident": "main"}), BEFORE),
    Case("an exempt workload", workload(labels=EXEMPT), BEFORE),
    Case("a workload that is not quite exempt", workload(labels={"kubeprobe.io/gate-exempt": "false"}), BEFORE,
         denied=HELD),
    Case("an exempt namespace", workload(namespace="free")),
    Case("a namespace that is not quite exempt", workload(namespace="unfree"), denied=HELD),
    # Labels.
    Case("the namespace's labels", workload(namespace="pay"),
         gates=(gate(scope={"namespaceLabels": {"team": "web", "stage": "live"}}),), denied=HELD),
    Case("another value of the namespace's", workload(namespace="pay"),
         gates=(gate(scope={"namespaceLabels": {"team": "web", "stage": "test"}}),)),
    Case("a namespace without labels", workload(), gates=(gate(scope={"namespaceLabels": {"team": "web"}}),)),
    Case("the workload's labels", workload(labels={"tier": "front"}),
         gates=(gate(scope={"workloadLabels": {"tier": "front"}}),), denied=HELD),
    Case("another value of the workload's", workload(labels={"tier": "back"}),
         gates=(gate(scope={"workloadLabels": {"tier": "front"}}),)),
    Case("a workload without labels", workload(), gates=(gate(scope={"workloadLabels": {"tier": "front"}}),)),
    # Going back.
    Case("going back", workload("cart:1"), BAD, (gate(status=good()),)),
    Case("what was deleted comes back", workload("cart:1"), gates=(gate(status=good()),)),
    Case("going back while two are closed", workload("cart:1"), BAD, (gate(status=good()), gate("pay")),
         denied="ChangeGate pay is closed"),
    Case("going elsewhere", workload("cart:2"), BAD, (gate(status=good()),), denied=HELD),
    Case("other edits of what was not changed since", workload("cart:1", env="live"), BEFORE,
         (gate(status=good(changed=False)),), denied=HELD),
    Case("another namespace's good images", workload("cart:1"), BAD, (gate(status=good(namespace="pay")),),
         denied=HELD),
    Case("another kind's good images", workload("cart:1"), BAD, (gate(status=good(kind="DaemonSet")),), denied=HELD),
    Case("another's good images", workload("cart:1"), BAD, (gate(status=good(name="till")),), denied=HELD),
    Case("good images with one container more", workload("cart:1", init="migrate:1"), BAD, (gate(status=good()),),
         denied=HELD),
    Case("good images with one container less", workload("cart:1"), BAD,
         (gate(status=good(images={"app": "cart:1", "migrate": "migrate:1"})),), denied=HELD),
    Case("going back with an init container", workload("cart:1", init="migrate:1"), BAD,
         (gate(status=good(images={"app": "cart:1", "migrate": "migrate:1"})),)),
    Case("going back with another init container", workload("cart:1", init="migrate:2"), BAD,
         (gate(status=good(images={"app": "cart:1", "migrate": "migrate:1"})),), denied=HELD),
    Case("good images that nobody knows", workload("cart:1"), BAD, (gate(status=good(images={})),), denied=HELD),
    # Breaking the glass.
    Case("broken glass", workload(annotations=KEY), BEFORE, groups=(ON_CALL,)),
    Case("broken glass of the first deployment", workload(annotations=KEY), groups=(ON_CALL,)),
    Case("broken glass without the right", workload(annotations=KEY), BEFORE, denied=NOT_ALLOWED),
    Case("broken glass by another group", workload(annotations=KEY), BEFORE, groups=("others",), denied=NOT_ALLOWED),
    Case("a stale closure", workload(annotations={"kubeprobe.io/break-glass": "cls-0"}), BEFORE, groups=(ON_CALL,),
         denied=STALE + WHY),
    Case("an empty closure", workload(annotations={"kubeprobe.io/break-glass": ""}), BEFORE, groups=(ON_CALL,),
         denied=HELD),
    Case("the right without the annotation", workload(), BEFORE, groups=(ON_CALL,), denied=HELD),
    Case("broken glass of one gate of two", workload(annotations=KEY), BEFORE,
         (gate(), gate("pay", status={"closureID": "cls-2"})), groups=(ON_CALL,), denied="ChangeGate pay is closed"),
    Case("a right over another gate only", workload(annotations=KEY), BEFORE, (gate("pay"),), groups=(ON_CALL,),
         denied="ChangeGate pay is closed: the annotation kubeprobe.io/break-glass is only for those who may"),
    # Warnings.
    Case("a warning", workload(), BEFORE, (gate(enforcement="Warn"),), warned=HELD),
    Case("no warning of a scale", workload("cart:1", replicas=5), BEFORE, (gate(enforcement="Warn"),)),
    Case("no warning of going back", workload("cart:1"), BAD, (gate(enforcement="Warn", status=good()),)),
    # Proofs.
    Case("a proof", workload(labels=PROOF, namespace=OWN_NAMESPACE), denied=PROVEN),
    Case("a proof while the gate is open", workload(labels=PROOF, namespace=OWN_NAMESPACE), gates=(gate(status=OPEN),),
         denied=PROVEN),
    Case("a proof outside the scope", workload(labels=PROOF), gates=(gate(scope={"namespaces": ["pay"]}),),
         denied=PROVEN),
    Case("a proof that is exempt, and on call", workload(labels={**PROOF, **EXEMPT}, annotations=KEY, namespace="free"),
         groups=(ON_CALL,), denied=PROVEN),
    Case("a proof of a gate that warns", workload(labels=PROOF, namespace=OWN_NAMESPACE),
         gates=(gate(enforcement="Warn"),)),
    Case("a proof of another gate", workload(labels={"kubeprobe.io/gate-proof": "pay"}, namespace=OWN_NAMESPACE)),
    Case("a proof in the scope of another closed gate", workload(labels=PROOF, namespace=OWN_NAMESPACE),
         gates=(gate("a", scope={"namespaces": [OWN_NAMESPACE]}), gate()), denied=PROVEN),
    Case("a proof of nothing", workload(labels={"kubeprobe.io/gate-proof": "none"})),
    Case("a label that is to look like a proof", workload(labels={"kubeprobe.io/gate-proof": "none"}), denied=HELD,
         dry_run=False),
)  # fmt: skip
