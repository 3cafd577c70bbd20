"""Which kinds the operator may follow for changes, as the platform team said it, and where they are found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from kubeprobe.kube.port import (
    CONFIGMAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    MUTATING_WEBHOOKS,
    NODES,
    SECRETS,
    STATEFUL_SETS,
    VALIDATING_WEBHOOKS,
    Resource,
)
from kubeprobe.plan.fingerprint import SECRET

Followable = Mapping[str, tuple[Resource, ...]]
"""The kinds that may be followed, and what is watched of each; a Secret's namespaces one by one."""
RESOURCES: Mapping[str, Resource] = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFUL_SETS,
    "DaemonSet": DAEMON_SETS,
    "Node": NODES,
    "ConfigMap": CONFIGMAPS,
    "CustomResourceDefinition": CUSTOM_RESOURCE_DEFINITIONS,
    "ValidatingWebhookConfiguration": VALIDATING_WEBHOOKS,
    "MutatingWebhookConfiguration": MUTATING_WEBHOOKS,
}
KINDS = tuple(RESOURCES)
"""Those that are followed unless the platform team says otherwise."""
OTHER = re.compile(r"([A-Z][A-Za-z0-9]*)\.([a-z0-9][-a-z0-9.]*)/(v[a-z0-9]+)/([a-z0-9]+)")
LONGEST_KIND = 63
"""What is kept of a kind is found by a label that names it."""


def followable(kinds: Iterable[str], secret_namespaces: Iterable[str]) -> Followable:
    """What may be followed.

    Args:
        kinds: kinds of Kubernetes itself by name; others that have a pod template as KIND.GROUP/VERSION/PLURAL.
        secret_namespaces: where Secrets may be read.

    Raises:
        ValueError: a kind is none of these.
    """
    found = dict(_kind(one) for one in kinds)
    secrets = tuple(replace(SECRETS, within=one) for one in secret_namespaces)
    return {**found, SECRET: secrets} if secrets else found


def _kind(text: str) -> tuple[str, tuple[Resource, ...]]:
    if text in RESOURCES:
        return text, (RESOURCES[text],)
    match = OTHER.fullmatch(text)
    if match is None:
        hint = "write KIND.GROUP/VERSION/PLURAL, such as Rollout.argoproj.io/v1alpha1/rollouts"
        if text == SECRET:
            hint = "Secrets are followed in the namespaces that --secret-namespaces names"
        raise ValueError(f"{text!r} is none of {', '.join(KINDS)}: {hint}")
    kind, group, version, plural = match.groups()
    if len(f"{kind}.{group}") > LONGEST_KIND:
        raise ValueError(f"{text!r}: {kind}.{group} is longer than the {LONGEST_KIND} characters that a label takes")
    return f"{kind}.{group}", (Resource(group, version, plural),)
