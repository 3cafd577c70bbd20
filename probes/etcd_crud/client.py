"""One member's v3 API through its JSON gateway: HTTP/1.1 over mutual TLS, so that a probe needs no gRPC."""

import asyncio
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from endpoint.bounded import BoundedTransport
from etcd_crud.causes import EtcdFailure, Trouble, of_answer, of_transport
from probe_sdk import Inconclusive

Json = dict[str, Any]
MOST_BYTES = 4 * 1024 * 1024
BROKEN = (httpx.TransportError, ssl.SSLError)
"""A TLS alert comes through the HTTP client as it is, now and then."""


def tls_context(ca_file: Path, cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Trust that CA only, and present the client certificate."""
    for name, path in (("caFile", ca_file), ("certFile", cert_file), ("keyFile", key_file)):
        if not path.is_file():
            raise Inconclusive(
                f"{name}: there is no file {path}; mount the Secret with etcd's client certificate by the "
                "ProbeConfig's podOverrides.volumes and volumeMounts"
            )
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
        context.load_cert_chain(cert_file, key_file)
    except (ssl.SSLError, OSError) as error:
        files = f"{ca_file}, {cert_file} and {key_file}"
        raise Inconclusive(f"the files {files} are no CA, certificate and matching key in PEM: {error}") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as Go's clients: old authorities lack the key identifiers
    return context


@dataclass
class Etcd:
    """A member, and how long each request to it took."""

    endpoint: str
    http: httpx.AsyncClient
    tls: ssl.SSLContext
    timeout_seconds: float
    request_seconds: list[float] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def connect(cls, endpoint: str, tls: ssl.SSLContext, timeout_seconds: float) -> AsyncIterator["Etcd"]:
        """Open the way to a member; the connection itself comes with the first request."""
        async with httpx.AsyncClient(
            base_url=endpoint,
            transport=BoundedTransport(tls, MOST_BYTES),
            timeout=timeout_seconds,
            trust_env=False,
            headers={"User-Agent": "kubeprobe"},
        ) as http:
            yield cls(endpoint.rstrip("/"), http, tls, timeout_seconds)

    async def put(self, key: str, value: str, lease: str) -> None:
        """Write a key that goes with its lease."""
        await self._ask("/v3/kv/put", {"key": _encode(key), "value": _encode(value), "lease": lease})

    async def get(self, key: str) -> str | None:
        """Read a key from the quorum; None where it is not there."""
        found = (await self._ask("/v3/kv/range", {"key": _encode(key)})).get("kvs")
        return _decode(found[0].get("value", "")) if found else None

    async def delete(self, key: str) -> int:
        """Delete a key; how many there were."""
        return int((await self._ask("/v3/kv/deleterange", {"key": _encode(key)})).get("deleted", 0))

    async def swap(self, key: str, expected: str, value: str, lease: str) -> bool:
        """Compare and swap in one transaction; whether the comparison held."""
        compare = {"key": _encode(key), "target": "VALUE", "result": "EQUAL", "value": _encode(expected)}
        put = {"requestPut": {"key": _encode(key), "value": _encode(value), "lease": lease}}
        return bool((await self._ask("/v3/kv/txn", {"compare": [compare], "success": [put]})).get("succeeded", False))

    async def grant(self, ttl_seconds: int) -> str:
        """A lease; its id."""
        return str((await self._ask("/v3/lease/grant", {"TTL": str(ttl_seconds)}))["ID"])

    async def revoke(self, lease: str) -> None:
        """End a lease, and with it its keys."""
        await self._ask("/v3/lease/revoke", {"ID": lease})

    async def left_seconds(self, lease: str) -> int:
        """How long a lease still lasts; -1 where it is over."""
        return int((await self._ask("/v3/lease/timetolive", {"ID": lease})).get("TTL", -1))

    async def status(self) -> Json:
        """What the member says about itself, without asking the others."""
        return await self._ask("/v3/maintenance/status", {})

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a key, from when the member says that it watches."""
        body, silence = {"create_request": {"key": _encode(key)}}, httpx.Timeout(self.timeout_seconds, read=None)
        try:
            async with self.http.stream("POST", "/v3/watch", json=body, timeout=silence) as response:
                if response.is_error:
                    await response.aread()
                    _check(response)
                messages = _messages(response)
                await self._created(messages)
                yield messages
        except BROKEN as error:
            raise EtcdFailure(of_transport(error, self.timeout_seconds)) from None

    async def _created(self, messages: AsyncIterator[Json]) -> None:
        try:
            await asyncio.wait_for(anext(messages), self.timeout_seconds)
        except TimeoutError:
            cause = f"the watch was not created within {self.timeout_seconds:g}s"
            raise EtcdFailure(Trouble(cause, "the member's load and its log", silent=True)) from None

    async def _ask(self, path: str, body: Json) -> Json:
        started = monotonic()
        try:
            response = await self.http.post(path, json=body)
        except BROKEN as error:
            raise EtcdFailure(of_transport(error, self.timeout_seconds)) from None
        self.request_seconds.append(monotonic() - started)
        return _check(response)


async def _messages(response: httpx.Response) -> AsyncIterator[Json]:
    """The results of a stream, one a line."""
    async for line in response.aiter_lines():
        message = _object(line)
        if "error" in message:
            error = message["error"]
            raise EtcdFailure(of_answer(int(error.get("http_code", 0)), str(error.get("message", error))))
        yield message.get("result", {})


def _check(response: httpx.Response) -> Json:
    answer = _object(response.text)
    if response.is_error:
        raise EtcdFailure(of_answer(response.status_code, str(answer.get("message") or response.text[:200])))
    return answer


def _object(text: str) -> Json:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _encode(text: str) -> str:
    return b64encode(text.encode()).decode()


def _decode(text: str) -> str:
    return b64decode(text).decode("utf-8", "replace")
