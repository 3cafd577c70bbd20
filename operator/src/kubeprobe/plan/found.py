"""The targets of a resident prober: those that are written down, and those that its config's words find.

A target that cannot be probed is left out, and told; it keeps none of the others from being probed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from kubeprobe.api import (
    EVERY_NAMESPACE,
    MOST_TARGETS,
    Discover,
    DiscoverKind,
    ProbeConfig,
    ProbeTemplate,
)
from kubeprobe.plan.candidates import SERVICE_NAME, Candidate, Port, Spot, port_of
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.params import ParamsCheck, check_params
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.selector import matches
from kubeprobe.plan.target_words import expanded, fitting, target_name, variables_of
from probe_sdk.wire import LABEL_CONFIG, LABEL_RUN

LABEL_RESIDENT = "kubeprobe.io/resident"
"""On all that belongs to a resident prober, its pods among them."""
TOO_MANY_TARGETS = "TooManyTargets"
MOST_SHOWN = 3
CHECKS_KEPT = 8 * MOST_TARGETS
POD_NAME_BASE = 58
"""Kubernetes keeps so much of what a pod is named after."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to probe, as the prober's file has it."""

    name: str
    params: Mapping[str, Any]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Targets:
    """All that is to be probed, and what is wrong with the rest."""

    targets: tuple[Target, ...]
    mistake: Mistake | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a config's words are read against."""

    candidates: Mapping[DiscoverKind, Collection[Candidate]] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The labels of all namespaces."""


def workload_name(config: str) -> str:
    """What a config's prober, and the ConfigMap with its targets, are called."""
    return f"{config}-resident"


def wanted_kinds(config: ProbeConfig) -> frozenset[DiscoverKind]:
    """The kinds that have to be watched for a config; the Services of EndpointSlices too, which may be opted out."""
    resident = config.spec.resident
    entries = resident.targets.discover if resident is not None and resident.targets is not None else ()
    kinds = {entry.kind for entry in entries}
    if config.spec.suspend or config.metadata.deletion_timestamp is not None:
        return frozenset()
    return frozenset(kinds | ({DiscoverKind.SERVICE} if DiscoverKind.ENDPOINT_SLICE in kinds else set()))


def concerns(config: ProbeConfig, candidate: Candidate) -> bool:
    """Whether an object could be among a config's targets, or keep some from being so."""
    resident = config.spec.resident
    if resident is None or resident.targets is None:
        return False
    for entry in resident.targets.discover:
        if entry.kind is candidate.kind and matches(entry.selector, candidate.labels):
            return True
        if entry.kind is DiscoverKind.ENDPOINT_SLICE and candidate.kind is DiscoverKind.SERVICE:
            return True
    return False


def find_targets(config: ProbeConfig, template: ProbeTemplate, around: Surroundings) -> Targets:
    """The targets of a config: the listed ones in their order, then those found, by name; at most as many as one takes.

    Args:
        config: a config in mode Resident.
        template: its template, whose parameters they are checked against.
        around: the objects that are there.
    """
    read = _Reading(config, template, around)
    found = sorted(read.discovered(), key=lambda one: one.name)
    listed = read.listed()
    room = MOST_TARGETS - len(listed)
    targets = (*listed, *(target for one in found[:room] for target in read.target(one)))
    if len(found) <= room:
        return Targets(targets, read.mistake())
    return Targets(
        targets,
        Mistake(
            TOO_MANY_TARGETS,
            f"spec.resident.targets: {len(listed) + len(found)} targets are more than the {MOST_TARGETS} that a prober "
            f"takes, and the last {len(found) - room} by name are not probed: narrow the selectors, or share the "
            "targets among several ProbeConfigs",
        ),
    )


def listed_mistakes(config: ProbeConfig, template: ProbeTemplate) -> tuple[Mistake, ...]:
    """What is wrong with the targets that a config writes down, as far as that can be told without a cluster."""
    read = _Reading(config, template, Surroundings())
    read.listed()
    mistake = read.mistake()
    return (mistake,) if mistake is not None else ()


@lru_cache(maxsize=CHECKS_KEPT)
def _check(schema: str, params: str) -> ParamsCheck:
    """A thousand targets take half a second to check, and all but a few are as they were the last time."""
    return check_params(json.loads(schema), json.loads(params))


@dataclass(frozen=True, slots=True)
class _Found:
    """A target that an entry found, before its parameters are looked at."""

    name: str
    where: str
    entry: Discover
    one: Candidate
    spot: Spot
    port: Port


