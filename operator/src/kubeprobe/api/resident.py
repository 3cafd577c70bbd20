"""Resident probers: at which rate they probe which targets, found or listed, and what turns the verdict."""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from kubeprobe.api.base import ApiModel, described
from kubeprobe.api.common import LabelSelector
from kubeprobe.api.duration import Duration, between
from kubeprobe.api.rules import Rule

MOST_TARGETS = 1000
"""What one prober takes; the same as `probe_sdk.samples.MAX_TARGETS`, which a test keeps so."""
EVERY_NAMESPACE = "*"
PORT = re.compile("[1-9][0-9]{0,4}|([0-9][-0-9]*)?[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
MOST_PORTS = (1 << 16) - 1
LABEL_NAME = "^[a-zA-Z_][a-zA-Z0-9_]*$"


class DiscoverKind(enum.StrEnum):
    """Kinds of objects that targets are found among."""

    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    INGRESS = "Ingress"
    NODE = "Node"
    POD = "Pod"


class FailWhen(enum.StrEnum):
    """Which part of the targets has to fail for the config's verdict to be Failed."""

    ANY = "Any"
    ALL = "All"
    SHARE = "Share"


def _from_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_port(text: str) -> bool:
    return PORT.fullmatch(text) is not None and (not text.isdigit() or int(text) <= MOST_PORTS)


Port = Annotated[
    str,
    BeforeValidator(_from_number),
    Field(max_length=63),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 63}),
]
A_PORT = Rule(
    cel=f"type(self) == int ? self >= 1 && self <= {MOST_PORTS} : "
    f"self.matches('^({PORT.pattern})$') && (!self.matches('^[0-9]+$') || int(self) <= {MOST_PORTS})",
    check=_is_port,
    message="not a port: write a number from 1 to 65535, or a port's name such as http",
)
SHARE = Rule(
    cel="self > 0.0 && self <= 1.0",
    check=lambda share: 0 < share <= 1,
    message="a share is more than 0 and at most 1, such as 0.5 for the half",
)
LABELS = Rule(
    cel=f"self.all(name, name.matches('{LABEL_NAME}'))",
    check=lambda labels: all(re.fullmatch(LABEL_NAME, name, re.ASCII) for name in labels),
    message="names of a target's labels are those of Prometheus: letters, digits and '_', no digit first",
)


class StaticTarget(ApiModel):
    """One thing to probe, written down."""

    name: str = Field(min_length=1, max_length=253, description="What it is called in verdicts and metrics.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters that are its own, over spec.params of the config."
    )
    labels: Annotated[dict[str, Annotated[str, Field(max_length=253)]], LABELS] = Field(
        default_factory=dict, max_length=10, description="Labels of its metrics."
    )


class Discover(ApiModel):
    """Objects of the cluster, each of which is a target for as long as it is there."""

    rules = (
        Rule(
            cel="self.kind != 'Node' || !has(self.namespaces) || size(self.namespaces) == 0",
            check=lambda self: self.kind is not DiscoverKind.NODE or not self.namespaces,
            message="nodes are in no namespace: leave namespaces out",
            field="namespaces",
        ),
        Rule(
            cel="self.kind != 'Ingress' || !has(self.port)",
            check=lambda self: self.kind is not DiscoverKind.INGRESS or self.port is None,
            message="an Ingress is reached at 443 for hosts with TLS, else at 80: leave port out",
            field="port",
        ),
        Rule(
            cel="self.kind != 'Node' || !has(self.port) || string(self.port).matches('^[0-9]+$')",
            check=lambda self: self.kind is not DiscoverKind.NODE or self.port is None or self.port.isdigit(),
            message="ports of a node have no names: write the port as a number",
            field="port",
        ),
    )

    kind: DiscoverKind = Field(
        description="Service: each one by its cluster IP. EndpointSlice: each address behind Services that takes "
        "traffic. Ingress: each host. Node and Pod: each one by its address. An object with the annotation "
        'kubeprobe.io/probe: "false" is left out, and so are the pods of this prober.'
    )
    namespaces: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        (),
        max_length=50,
        description="Where to look: names of namespaces, or '*' for all; the config's own if absent. Others than that "
        "one have to be selected by the template's spec.discoverNamespaces.",
    )
    selector: LabelSelector = Field(
        LabelSelector(), description="The objects, by their labels; an empty one, the default, selects all."
    )
    port: Annotated[Port | None, A_PORT] = Field(
        None,
        description="The port, by number or by its name in the object; its first one if absent. Objects without that "
        "port are left out.",
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of these targets, over spec.params of the config. In them stand $(HOST) for the "
        "address as a URL has it, $(ADDRESS) for the bare one, $(PORT), $(SCHEME) (http or https), $(PATH) (of an "
        "Ingress), $(NAME) and $(NAMESPACE) for those of the object, and $$ for a $. A value that is "
        "just $(PORT) is a number.",
    )


