"""The intake in a process of its own on one core, so that those who ask it take none of its time.

Behind it stands what does nothing, for benches that measure the intake alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from kubeprobe.intake.gates.port import GateWord
from kubeprobe.intake.port import Answer, Check, PodIdentity, SamplesAnswer
from kubeprobe.intake.server import Intake, IntakeDeps, serve
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.changed import Announcement
from probe_sdk.samples import Samples
from probe_sdk.wire import Report

HOST = "127.0.0.1"
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Served:
    """A running intake."""

    port: int
    pipe: Connection

    def cpu_seconds(self) -> float:
        """Its CPU time until now."""
        self.pipe.send("cpu")
        return float(self.pipe.recv())


@contextmanager
def served(core: int, make: Callable[[], IntakeDeps]) -> Iterator[Served]:
    """The intake until the block ends.

    Args:
        core: where it runs.
        make: makes what it works with, there; has to be picklable.
    """
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(core, make, theirs))
    process.start()
    try:
        yield Served(ours.recv(), ours)
    finally:
        ours.send("end")
        process.join(30)


def _serve(core: int, make: Callable[[], IntakeDeps], pipe: Connection) -> None:
    os.sched_setaffinity(0, {core})
    uvloop.run(_serving(make(), pipe))


async def _serving(deps: IntakeDeps, pipe: Connection) -> None:
    ended = asyncio.Event()

    def asked() -> None:
        if pipe.recv() == "cpu":
            pipe.send(time.process_time())
        else:
            ended.set()

    asyncio.get_running_loop().add_reader(pipe.fileno(), asked)
    async with serve(Intake(deps), HOST, 0) as port:
        pipe.send(port)
        await ended.wait()


class NoGates:
    """Where there are no gates."""

    def synced(self) -> bool:
        return True

    def words(self) -> tuple[GateWord, ...]:
        return ()

    def word(self, name: str) -> GateWord | None:
        return None

    async def turned(self, name: str) -> None:
        await asyncio.Event().wait()

    def rolls_back(self, name: str) -> bool:
        return False

    def takes_changes(self) -> bool:
        return False

    async def announce(self, name: str, said: Announcement) -> str:
        raise ApiError(503, "", "there are no gates here")


class NoSamples:
    """Where no samples come."""

    async def accept(self, who: PodIdentity, samples: Samples, received_at: datetime) -> SamplesAnswer:
        return SamplesAnswer.UNAVAILABLE


class Stub:
    """Everything else behind the intake's port, doing nothing.

    Args:
        jwk: the public key of those who report; none for where nobody does.
        issuer: of their tokens.
    """

    def __init__(self, jwk: dict[str, str] | None = None, issuer: str = "") -> None:
        self._jwk = jwk
        self._issuer = issuer

    async def accept(self, who: PodIdentity, report: Report, received_at: datetime) -> Answer:
        return Answer.DURABLE

    async def jwks(self) -> Mapping[str, Any]:
        return {"keys": [self._jwk] if self._jwk else []}

    async def issuer(self) -> str:
        return self._issuer

    def live(self) -> tuple[Check, ...]:
        return ()

    def ready(self) -> tuple[Check, ...]:
        return ()
