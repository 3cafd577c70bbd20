"""The cluster's API for probes: a few verbs over httpx on plain dicts.

Not the kubernetes client, because a probe is a process that starts for every run: importing that client costs 0.9 s
of CPU at each pod start, httpx 0.3 s (0.15 s without its command line's colours), and a probe needs six verbs of it.

    async with Api.connect() as api:
        pod = await api.create(PODS, "probes", manifest)
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx

from cluster.config import ApiConfig, load
from cluster.errors import ApiError, ApiSilent, ApiUnreachable, ApiUntrusted, tls_cause
from cluster.words import Object
from endpoint.bounded import BoundedTransport, EndlessAnswerError
from probe_sdk import Inconclusive, ProbeFailure

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
RECONNECT_SECONDS = 1.0
MOST_BYTES = 32 * 1024 * 1024
HTTPS_PORT = 443
NOT_FOUND = 404
CONFLICT = 409


@dataclass(frozen=True)
class Resource:
    """A kind of object as the API's paths name it."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """`/api/v1/namespaces/NAMESPACE/pods/NAME/…`; without a namespace, those of all namespaces."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{root}{scope}/{self.plural}{tail}" + (f"/{subresource}" if subresource else "")


PODS = Resource("v1", "pods")
EVENTS = Resource("v1", "events")
SERVICES = Resource("v1", "services")
SECRETS = Resource("v1", "secrets")
CONFIG_MAPS = Resource("v1", "configmaps")
NODES = Resource("v1", "nodes", namespaced=False)
DEPLOYMENTS = Resource("apps/v1", "deployments")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "endpointslices")


class Api:
    """One connection pool to one API server."""

    def __init__(self, config: ApiConfig, client: httpx.AsyncClient) -> None:
        self.config = config
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connect(cls, config: ApiConfig | None = None) -> AsyncIterator[Self]:
        """Open the way that the environment gives, or the one that is handed in."""
        config = config or load()
        async with httpx.AsyncClient(
            base_url=config.server,
            transport=BoundedTransport(config.ssl_context(), MOST_BYTES),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,  # a proxy of the machine's has nothing to do with the cluster's API
        ) as client:
            yield cls(config, client)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """One object; ApiError with status 404 where there is none."""
        return await self.request("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[list[Object], str]:
        """The objects of a selection and the resourceVersion to watch from."""
        answer = await self.request("GET", resource.path(namespace), query=selection(labels, fields))
        return list(answer.get("items") or ()), str(answer["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, namespace: str | None, manifest: Mapping[str, Any]) -> Object:
        """Create an object and return it as the API keeps it."""
        return await self.request("POST", resource.path(namespace), body=manifest)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Mapping[str, Any],
        subresource: str | None = None,
    ) -> Object:
        """A JSON merge patch of an object or of its subresource."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str | None = None,
    ) -> bool:
        """Delete an object, its dependents in the background; False where it was gone already."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", resource.path(namespace, name), body=options)
        except ApiError as error:
            if error.status == NOT_FOUND or (uid and error.status == CONFLICT):
                return False
            raise
        return True

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Any request on plain dicts; what goes wrong comes as ApiUnreachable, ApiSilent or ApiError."""
        content = json.dumps(body, separators=(",", ":")).encode() if body is not None else None
        response = await self.answer(method, path, query=query, content=content, content_type=content_type)
        raise_for_status(f"{method} {path}", response)
        return _object(response)

    async def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        content_type: str = "application/json",
    ) -> httpx.Response:
        """What the server answers, whatever that is; no answer comes as ApiUnreachable or ApiSilent."""
        headers = self._headers()
        if content is not None:
            headers["Content-Type"] = content_type
        try:
            return await self._client.request(method, path, params=query, content=content, headers=headers)
        except httpx.TransportError as error:
            raise await self.no_answer(f"{method} {path}", error) from error

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[str, None]:
        """The lines of an answer that goes on for as long as the server likes."""
        timeout = httpx.Timeout(CONNECT_SECONDS, read=None)
        try:
            async with self._client.stream(
                "GET", path, params=query, headers=self._headers(), timeout=timeout
            ) as response:
                if response.is_error:
                    await response.aread()
                raise_for_status(f"GET {path}", response)
                async for line in response.aiter_lines():
                    yield line
        except httpx.TransportError as error:
            raise await self.no_answer(f"GET {path}", error) from error

    async def no_answer(self, what: str, error: Exception) -> ProbeFailure:
        """The error that names the address, this node and what was tried.

        An open connection falls silent both when the server hangs and when the way to it is cut under it (a proxy's
        rules are flushed); a new connection tells which.
        """
        cause = root_cause(error)
        if isinstance(error, EndlessAnswerError):
            look = "what listens there may be no API server"
            return ProbeFailure(f"{self.config.server}: {what}: {error}; {look}", reason="BodyTooLong")
        if isinstance(error, httpx.NetworkError) and (refused := tls_cause(error)):
            return ApiUntrusted(self.config.server, what, refused)
        if isinstance(error, httpx.ConnectError):
            return ApiUnreachable(self.config.server, what, cause)
        if isinstance(error, httpx.ConnectTimeout):
            return ApiUnreachable(self.config.server, what, cause, CONNECT_SECONDS)
        waited_seconds = ANSWER_SECONDS if isinstance(error, httpx.TimeoutException) else 0.0
        url = httpx.URL(self.config.server)
        try:
            async with asyncio.timeout(RECONNECT_SECONDS):
                _, writer = await asyncio.open_connection(url.host, url.port or HTTPS_PORT)
        except OSError as unconnected:  # TimeoutError is one
            again = f"{cause}, and no new connection: {root_cause(unconnected)}"
            return ApiUnreachable(self.config.server, what, again, waited_seconds)
        writer.close()
        return ApiSilent(self.config.server, what, cause, waited_seconds)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "kubeprobe-probe"}
        try:
            token = self.config.bearer_token()
        except (OSError, UnicodeDecodeError) as error:
            raise Inconclusive(f"the probe's own token cannot be read: {error}", reason="Token") from None
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers


def selection(labels: str = "", fields: str = "") -> dict[str, str]:
    """The query of a list or a watch."""
    query = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in query.items() if value}


def raise_for_status(what: str, response: httpx.Response) -> None:
    """The API's own words, where it answered with a Status; otherwise what it sent."""
    if not response.is_error:
        return
    status = _object(response)
    reason = str(status.get("reason") or response.reason_phrase)
    raise ApiError(what, response.status_code, reason, str(status.get("message") or response.text[:300]))


def _object(response: httpx.Response) -> Object:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def root_cause(error: BaseException) -> str:
    """What the operating system said, under the layers that wrapped it."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g}s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {ANSWER_SECONDS:g}s"
    inner: BaseException = error
    while True:
        if isinstance(inner, OSError) and inner.errno and inner.errno > 0:
            return os.strerror(inner.errno).lower()  # asyncio puts the address in place of the reason
        if isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        elif (deeper := inner.__cause__ or inner.__context__) is not None:
            inner = deeper
        else:
            return str(inner) or "timed out"
