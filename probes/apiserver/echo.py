"""How long a write takes, and its way through etcd and the watch cache back to somebody who watches."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import monotonic
from typing import Any, Final

from cluster.api import CONFIG_MAPS, CONFLICT, NOT_FOUND, Api, selection
from cluster.errors import ApiError
from probe_sdk import ProbeFailure, step
from probe_sdk.wire import ENV_CONFIG

KEY: Final = "written"


def subject_name() -> str:
    """The ConfigMap that is written: one for each config, and it stays."""
    return f"kubeprobe-apiserver-{os.environ.get(ENV_CONFIG) or 'local'}"[:253]


class Echo:
    """A ConfigMap, and a watch on it.

    Args:
        name: the ConfigMap in the namespace of the probe.
    """

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._name = name
        self._path = CONFIG_MAPS.path(api.config.namespace, name)

    async def seconds(self) -> float:
        """From the begin of a write to its event."""
        await self._there()
        query = {**selection(fields=f"metadata.name={self._name}"), "watch": "true", "timeoutSeconds": "60"}
        async with aclosing(self._api.stream(CONFIG_MAPS.path(self._api.config.namespace), query)) as lines:
            await anext(lines, None)  # what is there comes first, and shows that the watch stands
            return await self._round(lines)

    async def _round(self, lines: AsyncIterator[str]) -> float:
        written, began = secrets.token_hex(8), monotonic()
        with step("write"):
            await self._api.patch(CONFIG_MAPS, self._api.config.namespace, self._name, {"data": {KEY: written}})
        with step("event"):
            async for line in lines:
                if _shows(line) == written:
                    return monotonic() - began
        raise ProbeFailure(f"watch {self._path}: it ended without the event of a write", reason="Watch")

    async def _there(self) -> None:
        try:
            await self._api.get(CONFIG_MAPS, self._api.config.namespace, self._name)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            manifest = {
                "metadata": {"name": self._name, "labels": {"app.kubernetes.io/part-of": "kubeprobe"}},
                "data": {KEY: ""},
            }
            try:
                await self._api.create(CONFIG_MAPS, self._api.config.namespace, manifest)
            except ApiError as raced:
                if raced.status != CONFLICT:  # another pod of the same config was faster
                    raise


def _shows(line: str) -> object:
    """What an event shows as written."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:  # a connection that was cut within a line: the stream ends then
        return None
    if event.get("type") == "ERROR":
        said = event.get("object", {}).get("message", "no reason given")
        raise ProbeFailure(f"the watch ended: {said}", reason="Watch")
    return (event.get("object", {}).get("data") or {}).get(KEY)
