"""etcd members for one test alone: with a small quota, a lost peer, an odd certificate."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from testbed.pki import Authority, KeyPair

HERE = ("127.0.0.1",)
UP_SECONDS = 20.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Member:
    """A running member, and the parameters with which the probe may reach it."""

    url: str
    params: dict[str, Any]
    process: subprocess.Popen[bytes]

    def ask(self, path: str, **body: Any) -> httpx.Response:
        """Ask with another client than the probe's."""
        tls = ssl.create_default_context(cafile=self.params["caFile"])
        tls.load_cert_chain(self.params["certFile"], self.params["keyFile"])
        return httpx.post(f"{self.url}{path}", json=body, verify=tls, timeout=5)

    def count(self, prefix: str) -> int:
        """How many keys begin with a prefix."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answer = self.ask("/v3/kv/range", key=encoded(prefix), range_end=encoded(end), count_only=True)
        return int(answer.json().get("count", 0))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def pki(folder: Path) -> Authority:
    """The authority of a test's members."""
    return Authority(KeyPair.at(folder / "pki", "etcd-ca"))


@contextmanager
def members(
    binary: Path, folder: Path, *flags: str, count: int = 1, server: KeyPair | None = None
) -> Iterator[list[Member]]:
    """Start a cluster of so many members and wait until each answers."""
    ca = pki(folder)
    server = server or ca.issue(KeyPair.at(folder / "pki", "server"), "etcd", names=HERE)
    client = ca.issue(KeyPair.at(folder / "pki", "client"), "probe")
    peers = [f"http://127.0.0.1:{free_port()}" for _ in range(count)]
    cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
    with ExitStack() as stack:
        found = []
        for number, peer in enumerate(peers):
            url = f"https://127.0.0.1:{free_port()}"
            argv = [
                str(binary), f"--name=m{number}", f"--data-dir={folder / f'm{number}'}", "--unsafe-no-fsync",
                f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}", f"--initial-cluster={cluster}", "--client-cert-auth",
                f"--trusted-ca-file={ca.files.cert}", f"--cert-file={server.cert}", f"--key-file={server.key}",
                "--log-level=error", *flags,
            ]  # fmt: skip
            files = {"caFile": str(ca.files.cert), "certFile": str(client.cert), "keyFile": str(client.key)}
            found.append(
                Member(url, {"endpoints": [url], "rounds": 3, **files}, stack.enter_context(_running(argv, folder)))
            )
        for member in found:
            _wait(member)
        yield found


@contextmanager
def _running(argv: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "etcd.log").open("ab") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait(member: Member) -> None:
    """Any answer over TLS will do, also with a certificate that is no good."""
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        assert member.process.poll() is None, "etcd ended by itself"
        try:
            member.ask("/v3/maintenance/status")
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                return
            time.sleep(POLL_SECONDS)
        else:
            return
    raise TimeoutError(f"{member.url} does not answer after {UP_SECONDS:g}s")
