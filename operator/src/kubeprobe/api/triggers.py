"""What a config runs for besides its schedule: rollouts, nodes and objects that changed, and changes announced."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from kubeprobe.api.base import ApiModel, described
from kubeprobe.api.common import LabelSelector, WorkloadKind
from kubeprobe.api.duration import Duration, between
from kubeprobe.api.rules import Rule

QUIET_BOUNDS = between("1s", "1m")
QUIET = Duration("10s")
QUIET_WORDS = (
    "How long nothing more may have changed before a run begins, so that changes that come together have one run: 1s "
    "to 1m, 10s by default. After a minute it begins in any case."
)
KIND_NAME = r"^[A-Z][A-Za-z0-9]{0,62}(\.[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
NAMESPACES_WORDS = "Where to look: namespaces by their labels, an empty selector for all; the config's own if absent."


class During(enum.StrEnum):
    """A time of a rollout at which a probe can run."""

    STARTED = "Started"
    PROGRESSING = "Progressing"
    FINISHED = "Finished"


class NodeFact(enum.StrEnum):
    """What can change of a node."""

    ADDED = "Added"
    KUBELET = "Kubelet"
    KERNEL = "Kernel"
    RUNTIME = "Runtime"
    OS_IMAGE = "OSImage"
    CORDON = "Cordon"


class ObjectKind(enum.StrEnum):
    """Kinds of objects, other than workloads and nodes, whose changes can break something."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105 - a kind
    CUSTOM_RESOURCE_DEFINITION = "CustomResourceDefinition"
    VALIDATING_WEBHOOK_CONFIGURATION = "ValidatingWebhookConfiguration"
    MUTATING_WEBHOOK_CONFIGURATION = "MutatingWebhookConfiguration"


DATA_KINDS = frozenset({ObjectKind.CONFIG_MAP, ObjectKind.SECRET})
"""Kinds of which a cluster has thousands that say nothing to a probe."""


class RolloutTrigger(ApiModel):
    """Workloads whose pod template changed."""

    rules = (
        Rule(
            cel="!self.pinToNodes || !has(self.during) || self.during.size() == 0",
            check=lambda self: not (self.pin_to_nodes and self.during),
            message="pinToNodes probes node by node while the rollout goes on: leave during out, or write another "
            "trigger for it",
            field="during",
        ),
    )

    kinds: tuple[Annotated[str, Field(max_length=253, pattern=KIND_NAME)], ...] = Field(
        tuple(kind.value for kind in WorkloadKind),
        min_length=1,
        max_length=10,
        **described(
            "Kinds of workloads: Deployment, StatefulSet and DaemonSet, by default all of them. Others that the "
            "operator was told to follow are written with their group, such as Rollout.argoproj.io.",
            list_type="set",
        ),
    )
    namespace_selector: LabelSelector | None = Field(None, description=NAMESPACES_WORDS)
    selector: LabelSelector = Field(
        LabelSelector(), description="The workloads, by their own labels; an empty one, the default, selects all."
    )
    during: tuple[During, ...] = Field(
        (),
        max_length=3,
        **described(
            "When to run. Started: as soon as it has been quiet. Progressing: while the rollout goes on, first after "
            "the quiet time and then each time after twice as long, ten times at most. Finished (the default, if "
            "absent): when the rollout is over, by the rules of 'kubectl rollout status', or the timeout is.",
            list_type="set",
        ),
    )
    pin_to_nodes: bool = Field(
        False,
        description="True: run on exactly the nodes where new pods of these workloads became ready, as the rollout "
        "comes to them. False (the default): run anywhere, or as spec.targets says.",
    )
    quiet: Annotated[Duration, QUIET_BOUNDS] = Field(QUIET, description=QUIET_WORDS)
    timeout: Annotated[Duration, between("1m", "24h")] = Field(
        Duration("30m"),
        description="How long a rollout is waited for, such as one that is paused or whose strategy is OnDelete; what "
        "is there then is probed: 1m to 24h, 30m by default.",
    )


class NodeTrigger(ApiModel):
    """Nodes that changed."""

    selector: LabelSelector = Field(
        LabelSelector(), description="The nodes, by their labels; an empty one, the default, selects all."
    )
    facts: tuple[NodeFact, ...] = Field(
        tuple(NodeFact),
        min_length=1,
        max_length=6,
        **described(
            "What has to have changed: Added (a node that is new), the version of its Kubelet, Kernel, container "
            "Runtime or OSImage, or Cordon (closed for pods, or open again); by default any of them. Of a node that "
            "changed while the operator was down, which of them did is not known, and counts as any.",
            list_type="set",
        ),
    )
    pin_to_nodes: bool = Field(
        False,
        description="True: run on exactly the nodes that changed. False (the default): run anywhere, or as "
        "spec.targets says.",
    )
    quiet: Annotated[Duration, QUIET_BOUNDS] = Field(QUIET, description=QUIET_WORDS)


class ObjectTrigger(ApiModel):
    """Configuration that changed, came or went."""

    rules = (
        Rule(
            cel="!self.kinds.exists(kind, kind == 'ConfigMap' || kind == 'Secret') || (has(self.selector) && "
            "((has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0) || "
            "(has(self.selector.matchExpressions) && self.selector.matchExpressions.size() > 0)))",
            check=lambda self: (
                DATA_KINDS.isdisjoint(self.kinds) or bool(self.selector.match_labels or self.selector.match_expressions)
            ),
            message="ConfigMaps and Secrets are chosen by their labels, since a cluster has so many: add a selector",
            field="selector",
        ),
    )

    kinds: tuple[ObjectKind, ...] = Field(
        min_length=1,
        max_length=5,
        **described(
            "Kinds of objects: ConfigMap, Secret (only in namespaces in which the operator may read them), "
            "CustomResourceDefinition, ValidatingWebhookConfiguration, MutatingWebhookConfiguration.",
            list_type="set",
        ),
    )
    namespace_selector: LabelSelector | None = Field(
        None, description=f"{NAMESPACES_WORDS} Kinds that are in no namespace are found in any case."
    )
    selector: LabelSelector = Field(
        LabelSelector(), description="The objects, by their labels; needed for ConfigMaps and Secrets."
    )
    quiet: Annotated[Duration, QUIET_BOUNDS] = Field(QUIET, description=QUIET_WORDS)


class AnnouncedTrigger(ApiModel):
    """Changes that somebody announced, such as a release tool or a CI job."""

    gates: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        (),
        max_length=20,
        **described("Names of the ChangeGates at which they are announced; any, if absent.", list_type="set"),
    )


class ChangeTrigger(ApiModel):
    """One kind of change that a config runs for."""

    rules = (
        Rule(
            cel="[has(self.rollout), has(self.node), has(self.object), has(self.announced)].filter(one, one).size() "
            "== 1",
            check=lambda self: (
                sum(one is not None for one in (self.rollout, self.node, self.object, self.announced)) == 1
            ),
            message="set exactly one of rollout, node, object and announced; a trigger of its own for each",
        ),
    )

    rollout: RolloutTrigger | None = Field(None, description="Run when the pod template of workloads changes.")
    node: NodeTrigger | None = Field(None, description="Run when nodes change.")
    object: ObjectTrigger | None = Field(
        None, description="Run when ConfigMaps, Secrets, CRDs or webhook configurations change."
    )
    announced: AnnouncedTrigger | None = Field(None, description="Run when a change is announced at a ChangeGate.")
