"""An API server that serves what a test puts into it, and time that goes by as soon as somebody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from kubeprobe.cli.gate_follow import Time
from kubeprobe.kube.port import ApiError, Object, Resource


@dataclass
class Cluster:
    """Objects by plural and name, patches as they came, and what happens at a second of the waiting."""

    start: datetime
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    patches: list[Object] = field(default_factory=list)
    events: dict[float, Callable[[], None]] = field(default_factory=dict)
    trouble: ApiError | None = None
    waited: float = 0.0

    async def connect(self, kubeconfig: Path | None = None, context: str | None = None) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        if self.trouble is not None:
            raise self.trouble
        found = self.objects.get((resource.plural, name))
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.plural}.kubeprobe.io "{name}" not found')
        return found

    async def list(self, resource: Resource, namespace: str | None = None, **_: str) -> AsyncIterator[Object]:
        for (plural, _name), body in self.objects.items():
            if plural == resource.plural:
                yield body

    async def merge_patch(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        found = await self.get(resource, namespace, name)
        self.patches.append(body)
        merged = {**found["spec"], **body["spec"]}
        found["spec"] = {key: value for key, value in merged.items() if value is not None}
        found["metadata"]["generation"] += 1
        return found

    async def sleep(self, seconds: float) -> None:
        self.waited += seconds
        for due in sorted(at for at in self.events if at <= self.waited):
            self.events.pop(due)()

    @property
    def times(self) -> Time:
        return Time(lambda: self.waited, self.sleep, lambda: self.start + timedelta(seconds=self.waited))

    def gate(self, name: str = "production", *, seen: bool = True, **status: Any) -> None:
        """Put a gate there, or its status; `seen` is whether the operator has seen its spec."""
        usual = {
            "metadata": {"name": name, "uid": "u", "generation": 1, "creationTimestamp": self.start.isoformat()},
            "spec": {"scope": {"namespaces": ["*"]}, "probes": {"namespaces": ["*"]}},
        }
        body = self.objects.setdefault(("changegates", name), usual)
        observed = body["metadata"]["generation"] - (0 if seen else 1)
        since = self.start.isoformat()
        body["status"] = {"observedGeneration": observed, "verdict": "Passed", "since": since, **status}

    def closed(self, **status: Any) -> None:
        """Have the gate closed by a probe."""
        usual = {
            "phase": "Closed",
            "closureID": "abc",
            "reason": "ProbeFailed",
            "verdict": "Failed",
            "message": "probe probes/checkout failed",
        }
        self.gate(**{**usual, **status})
