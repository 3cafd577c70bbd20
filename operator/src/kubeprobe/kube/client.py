"""The port's adapter over the kubernetes library's asyncio client: its configuration and HTTP, on plain dicts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException, Configuration

from kubeprobe.kube.fence import last_look
from kubeprobe.kube.port import PODS, ApiError, Object, Resource

REQUEST_TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 5.0
"""A connection that is not there by then will not be: its packets go astray where a service's rules just changed."""
SILENCE_SECONDS = 90.0
"""A watch that is silent for so long hangs: the server sends a bookmark every minute."""
PAGE = 500
LOG_BYTES = 512 * 1024
LOG_READ_BYTES = 16 * LOG_BYTES
"""Whoever writes lines without end does not have the operator read on for ever."""

JSON_PATCH = "application/json"
MERGE_PATCH = "application/merge-patch+json"
ANY_JSON = "application/json, */*;q=0.5"
"""The key set of tokens has a media type of its own."""
APPLY_PATCH = "application/apply-patch+yaml"
FIELD_MANAGER = "kubeprobe"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def connect(kubeconfig: Path | None = None, context: str | None = None, user: str = "") -> Client:
    """A client for the named kubeconfig and context, else for $KUBECONFIG, the pod's own cluster, or ~/.kube/config.

    Args:
        user: who the API server's audit log is to name beside the program, such as a replica of several.

    Raises:
        ApiError: none of these is there or can be read; the message says which was tried.
    """
    configuration = Configuration()
    named = kubeconfig is not None or context is not None or "KUBECONFIG" in os.environ
    try:
        if not named and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(kubeconfig) if kubeconfig else None,
                context=context,
                client_configuration=configuration,
            )
    except (config.ConfigException, OSError) as error:
        raise ApiError(0, "NoCluster", f"no cluster is configured: {error}; set KUBECONFIG or --kubeconfig") from error
    return Client(configuration, user)


