"""Whether the API server holds what a gate says: a change that it always has to deny, and what its answer proves.

The change is never made: it is tried, by a dry run, and with a label that puts it into the gate's scope wherever it is
and whether the gate is open or closed. A policy that was never installed, or was taken away, lets it through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from kubeprobe.api import ChangeGate, Enforcement
from kubeprobe.plan.backoff import backoff_seconds
from kubeprobe.plan.gate_words import Proof
from probe_sdk.wire import cut

LABEL_PROOF: Final = "kubeprobe.io/gate-proof"
"""On what is tried: the name of the gate that has to deny it."""
MARK: Final = "kubeprobe-gate-proof"
"""In the message of who denies it for the gate; another one's denial proves nothing."""
NAME: Final = "kubeprobe-trial"
LABEL_LENGTH = 63
MESSAGE_BYTES = 500

EVERY_SECONDS = 300.0
"""From one trial to the next while all is well."""
UNPROVEN_SECONDS = 30.0
"""After what proved nothing, or the contrary; twice as long each time that it is let through once more."""
SOON_SECONDS = 2.0
SILENT_SECONDS = 300.0
"""Without an answer for so long, what was known of the API server is of the past."""
MISSES = 4
"""So many in a row are believed: a policy that is new, or whose gate is, takes its time to become effective."""


@dataclass(frozen=True, slots=True)
class Trials:
    """What the trials of one gate came to."""

    proof: Proof | None = None
    """None while nothing is known."""
    misses: int = 0
    """How often in a row it was let through."""
    again_seconds: float = 0.0
    """How soon it is tried again."""
    silent_since: datetime | None = None
    """Since when the API server has given no answer; None where it gave one the last time."""


def is_tried(gate: ChangeGate) -> bool:
    """Whether the API server has to deny anything for this gate."""
    return gate.spec.enforcement is Enforcement.ENFORCE and gate.metadata.deletion_timestamp is None


def trial(gate: ChangeGate, namespace: str) -> dict[str, Any] | None:
    """The Deployment that the API server has to deny; None where the gate's name is too long for a label.

    It has no replicas, and is such as no other policy should have anything against.

    Args:
        gate: the gate.
        namespace: where the operator itself runs.
    """
    if len(gate.metadata.name) > LABEL_LENGTH:
        return None
    labels = {LABEL_PROOF: gate.metadata.name, "app.kubernetes.io/name": NAME}
    resources = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": "trial",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def denied(message: str) -> Proof:
    """What a refusal proves."""
    if MARK in message:
        return Proof(denied=True, message="the API server denied a change that was tried only for that")
    why = cut(f"it could not be tried whether the API server denies what a closed gate holds: {message}", MESSAGE_BYTES)
    return Proof(denied=None, message=why)


def let_through() -> Proof:
    """What it proves that nobody denied it."""
    return Proof(
        denied=False,
        message="the API server let a change through that it has to deny: set the chart's value "
        "gates.enforcement.enabled to true, or put its ValidatingAdmissionPolicies and their bindings back",
    )


def too_long() -> Proof:
    """What is said of a gate that cannot be named in a label."""
    return Proof(
        denied=None,
        message=f"it cannot be tried for a gate whose name has more than {LABEL_LENGTH} characters whether the API "
        "server denies what it holds: give it a shorter name",
    )


def tried(before: Trials, found: Proof | None, now: datetime) -> Trials:
    """What is known after one more trial.

    Args:
        before: what was known.
        found: what it came to; None where the API server gave no answer.
        now: the time.
    """
    if found is None:
        since = before.silent_since or now
        proof = _silent(since) if (now - since).total_seconds() >= SILENT_SECONDS else before.proof
        return replace(before, proof=proof, again_seconds=UNPROVEN_SECONDS, silent_since=since)
    if found.denied is not False:
        return Trials(found, 0, EVERY_SECONDS if found.denied else UNPROVEN_SECONDS)
    misses = before.misses + 1
    if misses < MISSES:
        return Trials(before.proof, misses, SOON_SECONDS)
    return Trials(found, misses, backoff_seconds(misses - MISSES + 1, UNPROVEN_SECONDS, EVERY_SECONDS))


def _silent(since: datetime) -> Proof:
    """What is said where whoever else is asked, such as a webhook that is away, keeps the API server from answering."""
    return Proof(
        denied=None,
        message="it could not be tried whether the API server denies what a closed gate holds: it has given no answer "
        f"since {since:%Y-%m-%d %H:%M:%SZ}",
    )
