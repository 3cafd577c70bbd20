"""What the operator knows without asking: every object as the watches told it, or as its own last write answered.

The first listings fill these views before any decision is taken, so that the first one already sees everything. A write
of our own comes back through the watch only later; its answer is put here at once, so that no decision is taken on
what is already out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from kubeprobe.api import (
    Change,
    ChangeGate,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    ProbeTemplate,
    Severity,
    Verdict,
)
from kubeprobe.kube.port import Object
from kubeprobe.kube.reflector import Held
from kubeprobe.plan.due import changes_of
from kubeprobe.plan.nodes import Node
from kubeprobe.plan.owned import Owned, OwnedKind
from kubeprobe.plan.pod_view import PodView
from kubeprobe.plan.resident_pod import ResidentPod
from kubeprobe.plan.standing import MAINTENANCE

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""
V = TypeVar("V")


class View(Generic[V]):
    """The objects of one kind by key, and by the groups that a function puts each into (a run's config, say)."""

    def __init__(self, ident: Callable[[V], Held], groups_of: Callable[[V], tuple[Key, ...]] = lambda _: ()) -> None:
        self._ident = ident
        self._groups_of = groups_of
        self._objects: dict[Key, V] = {}
        self._groups: dict[Key, set[Key]] = {}
        self._followers: list[Callable[[Key, V | None, V | None], None]] = []

    def follow(self, told: Callable[[Key, V | None, V | None], None]) -> None:
        """Have somebody told of every change from now on, wherever it was seen: the key, the object before and now."""
        self._followers.append(told)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[V]:
        return iter(self._objects.values())

    def held(self) -> Iterator[Held]:
        """Which objects these are, and which versions of them."""
        for one in tuple(self._objects.values()):
            yield self._ident(one)

    def get(self, key: Key) -> V | None:
        """The newest known version of the object."""
        return self._objects.get(key)

    def group(self, key: Key) -> tuple[V, ...]:
        """All objects of one group."""
        return tuple(self._objects[member] for member in self._groups.get(key, ()))

    def put(self, new: V) -> bool:
        """Take an object as it was seen or as a write answered; an older version than the known one is passed over."""
        ident = self._ident(new)
        known = self._objects.get(ident.key)
        if known is not None:
            before = self._ident(known)
            if before.uid == ident.uid and before.version >= ident.version:
                return False
            self._ungroup(ident.key, known)
        self._objects[ident.key] = new
        for group in self._groups_of(new):
            self._groups.setdefault(group, set()).add(ident.key)
        self._tell(ident.key, known, new)
        return True

    def drop(self, key: Key, uid: str) -> None:
        """Forget an object that is gone; another one of the same name stays."""
        known = self._objects.get(key)
        if known is not None and self._ident(known).uid == uid:
            self._ungroup(key, known)
            del self._objects[key]
            self._tell(key, known, None)

    def _tell(self, key: Key, before: V | None, now: V | None) -> None:
        for told in self._followers:
            told(key, before, now)

    def _ungroup(self, key: Key, known: V) -> None:
        for group in self._groups_of(known):
            members = self._groups.get(group, set())
            members.discard(key)
            if not members:
                self._groups.pop(group, None)


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A namespace's labels, for templates that allow only some."""

    name: str
    uid: str
    resource_version: int
    labels: dict[str, str]


def read_namespace(body: Object) -> NamespaceView:
    """The view of a namespace as the API server tells it."""
    meta = body["metadata"]
    return NamespaceView(meta["name"], meta["uid"], int(meta["resourceVersion"]), dict(meta.get("labels") or {}))


@dataclass(frozen=True, slots=True)
class ResultView:
    """A ProbeResult, its status still packed: thousands of answers rest for minutes, and as models they fill memory."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner_uids: tuple[str, ...]
    verdict: str
    severity: str
    finished_at: float | None
    """When the newest run completed, as Unix time."""
    maintenance: bool
    fresh_until: float | None
    """Until when the answer is worth something, as Unix time; None where no slots are served."""
    packed: bytes

    @property
    def status(self) -> ProbeResultStatus:
        """The status, unpacked anew."""
        return ProbeResultStatus.model_validate_json(self.packed)


def read_result(body: Object) -> ResultView:
    """The view of a ProbeResult as the API server tells it."""
    meta, status = body["metadata"], body.get("status") or {}
    return ResultView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        owner_uids=tuple(ref["uid"] for ref in meta.get("ownerReferences") or ()),
        verdict=sys.intern(status.get("verdict") or Verdict.UNKNOWN.value),
        severity=sys.intern(status.get("severity") or Severity.WARNING.value),
        finished_at=_unix((status.get("lastRun") or {}).get("finishedAt")),
        maintenance=any(
            one.get("type") == MAINTENANCE and one.get("status") == "True" for one in status.get("conditions") or ()
        ),
        fresh_until=_unix(status.get("freshUntil")),
        packed=json.dumps(status, separators=(",", ":")).encode(),
    )


def _unix(time: str | None) -> float | None:
    return datetime.fromisoformat(time).timestamp() if time else None


def read_node(body: Object) -> Node:
    """The view of a node, from its metadata; the words of labels that thousands of nodes share are kept once."""
    meta = body["metadata"]
    return Node(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        labels={sys.intern(key): sys.intern(value) for key, value in (meta.get("labels") or {}).items()},
        created_at=datetime.fromisoformat(meta["creationTimestamp"]),
        deleting=bool(meta.get("deletionTimestamp")),
    )


class Views:
    """The views of all kinds that decisions look at."""

    def __init__(self) -> None:
        self.templates: View[ProbeTemplate] = View(_ident)
        self.configs: View[ProbeConfig] = View(_ident, lambda config: (("", config.spec.template_ref.name),))
        """Grouped by the template that they name."""
        self.runs: View[ProbeRun] = View(_ident, _run_groups)
        """Grouped by the config that they belong to, and by the Changes that they are for."""
        self.results: View[ResultView] = View(_flat_ident)
        self.pods: View[PodView] = View(_flat_ident)
        self.resident_pods: View[ResidentPod] = View(_flat_ident, lambda pod: (pod.key,))
        """Grouped by the config that they probe for."""
        self.nodes: View[Node] = View(lambda one: Held(("", one.name), one.uid, one.resource_version))
        self.owned: dict[OwnedKind, View[Owned]] = {kind: View(_flat_ident, _prober_of) for kind in OwnedKind}
        """What resident probers are made of, grouped by their config."""
        self.changes: View[Change] = View(_ident)
        self.gates: View[ChangeGate] = View(_ident)
        self.namespaces: View[NamespaceView] = View(lambda one: Held(("", one.name), one.uid, one.resource_version))

    def namespace_labels(self, name: str) -> dict[str, str] | None:
        """The labels of a namespace; None when it is not there."""
        found = self.namespaces.get(("", name))
        return found.labels if found else None


def _run_groups(run: ProbeRun) -> tuple[Key, ...]:
    own = ((run.metadata.namespace, run.spec.config_ref.name),) if run.spec.config_ref else ()
    return (*own, *(("", change) for change in changes_of(run)))


def _prober_of(one: Owned) -> tuple[Key]:
    return ((one.namespace, one.config),)


def _flat_ident(one: ResultView | PodView | ResidentPod | Owned) -> Held:
    return Held((one.namespace, one.name), one.uid, one.resource_version)


def _ident(one: ProbeTemplate | ProbeConfig | ProbeRun | Change | ChangeGate) -> Held:
    meta = one.metadata
    return Held((meta.namespace, meta.name), meta.uid, int(meta.resource_version or 0))