class Client:
    """`kubeprobe.kube.port.Api` over one connection pool. Close it, or use it as an async context manager."""

    def __init__(self, configuration: Configuration, user: str = "", connect_seconds: float = CONNECT_SECONDS) -> None:
        self._limits = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=connect_seconds)
        configuration.trace_configs = [_looking_before_each_body()]
        self._client = ApiClient(configuration)
        self._client.user_agent = f"kubeprobe/{version('kubeprobe')}" + (f" ({user})" if user else "")
        self._observers: list[Callable[[str, int], None]] = []

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    def observe(self, observer: Callable[[str, int], None]) -> None:
        """See `ObservedApi.observe`."""
        self._observers.append(observer)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """See `Api.get`."""
        return await self._request("GET", resource.path(namespace, name))

    async def raw(self, path: str) -> Object:
        """See `Api.raw`."""
        return await self._request("GET", path)

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Object]:
        """See `Api.list`."""
        async for page in self._pages(resource.path(namespace), label_selector, field_selector):
            for item in page.get("items") or ():
                yield item

    def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        """See `Api.pages`."""
        accept = METADATA_LIST if resource.metadata_only else ANY_JSON
        return self._pages(resource.path(None), label_selector, "", accept)

    async def watch(
        self,
        resource: Resource,
        version: str,
        *,
        label_selector: str = "",
        timeout_seconds: int,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Object]:
        """See `Api.watch`."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "labelSelector": label_selector,
            "timeoutSeconds": str(timeout_seconds),
        }
        total = timeout_seconds + REQUEST_TIMEOUT_SECONDS
        connect = self._limits.sock_connect
        limits = aiohttp.ClientTimeout(total=total, sock_connect=connect, sock_read=SILENCE_SECONDS)
        accept = METADATA if resource.metadata_only else ANY_JSON
        response = await self._send("GET", resource.path(None), query=query, limits=limits, accept=accept)
        opened()
        try:
            async for line in response.content:
                yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _absent(self.host, error) from error
        finally:
            response.close()

    async def _pages(
        self, path: str, label_selector: str, field_selector: str, accept: str = ANY_JSON
    ) -> AsyncIterator[Object]:
        query = {"limit": str(PAGE), "labelSelector": label_selector, "fieldSelector": field_selector}
        while True:
            page = await self._request("GET", path, query=query, accept=accept)
            yield page
            query["continue"] = page.get("metadata", {}).get("continue") or ""
            if not query["continue"]:
                return

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """See `Api.create`."""
        return await self._request("POST", resource.path(namespace), body=body)

    async def try_create(self, resource: Resource, namespace: str, body: Object) -> None:
        """See `TrialApi.try_create`."""
        await self._request("POST", resource.path(namespace), query={"dryRun": "All"}, body=body)

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """See `Api.merge_patch`."""
        path = resource.path(namespace, name, subresource)
        return await self._request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def apply(self, resource: Resource, namespace: str, name: str, body: Object, *, force: bool) -> Object:
        """See `Api.apply`."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        path = resource.path(namespace, name)
        return await self._request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH)

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """See `Api.delete`."""
        options: Object = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._request("DELETE", resource.path(namespace, name), body=options)
        except ApiError as error:
            # 409: another object has the name by now; the one that was meant is gone.
            if not (error.not_found or error.conflict):
                raise

    async def delete_collection(self, resource: Resource, namespace: str, *, label_selector: str) -> None:
        """See `Api.delete_collection`."""
        options = {"propagationPolicy": "Background"}
        await self._request("DELETE", resource.path(namespace), query={"labelSelector": label_selector}, body=options)

    async def pod_log(self, namespace: str, pod: str, container: str, *, since_seconds: int, tail_lines: int) -> str:
        """See `LogApi.pod_log`."""
        query = {"container": container, "sinceSeconds": str(since_seconds), "tailLines": str(tail_lines)}
        response = await self._send("GET", PODS.path(namespace, pod, "log"), query=query, accept="*/*")
        log, read = bytearray(), 0
        try:
            async for part in response.content.iter_any():
                log += part
                read += len(part)
                del log[:-LOG_BYTES]
                if read > LOG_READ_BYTES:
                    break
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _absent(self.host, error) from error
        finally:
            response.close()
        return log.decode(errors="replace")

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = JSON_PATCH,
        accept: str = ANY_JSON,
    ) -> Object:
        response = await self._send(method, path, query=query, body=body, content_type=content_type, accept=accept)
        try:
            payload = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _absent(self.host, error) from error
        decoded: Object = json.loads(payload) if payload else {}
        return decoded

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = JSON_PATCH,
        limits: aiohttp.ClientTimeout | None = None,
        accept: str = ANY_JSON,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Content-Type": content_type}
        pairs = [(key, value) for key, value in (query or {}).items() if value]
        status = 0
        try:
            verb, url, headers, _, _ = await self._client.param_serialize(
                method, path, header_params=headers, query_params=pairs, auth_settings=["BearerToken"]
            )
            answer = await self._client.call_api(verb, url, headers, body=body, _request_timeout=limits or self._limits)
            response: aiohttp.ClientResponse = answer.response
            status = response.status
            if response.status >= 400:
                raise _refusal(response.status, await response.read(), response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError, ApiException) as error:
            raise _absent(self.host, error) from error
        finally:
            for observer in self._observers:
                observer(method, status)
        return response


def _looking_before_each_body() -> aiohttp.TraceConfig:
    """All writes have a body, and aiohttp calls this right before it hands the body and the headers to the socket."""

    async def look(*_: object) -> None:
        last_look()

    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(look)
    return trace


def _refusal(status: int, payload: bytes, retry_after: str | None) -> ApiError:
    try:
        answer: dict[str, Any] = json.loads(payload)
    except ValueError:
        answer = {}
    return ApiError(
        status=status,
        reason=str(answer.get("reason") or status),
        message=str(answer.get("message") or payload[:200].decode(errors="replace")),
        retry_after_seconds=float(retry_after) if retry_after and retry_after.isdigit() else None,
        details=answer.get("details") or {},
    )


def _absent(host: str, error: BaseException) -> ApiError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        why = "no connection came about in time"
    elif isinstance(error, asyncio.TimeoutError):
        why = f"no answer within {REQUEST_TIMEOUT_SECONDS:g}s"
    else:
        why = str(error) or type(error).__name__
    return ApiError(0, "Unreachable", f"the API server at {host} did not answer: {why}")
