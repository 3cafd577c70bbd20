"""The HTTP gate's answers in both dialects, and what consumers that do wrong can cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.unit.intake.conftest import HOST, Site, running, until
from tests.unit.intake.desk import CHANGE, CLOSED, LATER, NEXT, OPEN, VERIFYING, Reviews
from tests.unit.plan.builders import at

from kubeprobe.intake.gates import waits
from kubeprobe.intake.gates.handler import GateLimits
from kubeprobe.intake.gates.throttle import Rate
from kubeprobe.intake.gates.word import GateBody
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.changed import Announcement

FLAGGER = {
    "name": "podinfo",
    "namespace": "shop",
    "phase": "Progressing",
    "checksum": "85d557f47b",
    "metadata": {"eventMessage": "New revision detected!", "eventType": "Normal", "timestamp": "1578607635167"},
}


def calls(site: Site, call: str, code: int) -> float:
    return site.registry.get_sample_value("kubeprobe_gate_http_calls_total", {"call": call, "code": str(code)}) or 0


class TestWhatIsSaid:
    async def test_a_closed_gate_is_200_with_json_where_argo_reads_and_403_where_the_status_counts(
        self, site: Site
    ) -> None:
        site.gates.set(**CLOSED)
        answer = await site.http.get("/v1/gates/prod")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json() == {
            "name": "prod",
            "open": False,
            "phase": "Closed",
            "verdict": "Failed",
            "reason": "ProbeFailed",
            "message": "probe probes/shop failed",
            "since": "2026-03-01T12:00:05Z",
            "closureID": "c0ffee",
            "change": {"id": CHANGE, "count": 3},
        }
        assert answer.json().keys() == GateBody.model_json_schema(mode="serialization")["properties"].keys()
        for asked in (site.http.get, site.http.post):
            check = await asked("/v1/gates/prod/check")
            assert (check.status_code, check.json()) == (403, answer.json())

    async def test_an_open_gate_is_200_in_both(self, site: Site) -> None:
        site.gates.set(**OPEN)
        for path in ("/v1/gates/prod", "/v1/gates/prod/check"):
            answer = await site.http.get(path)
            assert (answer.status_code, answer.json()["open"]) == (200, True)

    async def test_no_field_is_ever_null_or_missing(self, site: Site) -> None:
        site.gates.set()
        answer = (await site.http.get("/v1/gates/prod")).json()
        assert answer["change"] == {"id": "", "count": 0}
        assert answer["since"].endswith("Z")
        assert None not in answer.values()

    async def test_all_gates_in_order(self, site: Site) -> None:
        site.gates.set("b", **OPEN)
        site.gates.set("a", **CLOSED)
        answer = await site.http.get("/v1/gates")
        assert [(one["name"], one["open"]) for one in answer.json()["gates"]] == [("a", False), ("b", True)]

    async def test_answers_are_kept_by_no_cache(self, site: Site) -> None:
        site.gates.set()
        assert (await site.http.get("/v1/gates/prod")).headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("at", ["", "/check", "/rollback", "/changes"])
    async def test_a_gate_that_is_not_there_is_404(self, site: Site, at: str) -> None:
        answer = await site.http.request("POST" if at else "GET", f"/v1/gates/none{at}")
        assert answer.status_code == 404
        assert "there is no ChangeGate none" in answer.json()["error"]

    @pytest.mark.parametrize("at", ["", "/check", "/rollback", "/changes"])
    async def test_before_all_has_been_seen_nothing_is_said(self, site: Site, at: str) -> None:
        site.gates.set(**OPEN)
        site.gates.ready = False
        answer = await site.http.request("POST" if at else "GET", f"/v1/gates/prod{at}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")

    @pytest.mark.parametrize("path", ["/v1/gates/", "/v1/gates/prod/", "/v1/gates/prod/check/x", "/v1/gatesx"])
    async def test_other_paths_are_404(self, site: Site, path: str) -> None:
        site.gates.set()
        assert (await site.http.get(path)).status_code == 404

    @pytest.mark.parametrize(("method", "at"), [("POST", ""), ("GET", "/rollback"), ("GET", "/changes")])
    async def test_another_method_is_told_the_right_one(self, site: Site, method: str, at: str) -> None:
        site.gates.set()
        answer = await site.http.request(method, f"/v1/gates/prod{at}")
        assert answer.status_code == 405
        assert answer.json()["error"].endswith(f"use {answer.headers['Allow']}")

    async def test_only_an_order_to_roll_back_is_200(self, site: Site) -> None:
        site.gates.set(**CLOSED)
        assert (await site.http.post("/v1/gates/prod/rollback", json=FLAGGER)).status_code == 403
        site.gates.ordered.add("prod")
        answer = await site.http.post("/v1/gates/prod/rollback", json=FLAGGER)
        assert (answer.status_code, answer.json()["verdict"]) == (200, "Failed")

    async def test_every_call_is_counted_by_what_it_was_answered(self, site: Site) -> None:
        site.gates.set(**CLOSED)
        await site.http.get("/v1/gates/prod/check")
        await site.http.get("/v1/gates/none/check")
        assert (calls(site, "check", 403), calls(site, "check", 404)) == (1, 1)


class TestWaiting:
    async def test_ends_when_the_verdict_is_there(self, site: Site) -> None:
        site.gates.set(**VERIFYING)
        asked = asyncio.create_task(site.http.get("/v1/gates/prod?wait=5m", timeout=10))
        await until(lambda: waiting(site) == 1)
        site.gates.set(**VERIFYING)
        await asyncio.sleep(0)
        assert not asked.done()
        site.gates.set(**CLOSED)
        assert (await asked).json()["verdict"] == "Failed"
        assert waiting(site) == 0

    async def test_of_a_check_ends_so_too(self, site: Site) -> None:
        site.gates.set(**VERIFYING)
        asked = asyncio.create_task(site.http.get("/v1/gates/prod/check?wait=5m", timeout=10))
        await until(lambda: waiting(site) == 1)
        site.gates.set(**CLOSED)
        assert (await asked).status_code == 403

    async def test_ends_in_time_with_what_there_is(self, site: Site) -> None:
        site.gates.set(**VERIFYING)
        answer = await site.http.get("/v1/gates/prod?wait=20ms")
        assert (answer.status_code, answer.json()["verdict"]) == (200, "Pending")

    async def test_ends_when_the_gate_is_gone(self, site: Site) -> None:
        site.gates.set(**VERIFYING)
        asked = asyncio.create_task(site.http.get("/v1/gates/prod?wait=5m", timeout=10))
        await until(lambda: waiting(site) == 1)
        del site.gates.there["prod"]
        site.gates.tell()
        assert (await asked).status_code == 404

    async def test_for_a_change_ends_when_the_gate_has_judged_it_or_a_newer_one(self, site: Site) -> None:
        site.gates.set(**CLOSED)
        early = await site.http.get(f"/v1/gates/prod?change={NEXT}&wait=20ms")
        assert (early.json()["open"], early.json()["verdict"]) == (False, "Pending")
        asked = asyncio.create_task(site.http.get(f"/v1/gates/prod?change={NEXT}&wait=5m", timeout=10))
        await until(lambda: waiting(site) == 1)
        site.gates.set(**{**OPEN, "change": {**CLOSED["change"], "id": LATER, "verdict": "Passed"}})
        assert (await asked).json()["verdict"] == "Passed"

    async def test_for_a_change_is_over_when_all_was_verified_after_an_override(self, site: Site) -> None:
        named = {"change": CHANGE}
        site.gates.set(**{**OPEN, "change": {"since": at(-1).isoformat(), "verdict": "Passed"}})
        assert (await site.http.get("/v1/gates/prod", params=named)).json()["verdict"] == "Pending"
        site.gates.set(**{**OPEN, "change": {"since": at(60).isoformat(), "verdict": "Passed"}})
        assert (await site.http.get("/v1/gates/prod", params=named)).json()["verdict"] == "Passed"

    @pytest.mark.parametrize("at", ["", "/check"])
    @pytest.mark.parametrize(
        "change",
        ["", "null", "chg-", "chg-3", CHANGE[4:], CHANGE.upper(), CHANGE + "0", "chg-" + "u" * 26, "%ED%A0%80"],
    )
    async def test_for_what_is_no_change_is_told_and_no_verdict_on_another(
        self, site: Site, at: str, change: str
    ) -> None:
        site.gates.set(**{**OPEN, "change": {**CLOSED["change"], "verdict": "Passed"}})
        answer = await site.http.get(f"/v1/gates/prod{at}?change={change}&wait=1m")
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("change: '")
        assert answer.json()["error"].endswith("' is not the name of a Change (chg-…)")

    @pytest.mark.parametrize("wait", ["soon", "8", "-1s", "6m"])
    async def test_for_what_is_no_time_is_told(self, site: Site, wait: str) -> None:
        site.gates.set()
        answer = await site.http.get("/v1/gates/prod", params={"wait": wait})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("wait: ")

    async def test_of_too_many_is_answered_at_once(self) -> None:
        limits = GateLimits(waiting_per_client=1)
        async with running(Site(gate_limits=limits)) as site:
            site.gates.set(**VERIFYING)
            asked = asyncio.create_task(site.http.get("/v1/gates/prod?wait=5m", timeout=10))
            await until(lambda: waiting(site) == 1)
            answer = await site.http.get("/v1/gates/prod?wait=5m")
            assert (answer.status_code, answer.json()["verdict"]) == (200, "Pending")
            site.gates.set(**OPEN)
            await asked

    async def test_is_over_when_who_waits_has_gone(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waits, "LOOK_SECONDS", 0.001)
        site.gates.set(**VERIFYING)
        async with site.connection() as connection:
            connection.send(b"GET /v1/gates/prod?wait=5m HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: waiting(site) == 1)
        await until(lambda: waiting(site) == 0)

    async def test_ends_with_the_server(self) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            async with running(Site()) as site:
                site.gates.set(**VERIFYING)
                asked = asyncio.create_task(client.get(f"http://{HOST}:{site.port}/v1/gates/prod?wait=5m"))
                await until(lambda: waiting(site) == 1)
            assert (await asked).json()["verdict"] == "Pending"


def waiting(site: Site) -> float:
    return site.registry.get_sample_value("kubeprobe_gate_http_waiting") or 0


class TestAnnouncing:
    async def test_flaggers_event_is_one(self, site: Site) -> None:
        site.gates.set()
        answer = await site.http.post("/v1/gates/prod/changes", json=FLAGGER)
        assert (answer.status_code, answer.json()) == (202, {"name": "prod", "change": {"id": "chg-1"}})
        said = Announcement(by="", namespace="shop", name="podinfo", key="85d557f47b", message="New revision detected!")
        assert site.gates.said == [("prod", said)]

    async def test_so_is_nothing_at_all(self, site: Site) -> None:
        site.gates.set()
        assert (await site.http.post("/v1/gates/prod/changes")).status_code == 202
        assert site.gates.said == [("prod", Announcement(by=""))]

    async def test_texts_are_made_lines_that_fit(self, site: Site) -> None:
        site.gates.set()
        body = {"message": "a\nb\x1b[31m" + "c" * 1000, "by": "me\t" + "x" * 500}
        assert (await site.http.post("/v1/gates/prod/changes", json=body)).status_code == 202
        _, said = site.gates.said[0]
        assert said.message.startswith("a b [31mccc")
        assert (len(said.message.encode()), len(said.by.encode())) == (256, 128)

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            (b"[]", "body"),
            (b"{", "body"),
            (b'{"name": 1}', "name"),
            (b'{"namespace": "' + b"x" * 64 + b'"}', "namespace"),
            (b'{"name": "a\\u0007"}', "name"),
            (b'{"metadata": {"eventMessage": []}}', "metadata.eventMessage"),
        ],
    )
    async def test_what_is_none_is_told(self, site: Site, body: bytes, named: str) -> None:
        site.gates.set()
        answer = await site.http.post("/v1/gates/prod/changes", content=body)
        assert answer.status_code == 400
        assert f"not an announcement, see /openapi.json: {named}: " in answer.json()["error"]
        assert site.gates.said == []

    async def test_is_the_leaders_to_take(self, site: Site) -> None:
        site.gates.set()
        site.gates.leads = False
        answer = await site.http.post("/v1/gates/prod/changes")
        assert (answer.status_code, answer.headers["Connection"]) == (503, "close")
        assert "announce at the Service of the one that leads" in answer.json()["error"]
        assert (await site.http.get("/v1/gates/prod")).status_code == 200

    @pytest.mark.parametrize("error", [ApiError(0, "", "refused"), NotLeadingError("lost"), TimeoutError()])
    async def test_that_was_not_written_is_told(self, site: Site, error: Exception) -> None:
        site.gates.set()
        site.gates.error = error
        answer = await site.http.post("/v1/gates/prod/changes")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")

    async def test_takes_no_longer_than_a_release_tool_waits(self) -> None:
        async with running(Site(gate_limits=GateLimits(announce_seconds=0.02))) as site:
            site.gates.set()
            site.gates.free.clear()
            assert (await site.http.post("/v1/gates/prod/changes")).status_code == 503

    async def test_of_too_many_at_once_is_refused_to_one_client_only(self) -> None:
        async with running(Site(gate_limits=GateLimits(announcing_per_client=1))) as site:
            site.gates.set()
            site.gates.free.clear()
            first = asyncio.create_task(site.http.post("/v1/gates/prod/changes"))
            await until(lambda: site.gates.said)
            assert (await site.http.post("/v1/gates/prod/changes")).status_code == 503
            site.gates.free.set()
            assert (await first).status_code == 202


class TestConsumersThatDoWrong:
    @pytest.mark.parametrize("at", ["/check", "/rollback", "/changes"])
    async def test_two_megabytes_are_refused_before_they_are_read(self, site: Site, at: str) -> None:
        site.gates.set(**OPEN)
        async with site.connection() as connection:
            connection.send(f"POST /v1/gates/prod{at} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n".encode())
            assert await connection.status() == 413

    @pytest.mark.parametrize("at", ["/check", "/changes"])
    async def test_nor_are_they_read_when_nobody_said_how_many_come(self, site: Site, at: str) -> None:
        site.gates.set(**OPEN)

        async def much() -> AsyncIterator[bytes]:
            for _ in range(32):
                yield b"x" * 65536

        try:
            answer = await site.http.post(f"/v1/gates/prod{at}", content=much())
        except httpx.TransportError:  # the connection was ended while it wrote
            pass
        else:
            assert answer.status_code == (200 if at == "/check" else 413)
        assert (await site.http.get("/v1/gates/prod")).status_code == 200

    async def test_one_that_begins_and_hangs_holds_up_nobody(self, site: Site) -> None:
        site.gates.set(**OPEN)
        async with site.connection() as hanging, site.connection() as slow:
            hanging.send(b"POST /v1/gates/prod/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            slow.send(b"GET /v1/gates/prod/ch")
            for _ in range(20):
                assert (await site.http.get("/v1/gates/prod/check")).status_code == 200

    async def test_one_that_never_reads_its_answers_holds_up_nobody(self, site: Site) -> None:
        for number in range(50):
            site.gates.set(f"gate-{number}", **OPEN)
        async with site.connection() as connection:
            connection.send(*[b"GET /v1/gates HTTP/1.1\r\nHost: x\r\n\r\n"] * 100)
            for _ in range(20):
                assert (await site.http.get("/v1/gates/gate-7/check")).status_code == 200

    async def test_one_that_calls_a_thousand_times_a_second_is_slowed_down_and_then_refused(self) -> None:
        limits = GateLimits(each=Rate(100.0, 5.0), held_back_seconds=0.05)
        async with running(Site(gate_limits=limits)) as site:
            site.gates.set(**OPEN)
            answers = await asyncio.gather(*(site.http.get("/v1/gates/prod/check") for _ in range(30)))
            told = [answer.status_code for answer in answers]
            assert told.count(200) == 5 + 5
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert refused.headers["Retry-After"] == "1"
            assert calls(site, "check", 429) == 20
            site.clock.seconds += 1.0
            assert (await site.http.get("/v1/gates/prod/check")).status_code == 200

    async def test_a_call_does_not_look_at_its_body(self, site: Site) -> None:
        site.gates.set(**OPEN)
        answer = await site.http.post("/v1/gates/prod/check", content=b"no json", headers={"Content-Encoding": "br"})
        assert answer.status_code == 200

    async def test_a_compressed_announcement_is_refused(self, site: Site) -> None:
        site.gates.set()
        answer = await site.http.post("/v1/gates/prod/changes", content=b"x", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 415


@pytest.fixture
async def guarded() -> AsyncIterator[Site]:
    async with running(Site(reviews=Reviews())) as site:
        site.gates.set(**OPEN)
        yield site


def bearer(token: str) -> dict[str, Any]:
    return {"Authorization": f"Bearer {token}"}


class TestAccess:
    @pytest.mark.parametrize("shown", ["", "Bearer", "Basic !!", "Digest good", "Basic Z29vZA=="])
    async def test_who_shows_no_token_is_told_how(self, guarded: Site, shown: str) -> None:
        answer = await guarded.http.get("/v1/gates/prod", headers={"Authorization": shown} if shown else {})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    async def test_a_token_is_good_as_a_password_too(self, guarded: Site) -> None:
        assert (await guarded.http.get("/v1/gates/prod", auth=("any", "good"))).status_code == 200
        assert (await guarded.http.get("/v1/gates/prod", auth=("any", "bad"))).status_code == 401

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "", 200),
            ("GET", "/prod", 200),
            ("GET", "/prod/check", 200),
            ("POST", "/prod/changes", 202),
            ("GET", "/other/check", 403),
            ("POST", "/other/changes", 403),
        ],
    )
    async def test_a_right_to_the_gate_is_needed(self, guarded: Site, method: str, path: str, status: int) -> None:
        guarded.gates.set("other", **OPEN)
        answer = await guarded.http.request(method, f"/v1/gates{path}", headers=bearer("good"))
        assert answer.status_code == status
        denied = await guarded.http.request(method, f"/v1/gates{path}", headers=bearer("other"))
        assert denied.status_code == 403
        assert denied.json()["error"].startswith("eve may not ")

    async def test_who_may_not_ask_does_not_hear_whether_there_is_a_gate(self, guarded: Site) -> None:
        assert (await guarded.http.get("/v1/gates/none", headers=bearer("good"))).status_code == 403

    async def test_who_announces_is_who_the_cluster_says(self, guarded: Site) -> None:
        await guarded.http.post("/v1/gates/prod/changes", headers=bearer("good"), json={"by": "somebody else"})
        assert guarded.gates.said[0][1].by == "ci"

    async def test_the_cluster_is_asked_once_in_a_while(self, guarded: Site) -> None:
        asked = reviews(guarded).asked
        reviews(guarded).free.clear()
        all_at_once = [
            asyncio.create_task(guarded.http.get("/v1/gates/prod/check", headers=bearer("good"))) for _ in range(20)
        ]
        await until(lambda: asked)
        reviews(guarded).free.set()
        assert {answer.status_code for answer in await asyncio.gather(*all_at_once)} == {200}
        assert asked == ["who good", "may ci get prod"]
        guarded.clock.seconds += 31
        await guarded.http.get("/v1/gates/prod/check", headers=bearer("good"))
        assert asked[2:] == ["may ci get prod"]

    async def test_who_was_let_in_is_let_in_while_the_cluster_does_not_answer(self, guarded: Site) -> None:
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        reviews(guarded).error = ApiError(0, "", "refused")
        guarded.clock.seconds += 120
        assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 200
        stranger = await guarded.http.get("/v1/gates/prod", headers=bearer("new"))
        assert (stranger.status_code, stranger.headers["Retry-After"]) == (503, "1")
        guarded.clock.seconds += 400
        assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 503

    async def test_a_cluster_that_has_too_much_to_do_is_no_fault_of_who_asks(self, guarded: Site) -> None:
        reviews(guarded).error = ApiError(429, "TooManyRequests", "too much to do")
        answer = await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "the API server does not tell" in answer.json()["error"]

    async def test_tokens_that_somebody_makes_up_cost_the_cluster_little(self, guarded: Site) -> None:
        told = [
            (await guarded.http.get("/v1/gates/prod", headers=bearer(f"made-up-{number}"))).status_code
            for number in range(50)
        ]
        assert (told.count(401), told.count(429)) == (20, 30)
        assert len(reviews(guarded).asked) == 20

    async def test_nor_do_they_keep_out_who_was_let_in(self, guarded: Site) -> None:
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        guarded.clock.seconds += 61
        for number in range(50):
            await guarded.http.get("/v1/gates/prod", headers=bearer(f"made-up-{number}"))
        assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 200

    @pytest.mark.parametrize("shown", [b"Bearer \xff", b"Bearer \xc3\xa9", b"Basic \xff", b"Basic eDpcdWQ4MDA\xff"])
    async def test_a_token_that_is_no_text_is_none(
        self, guarded: Site, shown: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with guarded.connection() as connection:
            connection.send(b"GET /v1/gates/prod HTTP/1.1\r\nHost: x\r\nAuthorization: " + shown + b"\r\n\r\n")
            assert await connection.status() == 401
        assert not caplog.records

    async def test_nor_does_somebody_keep_a_right_by_making_up_tokens(self, guarded: Site) -> None:
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        reviews(guarded).rights.clear()
        guarded.clock.seconds += 31
        for number in range(50):
            await guarded.http.get("/v1/gates/prod", headers=bearer(f"made-up-{number}"))
        assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 403

    async def test_who_was_refused_is_a_stranger_again(self, guarded: Site) -> None:
        async def made_up(count: int) -> list[int]:
            shown = [bearer(f"made-up-{number}") for number in range(count)]
            return [(await guarded.http.get("/v1/gates/prod", headers=one)).status_code for one in shown]

        assert await made_up(20) == [401] * 20
        guarded.clock.seconds += 11
        assert (await made_up(30)).count(429) == 10

    async def test_a_cluster_that_does_not_answer_is_not_asked_by_every_call(self, guarded: Site) -> None:
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        reviews(guarded).error = ApiError(429, "TooManyRequests", "too much to do")
        reviews(guarded).asked.clear()
        guarded.clock.seconds += 61
        for _ in range(10):
            assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 200
        assert reviews(guarded).asked == ["who good", "may ci get prod"]
        guarded.clock.seconds += 3
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        assert len(reviews(guarded).asked) == 4

    async def test_a_revoked_right_is_gone_soon(self, guarded: Site) -> None:
        await guarded.http.get("/v1/gates/prod", headers=bearer("good"))
        reviews(guarded).rights.clear()
        guarded.clock.seconds += 31
        assert (await guarded.http.get("/v1/gates/prod", headers=bearer("good"))).status_code == 403


def reviews(site: Site) -> Reviews:
    assert site.reviews is not None
    return site.reviews
