"""What else is served, how the server ends, and what aiohttp may say in the log."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import hdrs, http_exceptions
from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.intake.conftest import HOST, PASSED, Site, head, running, until

from kubeprobe.intake import server as room
from kubeprobe.intake.port import Check
from kubeprobe.intake.quiet import QuietLogger
from kubeprobe.intake.server import PAGE_REST, Intake, serve
from probe_sdk.wire import REPORT_PATH


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_a_line_for_each_check(site: Site, path: str) -> None:
    fine, bad = Check("queue", True, "nothing waits"), Check("views", False, "the first listing is not complete yet")
    site.health.alive = site.health.is_ready = (fine,)
    answer = await site.http.get(path)
    assert (answer.status_code, answer.text) == (200, "[+] queue: nothing waits\n")
    site.health.alive = site.health.is_ready = (fine, bad)
    answer = await site.http.get(path)
    assert answer.status_code == 503
    assert answer.text == "[+] queue: nothing waits\n[-] views: the first listing is not complete yet\n"


async def test_live_and_ready_are_two_questions(site: Site) -> None:
    site.health.is_ready = (Check("views", False, "not yet"),)
    assert (await site.http.get("/healthz")).status_code == 200
    assert (await site.http.get("/readyz")).status_code == 503


async def test_metrics_are_prometheus_text_with_conventional_names(site: Site) -> None:
    await site.report()
    answer = await site.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert all(name.startswith("kubeprobe_") for name in families)
    assert families["kubeprobe_intake_reports"].type == "counter"
    assert families["kubeprobe_intake_durable_seconds"].type == "histogram"


async def test_the_page_of_metrics_has_what_others_add_to_it(site: Site) -> None:
    assert (await site.http.get("/metrics")).text.endswith("\nkubeprobe_more 1\n")


async def test_a_page_of_metrics_that_takes_long_is_not_made_each_time_that_somebody_asks(site: Site) -> None:
    made = Gauge("kubeprobe_made", "How often the page was made.", registry=site.registry)
    pages = 0

    def slow() -> float:
        nonlocal pages
        pages += 1
        site.clock.seconds += 2.0
        return pages

    made.set_function(slow)
    first = pages
    for _ in range(3):
        assert f"kubeprobe_made {first + 1}.0" in (await site.http.get("/metrics")).text
    site.clock.seconds += 2.0 * PAGE_REST
    assert f"kubeprobe_made {first + 2}.0" in (await site.http.get("/metrics")).text


@pytest.mark.parametrize(("method", "path"), [("GET", REPORT_PATH), ("POST", "/healthz"), ("DELETE", "/metrics")])
async def test_another_method_is_told_the_right_one(site: Site, method: str, path: str) -> None:
    answer = await site.http.request(method, path)
    assert answer.status_code == 405
    assert answer.json()["error"].endswith(f"use {answer.headers[hdrs.ALLOW]}")


@pytest.mark.parametrize("path", ["/", "/v1/reports", "/v1/report/"])
async def test_another_path_is_told_where_to_look(site: Site, path: str) -> None:
    answer = await site.http.post(path, content=PASSED)
    assert (answer.status_code, answer.json()) == (404, {"error": "nothing is here: see /openapi.json"})


async def test_the_end_lets_requests_in_flight_finish() -> None:
    site = Site()
    site.reports.free.clear()
    serving = serve(Intake(site.deps()), HOST, 0)
    site.port = await serving.__aenter__()
    async with site.connection() as late:
        late.send(head("", f"Content-Length: {len(PASSED)}"), PASSED)
        await site.reports.entered.wait()
        ending = asyncio.create_task(serving.__aexit__(None, None, None))
        await until_refused(site)
        assert not ending.done()
        site.reports.free.set()
        assert await late.status() == 200
    await ending


async def until_refused(site: Site) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with site.connection():
                    await asyncio.sleep(0.001)
            except ConnectionError:
                return


async def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DRAIN_SECONDS", 0.05)
    site = Site()
    site.reports.free.clear()
    async with serve(Intake(site.deps()), HOST, 0) as site.port:
        reader, writer = await asyncio.open_connection(HOST, site.port)
        writer.write(head("", f"Content-Length: {len(PASSED)}") + PASSED)
        await site.reports.entered.wait()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_look_at_the_keys_ends_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DRAIN_SECONDS", 0.05)
    site = Site()
    site.keys.free.clear()
    async with serve(Intake(site.deps()), HOST, 0) as site.port, site.connection() as connection:
        connection.send(head("", f"Content-Length: {len(PASSED)}"), PASSED)
        await until(lambda: site.keys.asked)
        assert looks()
    assert not looks()


def looks() -> list[str]:
    return [repr(task.get_coro()) for task in asyncio.all_tasks() if "KeyRing._ask" in repr(task.get_coro())]


async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IDLE_SECONDS", 0.05)
    async with running(Site()) as site, site.connection() as connection:
        async with asyncio.timeout(10):
            assert await connection.reader.read() == b""


async def test_an_address_that_is_taken_is_an_error_and_leaves_nothing_behind(site: Site) -> None:
    with pytest.raises(OSError, match="address already in use"):
        async with serve(Intake(Site().deps()), HOST, site.port):
            raise AssertionError("two servers on one address")


class TestLog:
    @pytest.mark.parametrize(
        ("error", "level", "told"),
        [
            (http_exceptions.BadHttpMessage("Bearer abc"), logging.DEBUG, "from 10.0.0.1: BadHttpMessage"),
            (ValueError("Bearer abc"), logging.ERROR, "from 10.0.0.1: ValueError"),
            (None, logging.ERROR, "request from 10.0.0.1"),
        ],
    )
    def test_has_the_kind_of_an_error_and_not_its_text(
        self, caplog: pytest.LogCaptureFixture, error: Any, level: int, told: str
    ) -> None:
        quiet = QuietLogger(logging.getLogger("kubeprobe.intake"), {})
        with caplog.at_level(logging.DEBUG):
            quiet.exception("request from %s", "10.0.0.1", exc_info=error)
        assert [record.levelno for record in caplog.records] == [level]
        assert told in caplog.text
        assert "abc" not in caplog.text

    async def test_of_a_bug_says_where_it_is(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        site.health.alive = "not checks"  # type: ignore[assignment]
        assert (await site.http.get("/healthz")).status_code == 500
        assert "AttributeError" in caplog.text
        assert "in _told" in caplog.text


async def test_no_answer_tells_the_versions_of_what_is_running(site: Site) -> None:
    for path in ("/healthz", "/metrics", "/nowhere", REPORT_PATH):
        assert (await site.http.get(path)).headers[hdrs.SERVER] == "kubeprobe"
