"""The script for CI jobs asks the HTTP gate."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.glue.conftest import HOST, Site, until
from tests.glue.states import CHANGE
from tests.glue.tools import SHIPPED

SCRIPT = SHIPPED / "gate.sh"
ANNOUNCED = f'{{"change":{{"id":"{CHANGE}"}}}}'.encode()
PENDING = b'{"phase":"Unknown","verdict":"Pending"}'
CLOSED_PORT = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


async def gate_sh(mode: str, url: str, **env: str) -> Done:
    fast = {"GATE_PAUSE_SECONDS": "0.05", "GATE_SECONDS": "20", "GATE_URL": url}
    process = await asyncio.create_subprocess_exec(
        "sh",
        str(SCRIPT),
        mode,
        env={"PATH": os.environ["PATH"], **fast, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


def command_lines() -> Iterator[bytes]:
    """What everybody on the machine sees of the processes there are."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield process.read_bytes()


def at(site: Site, gate: str) -> str:
    return f"{site.url}/v1/gates/{gate}"


@pytest.mark.parametrize("state", ["verified", "overridden", "cannot-tell"])
async def test_open_is_0(site: Site, state: str) -> None:
    done = await gate_sh("open", at(site, state))
    assert done.code == 0, done.err
    assert '"phase":"Open"' in done.out


async def test_it_waits_until_the_gate_opens(site: Site) -> None:
    asking = asyncio.create_task(gate_sh("open", at(site, "failed")))
    await until(lambda: site.calls("gate", 200) or asking.done())
    assert not asking.done()
    site.put("failed", "recovered")
    assert (await asking).code == 0


async def test_a_gate_that_stays_closed_is_1(site: Site) -> None:
    done = await gate_sh("open", at(site, "held"), GATE_SECONDS="1")
    assert done.code == 1
    assert '"reason":"Hold"' in done.out


@pytest.mark.parametrize(("state", "code"), [("verified", 0), ("failed", 1), ("cannot-tell", 3)])
async def test_the_verdict_on_what_was_announced(site: Site, state: str, code: int) -> None:
    told = {
        "CHANGE_NAMESPACE": "shop",
        "CHANGE_NAME": "cart",
        "CHANGE_CHECKSUM": "5f8c9d",
        "CHANGE_LINK": "https://ci/1",
    }
    done = await gate_sh("verify", at(site, state), **told, CHANGE_MESSAGE='said "x\\y"\n, 5 % more')
    assert done.code == code, done.err
    assert done.out.startswith(f"gate: announced as {CHANGE}\n")
    ((gate, said),) = site.announced
    assert (gate, said.namespace, said.name, said.key) == (state, "shop", "cart", "5f8c9d")
    assert (said.message, said.link) == ('said "x\\y", 5 % more', "https://ci/1")


async def test_a_verdict_on_an_earlier_change_does_not_count(site: Site) -> None:
    asking = asyncio.create_task(gate_sh("verify", at(site, "idle")))
    await until(lambda: site.waiting() or asking.done())
    assert not asking.done()
    site.put("idle", "verified")
    assert (await asking).code == 0


async def test_without_a_checksum_each_job_is_a_change(site: Site) -> None:
    for _ in range(2):
        assert (await gate_sh("verify", at(site, "verified"))).code == 0
    first, second = (said.key for _, said in site.announced)
    assert first
    assert first != second


async def test_a_verdict_that_does_not_come_is_3(site: Site) -> None:
    asking = asyncio.create_task(gate_sh("verify", at(site, "verifying"), GATE_SECONDS="1"))
    await until(lambda: site.waiting() or asking.done())
    site.put("verifying", "settling")
    done = await asking
    assert done.code == 3
    assert "not within 1s" in done.err


@pytest.mark.parametrize(("mode", "first"), [("open", []), ("verify", ["announced"])])
async def test_a_gate_that_keeps_no_answer_back_is_asked_again_after_a_pause(mode: str, first: list[str]) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        asked.append("announced" if path.endswith("/changes") else path.partition("?")[2])
        status, body = ("202 Accepted", ANNOUNCED) if asked[-1] == "announced" else ("200 OK", PENDING)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1/gates/production"
        assert (await gate_sh(mode, url, GATE_SECONDS="2", GATE_PAUSE_SECONDS="0.5")).code == 3
    again = asked[len(first) :]
    assert asked[: len(first)] == first
    assert 1 <= len(again) <= 5
    assert {one.partition("&")[0] for one in again} <= {"wait=1s", "wait=2s"}


async def test_an_operator_that_begins_is_asked_again(site: Site) -> None:
    site.synced = False
    asking = asyncio.create_task(gate_sh("verify", at(site, "verified")))
    await until(lambda: site.calls("changes", 503) or asking.done())
    site.synced = True
    assert (await asking).code == 0


async def test_nobody_at_the_address_is_3_in_the_end() -> None:
    done = await gate_sh("open", CLOSED_PORT, GATE_SECONDS="1")
    assert done.code == 3


@pytest.mark.parametrize("mode", ["open", "verify"])
async def test_no_such_gate_is_2_at_once(site: Site, mode: str) -> None:
    done = await gate_sh(mode, at(site, "no-such-gate"))
    assert done.code == 2
    assert "HTTP 404" in done.err
    assert "no-such-gate" in done.err


async def test_a_redirect_is_no_yes() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        done = await gate_sh("open", f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1/gates/production")
    assert done.code == 2


async def test_the_token_is_shown_to_the_gate_and_to_nobody_beside_it() -> None:
    shown: list[bytes] = []
    to_all: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(await reader.readuntil(b"\r\n\r\n"))
        to_all.extend(line for line in command_lines() if b"curl" in line)
        body = b'{"phase":"Open"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1/gates/production"
        assert (await gate_sh("open", url, GATE_TOKEN="s3cret")).code == 0
    assert b"Authorization: Bearer s3cret\r\n" in shown[0]
    assert any(b"--write-out" in line for line in to_all)
    assert not any(b"s3cret" in line for line in to_all)


async def test_wrong_use(site: Site) -> None:
    assert (await gate_sh("shut", at(site, "idle"))).code == 2
    done = await gate_sh("open", "")
    assert done.code != 0
    assert "set GATE_URL" in done.err


@pytest.mark.parametrize("name", ["tekton.yaml", "argo-cd-hooks.yaml", "github-actions.yml", "gitlab-ci.yml"])
def test_the_jobs_that_run_it_use_it_rightly(name: str) -> None:
    text = (SHIPPED / name).read_text()
    assert list(yaml.safe_load_all(text))
    modes = re.findall(r"^[^#\n]*gate\.sh[, ]+(\w+)", text, re.MULTILINE)
    assert modes == ["open", "verify"]
    known = set(re.findall(r"\$\{?((?:GATE|CHANGE)_[A-Z]+)", SCRIPT.read_text()))
    used = set(re.findall(r"\b((?:GATE|CHANGE)_[A-Z]+)\b", text))
    assert used - known == set()
    assert {"GATE_URL", "CHANGE_NAMESPACE", "CHANGE_NAME"} <= used
