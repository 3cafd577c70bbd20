"""Sweeps: which nodes a config is probed on, what one wave covers, and how a wave of fifty is told in few bytes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubeprobe.api.base import ApiModel, Time
from kubeprobe.api.common import LabelSelector
from kubeprobe.api.rules import Rule

WAVE_NODES = 50
"""Nodes in one wave at most; their names, reasons and outcomes all stand in one ProbeRun."""
AT_ONCE = Rule(
    cel=f"self >= 1 && self <= {WAVE_NODES}",
    check=lambda count: 1 <= count <= WAVE_NODES,
    message=f"must be at least 1 and at most {WAVE_NODES}: so many nodes are probed at the same time, and with 0 "
    "none ever would be; leave it out for 10",
)


class EachNode(ApiModel):
    """Which nodes a sweep probes, and how many at a time."""

    selector: LabelSelector = Field(
        LabelSelector(), description="The nodes, by their labels; an empty one, the default, selects every node."
    )
    max_concurrent: Annotated[int, AT_ONCE] = Field(
        10, description="How many nodes are probed at the same time: 1 to 50; 10 by default."
    )
    sample: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="How many nodes one sweep takes at most. The next sweep goes on where this one ended, so that of N "
        "nodes each is probed within N/sample sweeps; all nodes in every sweep if absent.",
    )


class Targets(ApiModel):
    """What the probe is repeated for."""

    each_node: EachNode = Field(description="Probe from every node that is selected, with one pod on each: a sweep.")


class RunTarget(ApiModel):
    """The nodes that one run covers: a wave of a sweep, or nodes that somebody asked for."""

    sweep: str = Field(
        "",
        max_length=63,
        description="Name of the ProbeRun of the whole sweep; empty when somebody asks for just these nodes.",
    )
    wave: int = Field(0, ge=0, description="Which of the sweep's waves this is, counted from 0.")
    waves: int = Field(1, ge=1, description="How many waves the sweep has, as known when this one began.")
    after: str = Field(
        "", max_length=253, description="With a sample: the node that the sweep before ended with; this one goes on."
    )
    nodes: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        min_length=1, max_length=WAVE_NODES, description="Names of the nodes, at most 50."
    )


class NodeFailure(ApiModel):
    """Why one node of a run did not pass."""

    index: int = Field(ge=0, description="The node's place in spec.target.nodes, counted from 0.")
    reason: str = Field(description="Why, as one CamelCase word.")
    message: str = Field("", description="Why, as a sentence; the shorter, the more nodes did not pass.")


class RunTargets(ApiModel):
    """How the nodes of a run fared."""

    passed: int = Field(0, ge=0, description="Nodes that passed.")
    failed: int = Field(0, ge=0, description="Nodes that failed.")
    unknown: int = Field(0, ge=0, description="Nodes that cannot be told: the probe could not do its job there.")
    outcomes: str = Field(
        "",
        description="One letter for each of spec.target.nodes, in order: P passed, F failed, U unknown, '.' not yet. "
        "In a wave's run only.",
    )
    reports: str = Field(
        "",
        description="For each of spec.target.nodes four characters that tell its report sent again from another one. "
        "In a wave's run only.",
    )
    not_passed: tuple[NodeFailure, ...] = Field(
        (), max_length=WAVE_NODES, description="Why the nodes that failed or are unknown are so. In a wave's run only."
    )
    last: str = Field(
        "", description="The node that the sweep ended with; a next sample goes on after it. In a sweep's run only."
    )


class FailingTarget(ApiModel):
    """A node whose last probe failed."""

    node: str = Field(description="Name of the node.")
    reason: str = Field(description="Why, as one CamelCase word.")
    message: str = Field("", description="Why, as a sentence, where there is room for it.")
    since: Time = Field(description="When the first of its probes failed that have failed without a break.")


class CountedSweep(ApiModel):
    """How far a sweep is counted in the answer."""

    sweep: str = Field(description="Name of the sweep's ProbeRun.")
    waves: int = Field(ge=0, description="How many of its waves are counted.")


class ResultTargets(ApiModel):
    """How the nodes of a config's sweeps are."""

    passed: int = Field(0, ge=0, description="Nodes that passed in the last completed sweep.")
    failed: int = Field(0, ge=0, description="Nodes that failed in it.")
    unknown: int = Field(0, ge=0, description="Nodes that could not be told in it.")
    failing: tuple[FailingTarget, ...] = Field(
        (),
        max_length=WAVE_NODES,
        description="Nodes whose last probe failed, the newest first, at most 50 and fewer where names are long. A "
        "node leaves by its own success, or when it is gone; other nodes' successes do not clear it.",
    )
    more: int = Field(0, ge=0, description="How many further nodes fail.")
    others: str = Field(
        "", description="The nodes behind more, in the operator's own short form, so that each is cleared by itself."
    )
    last: str = Field("", description="The node that the last sweep ended with; a sample goes on after it.")
    counted: tuple[CountedSweep, ...] = Field(
        (), max_length=20, description="How far the sweeps that are still there are counted, so that none counts twice."
    )