class ResidentTargets(ApiModel):
    """What a resident prober probes."""

    rules = (
        Rule(
            cel="(has(self.static) && self.static.size() > 0) || (has(self.discover) && self.discover.size() > 0)",
            check=lambda self: bool(self.static or self.discover),
            message="list targets in static, have them found by discover, or leave targets out for one target that is "
            "told by spec.params",
        ),
    )

    static: tuple[StaticTarget, ...] = Field(
        (),
        max_length=MOST_TARGETS,
        **described("Targets that are written down, at most 1000.", list_type="map", list_map_keys=["name"]),
    )
    discover: tuple[Discover, ...] = Field(
        (), max_length=10, description="Targets that are found in the cluster, and come and go with what they are."
    )


class Resident(ApiModel):
    """How a prober that stays does its work."""

    rules = (
        Rule(
            cel="has(self.window) == has(self.ratio)",
            check=lambda self: (self.window is None) == (self.ratio is None),
            message="window and ratio go together: of the last so many probes, which share has to fail",
            field="ratio",
        ),
        Rule(
            cel="!has(self.window) || (self.failures == 1 && self.successes == 1)",
            check=lambda self: self.window is None or (self.failures == 1 and self.successes == 1),
            message="a window stands in place of failures and successes: leave these out, or the window and its ratio",
            field="window",
        ),
        Rule(
            cel="(self.failWhen == 'Share') == has(self.share)",
            check=lambda self: (self.fail_when is FailWhen.SHARE) == (self.share is not None),
            message="failWhen Share needs a share, and only it: add share, or set failWhen to Any or All",
            field="share",
        ),
    )

    interval: Annotated[Duration, between("10ms", "1h")] = Field(
        description="From one probe of a target to its next, such as 1s: 10ms to 1h. The rate is kept whatever a probe "
        "takes; what the prober could not do in time is Unknown, never Failed."
    )
    timeout: Annotated[Duration | None, between("1ms", "1m")] = Field(
        None,
        description="How long one probe may take: 1ms to 1m. The interval if absent, but at least 1s, at most 10s.",
    )
    per_target: int = Field(
        1,
        ge=1,
        le=100,
        description="How many probes of one target may be under way at a time; a slot that comes when as many are is "
        "left out.",
    )
    failures: int = Field(
        1, ge=1, le=1000, description="Failures in a row that turn a target's verdict to Failed; 1 by default."
    )
    successes: int = Field(
        1, ge=1, le=1000, description="Successes in a row that turn it back to Passed; 1 by default."
    )
    window: int | None = Field(
        None, ge=2, le=1000, description="In place of failures and successes: how many of the last probes count."
    )
    ratio: Annotated[float | None, SHARE] = Field(
        None, description="The share of failed probes in the window that turns a target's verdict to Failed."
    )
    fail_when: FailWhen = Field(
        FailWhen.ANY,
        description="Which of the targets turn the config's verdict to Failed: Any (the default) one, All of them, or "
        "a Share.",
    )
    share: Annotated[float | None, SHARE] = Field(
        None, description="With failWhen Share: which share of the targets has to fail, such as 0.5."
    )
    targets: ResidentTargets | None = Field(
        None, description="What to probe; if absent, one target that is called like the config, with spec.params."
    )
    each_node: bool = Field(
        False,
        description="True: a prober on each node that podOverrides let it run on, as a DaemonSet, and each probes all "
        "targets. False (the default): one prober, as a Deployment.",
    )