class _Reading:
    """One pass over a config's words, collecting what is wrong on the way."""

    def __init__(self, config: ProbeConfig, template: ProbeTemplate, around: Surroundings) -> None:
        assert config.spec.resident is not None
        self._config = config
        self._entries = config.spec.resident.targets
        self._template = template
        self._around = around
        self._schema = json.dumps(template.spec.params)
        self._shared = _check(self._schema, json.dumps(config.spec.params)).values
        self._wrong: list[str] = []
        self._refused: list[str] = []

    def listed(self) -> tuple[Target, ...]:
        """The targets that are written down; the config itself where there is nothing about targets."""
        if self._entries is None:
            return (Target(self._config.metadata.name, {}, {}),)
        where = "spec.resident.targets.static"
        return tuple(
            target
            for index, one in enumerate(self._entries.static)
            for target in self._checked(f"{where}[{index}]", one.name, one.params, one.labels)
        )

    def discovered(self) -> Iterator[_Found]:
        """What the entries find; one whose name is taken has a mark of the entry that found it."""
        if self._entries is None:
            return
        names = {one.name for one in self._entries.static}
        for index, entry in enumerate(self._entries.discover):
            seen = {one.name: one for one in self._matching(f"spec.resident.targets.discover[{index}]", entry)}
            for name, one in seen.items():
                free = name
                while free in names:
                    free = fitting(f"{free}#{index}")
                yield replace(one, name=free) if free != name else one
            names |= seen.keys()

    def target(self, found: _Found) -> Iterator[Target]:
        """The target, if its parameters are well."""
        one, port = found.one, found.port
        try:
            params = expanded(found.entry.params, variables_of(one, found.spot, port))
        except ValueError as error:
            self._wrong.append(f"{found.where} ({found.name}): {error}")
            return
        labels = {"kind": one.kind.value, "namespace": one.namespace, "name": one.name, **dict(found.spot.about)}
        labels["port"] = str(port.number or "")
        said = {key: value for key, value in labels.items() if value}
        yield from self._checked(found.where, found.name, params, said)

    def mistake(self) -> Mistake | None:
        """What is wrong with those that were left out."""
        if self._refused:
            return Mistake("NamespaceNotAllowed", "; ".join(self._refused))
        if not self._wrong:
            return None
        shown = "; ".join(self._wrong[:MOST_SHOWN])
        more = f"; and {len(self._wrong) - MOST_SHOWN} more" if len(self._wrong) > MOST_SHOWN else ""
        return Mistake("InvalidTargets", cut(f"{len(self._wrong)} left out of the targets: {shown}{more}"))

    def _checked(self, where: str, name: str, params: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[Target]:
        checked = _check(self._schema, json.dumps({**self._config.spec.params, **params}))
        if checked.errors:
            self._wrong.append(f"{where} ({name}): {'; '.join(checked.errors)}")
            return
        shared = self._shared
        own = {key: value for key, value in checked.values.items() if key not in shared or shared[key] != value}
        yield Target(name, own, labels)

    def _matching(self, where: str, entry: Discover) -> Iterator[_Found]:
        out = self._services_opted_out() if entry.kind is DiscoverKind.ENDPOINT_SLICE else frozenset()
        namespaces = self._namespaces(where, entry)
        for one in self._around.candidates.get(entry.kind, ()):
            if one.namespace not in namespaces or not matches(entry.selector, one.labels) or self._is_own(one):
                continue
            if (one.namespace, one.labels.get(SERVICE_NAME, "")) in out:
                continue
            for spot in one.spots:
                port = port_of(entry, spot.ports)
                if port is not None and not self._is_own_pod(one.namespace, spot.pod):
                    yield _Found(target_name(one, spot, port), where, entry, one, spot, port)

    def _namespaces(self, where: str, entry: Discover) -> Collection[str]:
        if entry.kind is DiscoverKind.NODE:
            return ("",)
        own, allowed = self._config.metadata.namespace, self._template.spec.discover_namespaces
        if not entry.namespaces:
            return (own,)
        open_ones = {own}
        if allowed is not None:
            open_ones |= {name for name, labels in self._around.namespaces.items() if matches(allowed, labels)}
        if EVERY_NAMESPACE in entry.namespaces:
            return open_ones
        closed = sorted(set(entry.namespaces) - open_ones)
        if closed:
            self._refused.append(
                f"{where}.namespaces: targets may not be looked for in {', '.join(closed)}: it is not there, or the "
                f"spec.discoverNamespaces of ProbeTemplate {self._template.metadata.name!r} does not select it; ask "
                "the platform team to allow it, or leave it out"
            )
        return open_ones & set(entry.namespaces)

    def _services_opted_out(self) -> frozenset[tuple[str, str]]:
        services = self._around.candidates.get(DiscoverKind.SERVICE, ())
        return frozenset((one.namespace, one.name) for one in services if one.opted_out)

    def _is_own(self, one: Candidate) -> bool:
        """Pods of runs come and go with them; this prober's own would find itself healthy."""
        if one.kind is not DiscoverKind.POD:
            return False
        mine = one.namespace == self._config.metadata.namespace and LABEL_RESIDENT in one.labels
        return LABEL_RUN in one.labels or (mine and one.labels.get(LABEL_CONFIG) == self._config.metadata.name)

    def _is_own_pod(self, namespace: str, pod: str) -> bool:
        base = f"{workload_name(self._config.metadata.name)}-"[:POD_NAME_BASE]
        return namespace == self._config.metadata.namespace and pod.startswith(base)
