"""The driver of a `Probe`: its check, its model of parameters, and an event loop on the prober's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from probe_sdk.arguments import checked
from probe_sdk.failure import ProbeFailure
from probe_sdk.resident.checks import CheckLoop
from probe_sdk.resident.lookups import LookupLoop
from probe_sdk.resident.rota import Rota
from probe_sdk.resident.spec import Spec


class CheckDriver:
    """See `probe_sdk.resident.service.Driver`."""

    def __init__(self, rota: Rota, check: Callable[[Any], object], model: type[BaseModel]) -> None:
        self._rota = rota
        self._check = check
        self._model = model
        self._params: dict[str, BaseModel | ProbeFailure] = {}
        self._read_from: dict[str, dict[str, Any]] = {}
        """What these were read from: reading those of a thousand targets anew would make all of them late."""
        self._timeout_seconds = 0.0
        self._loop = LookupLoop()
        self._stop = asyncio.Event()
        self._checks: CheckLoop | None = None

    def run(self) -> None:
        """Probe until stopped."""
        self._checks = CheckLoop(self._rota, self._check, self._params_of, self._timeout_seconds)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._checks.run(self._stop))

    def stop(self) -> None:
        """End `run` soon."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def call(self, function: Callable[[], None]) -> None:
        """Have something done on the loop, and what is due looked at again."""

        def done() -> None:
            function()
            if self._checks is not None:
                self._checks.changed()

        self._loop.call_soon_threadsafe(done)

    def retarget(self, spec: Spec) -> None:
        """Take in what targets there are now."""
        self._timeout_seconds = spec.timeout_seconds
        before, read_before = self._params, self._read_from
        self._read_from = {one.name: {**spec.params, **one.params} for one in spec.targets}
        self._params = {
            name: before[name] if read_before.get(name) == params else self._read(params)
            for name, params in self._read_from.items()
        }

    def _read(self, params: dict[str, Any]) -> BaseModel | ProbeFailure:
        try:
            return checked(self._model, params)
        except ProbeFailure as wrong:
            return wrong

    def _params_of(self, target: str) -> BaseModel:
        params = self._params[target]
        if isinstance(params, ProbeFailure):
            raise params
        return params
