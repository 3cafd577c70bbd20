"""Servers on loopback that behave as they are told to, and checks that probe them as a resident prober does."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.lab.loops import is_quiet, until_quiet

from probe_sdk import Probe
from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.driver import CheckDriver
from probe_sdk.resident.rota import BUSY, LATE, Rota
from probe_sdk.resident.service import Driver
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.spec import Spec, Target
from probe_sdk.resident.starvation import Starvation

SOON_SECONDS = 20.0
Behave = Callable[[socket.socket], None]


class Unhurried(Starvation):
    """Blames nothing on the machine, which tests make busy themselves."""

    def late(self, seconds: float) -> None:
        """Forget it."""


@contextmanager
def tcp_server(behave: Behave) -> Iterator[int]:
    """Hand each connection to a thread of its own; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(SOON_SECONDS)


@contextmanager
def udp_server(behave: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """Answer each datagram with so many; gives the port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while True:
            with suppress(OSError):
                data, whose = listening.recvfrom(65535)
                if over.is_set():
                    return
                for answer in behave(data):
                    listening.sendto(answer, whose)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    try:
        yield port
    finally:
        over.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"over", ("127.0.0.1", port))
        thread.join(SOON_SECONDS)
        listening.close()


def never_answers(connection: socket.socket) -> None:
    """Take what comes, and say nothing."""
    while connection.recv(4096):
        pass


def drips(connection: socket.socket, text: bytes = b"x" * 100) -> None:
    """A byte now and then, never a whole."""
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)  # how slow it is, is what it does


def endless(connection: socket.socket) -> None:
    """Talk for as long as somebody listens."""
    while True:
        connection.sendall(b"x" * 4096)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def resident(
    make_driver: Callable[[Rota], Driver],
    params: dict[str, Any],
    until: Callable[[Account], bool],
    timeout: str = "400ms",
) -> Account:
    """Probe one target until something is true of it."""
    targets = (Target(name="a", params=params),)
    spec = Spec.model_validate({"interval": "20ms", "timeout": timeout, "targets": targets})
    made = threading.Event()
    box: list[Any] = []

    def work() -> None:
        now = time.monotonic()
        starved = Unhurried(lambda: 0.0, now)
        rota = Rota(Slots(spec.interval, now), spec.limits, Denoise(), starved, lambda _: None)
        driver = make_driver(rota)
        driver.retarget(spec)
        rota.add("a", now)
        box.extend((rota, driver))
        made.set()
        driver.run()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert made.wait(SOON_SECONDS)
    rota, driver = box
    account: Account = rota.accounts["a"]
    try:
        soon(lambda: until(account), account)
    finally:
        driver.call(lambda: rota.remove("a"))
        soon(lambda: "a" not in rota.accounts and not account.under_way, account)  # what is under way may clean up
        soon(lambda: not isinstance(driver, CheckDriver) or is_quiet(driver._loop), account)
        driver.stop()
        thread.join(SOON_SECONDS)
        assert not thread.is_alive()
    return account


def soon(found: Callable[[], bool], account: Account) -> None:
    """Wait until something is true."""
    end = time.monotonic() + SOON_SECONDS
    while not found():
        assert time.monotonic() < end, f"{account.verdict} {account.classes} {account.message}"
        time.sleep(0.005)


def driver_of(probe: Probe[Any]) -> Callable[[Rota], Driver]:
    """What a resident process of this probe would make."""
    check, model = probe._check, probe._model
    assert check is not None
    return lambda rota: CheckDriver(rota, check, model)


def ended(account: Account) -> bool:
    """Whether a few probes of it have ended."""
    return account.total - account.missed >= 2


def reasons(account: Account) -> set[str]:
    """The classes of what did not pass, but for what a busy machine adds."""
    return {*account.classes} - {BUSY, LATE}


def explained(account: Account) -> bool:
    """Whether a probe of it ended with a word of its own: on a busy machine the first ones may only be late."""
    return bool(reasons(account))


def assert_fails(account: Account, class_: str, text: str) -> None:
    """Every probe failed, for this reason and with these words."""
    assert (account.verdict, account.passed, reasons(account)) == (Verdict.FAILED, 0, {class_}), account.message
    assert text in account.message, account.message


def run_once(probe: Probe[Any], params: dict[str, Any]) -> None:
    """The check by itself, as in a run."""
    check = probe._check
    assert check is not None
    outcome = check(probe._model.model_validate(params))
    if asyncio.iscoroutine(outcome):
        asyncio.run(_to_its_end(outcome))


async def _to_its_end(check: Coroutine[Any, Any, None]) -> None:
    """The check, and the goodbyes of its connections."""
    try:
        await check
    finally:
        await until_quiet()
