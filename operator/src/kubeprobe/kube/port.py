"""The small port through which everything in kubeprobe speaks to the API server: plain dicts in, plain dicts out.

Generated models would cost several times the CPU and memory of the dicts, and every object that matters has a model in
`kubeprobe.api` already. Behind the port stands one adapter (`kubeprobe.kube.client`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubeprobe.api import GROUP, VERSION

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the API server's paths name it."""

    group: str
    version: str
    plural: str
    metadata_only: bool = False
    """Whether lists and watches are to bring metadata alone, for objects whose rest is large and of no use."""
    within: str = ""
    """The namespace in which all of it is listed and watched; empty for all namespaces."""

    @property
    def api_version(self) -> str:
        """As objects have it, watched ones alone: those of a list are without."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of one object's subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace or self.within:
            parts.append(f"namespaces/{namespace or self.within}")
        parts.append(self.plural)
        parts.extend(part for part in (name, subresource) if part)
        return "/".join(parts)


TEMPLATES = Resource(GROUP, VERSION, "probetemplates")
CONFIGS = Resource(GROUP, VERSION, "probeconfigs")
RUNS = Resource(GROUP, VERSION, "proberuns")
RESULTS = Resource(GROUP, VERSION, "proberesults")
CHANGES = Resource(GROUP, VERSION, "changes")
GATES = Resource(GROUP, VERSION, "changegates")
PODS = Resource("", "v1", "pods")
NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
NODE_METADATA = Resource("", "v1", "nodes", metadata_only=True)
SERVICES = Resource("", "v1", "services")
EVENTS = Resource("", "v1", "events")
SECRETS = Resource("", "v1", "secrets")
CONFIGMAPS = Resource("", "v1", "configmaps")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions")
CUSTOM_RESOURCE_DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
VALIDATING_WEBHOOKS = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
MUTATING_WEBHOOKS = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses")
LEASES = Resource("coordination.k8s.io", "v1", "leases")


@dataclass(eq=False)
class ApiError(Exception):
    """The API server's refusal, or its absence (status 0)."""

    status: int
    reason: str
    message: str
    retry_after_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message or self.reason

    @property
    def not_found(self) -> bool:
        """The object, or its namespace, is not there."""
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        """An object of this name is there already."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Somebody else wrote the object since it was read."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def namespace_terminating(self) -> bool:
        """Nothing can be created there any more."""
        return self.status == 403 and "because it is being terminated" in self.message

    @property
    def passing(self) -> bool:
        """Whether trying the same again later is sensible: no answer, throttled, or the server's own trouble."""
        return self.status in (0, 429) or self.status >= 500

    @property
    def refused(self) -> bool:
        """Somebody has something against it, who has to be asked: a right, a quota, a webhook, be it one that is away.

        That a webhook could not be asked the API server tells as trouble of its own.
        """
        return "failed calling webhook" in self.message or not (self.passing or self.conflict)


class Reader(Protocol):
    """What kubeprobe asks of an API server without changing anything. Every method raises `ApiError`."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """One object."""
        ...

    async def raw(self, path: str) -> Object:
        """The JSON document at a path that is not a resource, such as the key set of service account tokens."""
        ...

    def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Object]:
        """All objects, read in pages of 500."""
        ...

    def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        """All objects of a resource in all namespaces, as the server's own list objects of up to 500 items."""
        ...

    def watch(
        self,
        resource: Resource,
        version: str,
        *,
        label_selector: str = "",
        timeout_seconds: int,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Object]:
        """The changes since a resourceVersion, as watch events, bookmarks among them, until the server ends it.

        `opened` is called when the server has begun to answer, which it may do long before there is a change.
        """
        ...


class LogApi(Protocol):
    """What kubeprobe asks of kubelets, through the API server."""

    async def pod_log(self, namespace: str, pod: str, container: str, *, since_seconds: int, tail_lines: int) -> str:
        """The end of a container's log, at most half a mebibyte of it. Raises `ApiError`."""
        ...


class TrialApi(Protocol):
    """What kubeprobe has an API server decide without doing it."""

    async def try_create(self, resource: Resource, namespace: str, body: Object) -> None:
        """Have a creation go the whole way, admission and all, but for being stored. Raises `ApiError`."""
        ...


class Api(Reader, Protocol):
    """All that kubeprobe asks of an API server. Every method raises `ApiError`."""

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """A new object, as the server stored it."""
        ...

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """JSON merge patch (RFC 7386): null deletes a field, lists are replaced whole."""
        ...

    async def apply(self, resource: Resource, namespace: str, name: str, body: Object, *, force: bool) -> Object:
        """Server-side apply as the one field manager of kubeprobe: what it said before and says no more is removed.

        With a `metadata.uid` it applies to just that object. Without force, what another manager says otherwise is a
        conflict.
        """
        ...

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Delete the object of this uid in the background; one that is gone already is no error."""
        ...

    async def delete_collection(self, resource: Resource, namespace: str, *, label_selector: str) -> None:
        """Delete all objects that a selector matches, in one request."""
        ...


class ObservedApi(Api, LogApi, TrialApi, Protocol):
    """An API, kubelets' logs and trials and all, that tells of its answers."""

    def observe(self, observer: Callable[[str, int], None]) -> None:
        """Tell of every request from now on: its HTTP verb, and the answer's status (0 when there was none)."""
        ...
