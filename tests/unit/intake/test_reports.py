"""POST /v1/report over real HTTP: what a good sender gets, what every bad one gets, and what neither may cost."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from tests.unit.intake.cluster import NOW, OTHER_POD, POD, claims, ec_key, jwk, rsa_key, sign
from tests.unit.intake.conftest import PASSED, Site, head, running, until

from kubeprobe.intake.keys import PAUSE_SECONDS
from kubeprobe.intake.metrics import CODES
from kubeprobe.intake.port import Answer
from kubeprobe.intake.posts import Limits
from kubeprobe.kube.port import ApiError
from probe_sdk.wire import MAX_BODY_BYTES, MAX_ERRORS, Report, Step, StepSeconds

FULL = Report.bounded(
    ok=False,
    errors=["put: the deadline of 500ms passed", "größer als erlaubt ✗"],
    steps=[Step(name="put", count=10, ok=9, seconds=StepSeconds(p50=0.01, p99=0.5, max=0.5))],
    attributes={"node": "node-1"},
)
SECRET = "the-words-of-a-probe"


def error_of(answer: Any) -> str:
    assert answer.headers["Content-Type"].startswith("application/json")
    return str(answer.json()["error"])


class TestGoodReport:
    async def test_is_handed_on_whole_with_its_pod_and_its_time_of_arrival(self, site: Site) -> None:
        site.clock.seconds = 7
        answer = await site.report(FULL.body())
        assert (answer.status_code, answer.json()) == (200, {"recorded": "the report is recorded"})
        assert site.reports.seen == [(POD, FULL, NOW + timedelta(seconds=7))]

    async def test_is_the_same_signed_with_an_elliptic_curve(self, site: Site) -> None:
        assert (await site.report(token=sign(claims(OTHER_POD), ec_key("ec-1"), "ec-1"))).status_code == 200
        assert site.reports.seen[0][0] == OTHER_POD

    async def test_is_taken_as_curl_sends_it(self, site: Site) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"bearer  {sign(claims())}"}
        assert (await site.report(token=None, headers=form)).status_code == 200

    async def test_is_taken_in_chunks(self, site: Site) -> None:
        async with site.connection() as connection:
            connection.send(head("", "Transfer-Encoding: chunked"), b"5\r\n" + PASSED[:5] + b"\r\n")
            await connection.writer.drain()
            connection.send(b"6\r\n" + PASSED[5:] + b"\r\n0\r\n\r\n")
            assert await connection.status() == 200

    async def test_is_answered_only_once_it_is_durable(self, site: Site) -> None:
        site.reports.free.clear()
        answer = asyncio.create_task(site.report())
        await site.reports.entered.wait()
        assert not answer.done()
        assert site.registry.get_sample_value("kubeprobe_intake_reports_in_flight") == 1
        site.clock.seconds = 0.03
        site.reports.free.set()
        assert (await answer).status_code == 200
        assert site.registry.get_sample_value("kubeprobe_intake_reports_in_flight") == 0
        assert site.registry.get_sample_value("kubeprobe_intake_durable_seconds_sum") == 0.03

    @pytest.mark.parametrize("answer", [one for one in Answer if one is not Answer.DURABLE])
    async def test_is_answered_as_the_operator_says(self, site: Site, answer: Answer) -> None:
        site.reports.answer = answer
        got = await site.report()
        assert (got.status_code, error_of(got)) == (answer.status, answer.text)
        assert ("Retry-After" in got.headers) == (answer is Answer.UNAVAILABLE)
        assert site.count(answer.status) == 1
        assert site.registry.get_sample_value("kubeprobe_intake_durable_seconds_count") == 0

    async def test_is_not_lost_when_recording_it_breaks(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        site.reports.answer = RuntimeError(SECRET)
        got = await site.report()
        assert (got.status_code, got.headers["Retry-After"]) == (503, "1")
        assert error_of(got) == Answer.UNAVAILABLE.text
        assert f"{POD.namespace}/{POD.pod}: RuntimeError" in caplog.text
        assert "in accept" in caplog.text
        assert SECRET not in caplog.text


class TestToken:
    async def test_none_is_refused_with_what_is_wanted(self, site: Site) -> None:
        answer = await site.report(token=None)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="kubeprobe"'
        assert "KUBEPROBE_TOKEN_FILE" in error_of(answer)

    @pytest.mark.parametrize("shown", ["Basic cHJvYmU6cHJvYmU=", "Bearer", "bearer:abc", ""])
    async def test_something_else_than_a_token_is_none(self, site: Site, shown: str) -> None:
        answer = await site.report(token=None, headers={"Authorization": shown})
        assert (answer.status_code, site.count(401)) == (401, 1)

    @pytest.mark.parametrize(
        ("token", "told"),
        [
            (lambda: sign(claims(exp=int(NOW.timestamp()) - 60)), "expired"),
            (lambda: sign(claims(nbf=int(NOW.timestamp()) + 60)), "not valid yet"),
            (lambda: sign(claims(aud=["https://kubernetes.default.svc"])), "audience"),
            (lambda: sign(claims(iss="https://elsewhere")), "issuer"),
            (lambda: sign(claims(POD, **{"kubernetes.io": {"namespace": "probes"}})), "not bound to a pod"),
            (lambda: sign(claims(), rsa_key("forger")), "signature"),
            (lambda: sign(claims())[:-8] + "AAAAAAAA", "signature"),
            (lambda: sign(claims(), rsa_key("forger"), "forger"), "key that is not the cluster's"),
            (lambda: jwt.encode(claims(), "", "none"), "RS256, ES256"),
            (lambda: jwt.encode(claims(), "s" * 64, "HS256", headers={"kid": "rsa-1"}), "RS256, ES256"),
            (lambda: "not.a.token", "not a JSON Web Token"),
        ],
    )
    async def test_a_bad_one_is_refused_with_the_reason(self, site: Site, token: Any, told: str) -> None:
        answer = await site.report(token=token())
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="kubeprobe", error="invalid_token"'
        assert told in error_of(answer)
        assert (site.reports.seen, site.count(401)) == ([], 1)

    async def test_of_another_pod_speaks_for_that_pod_only(self, site: Site) -> None:
        lie = Report.bounded(ok=True, attributes={"pod": POD.pod}).body()
        await site.report(lie, token=sign(claims(OTHER_POD)))
        assert [who for who, _, _ in site.reports.seen] == [OTHER_POD]

    async def test_bytes_that_are_no_text_are_no_token(self, site: Site) -> None:
        async with site.connection() as connection:
            line = b"Authorization: Bearer \xff\xfe.\xc3.\xa4"
            connection.send(head(None, "Content-Length: 0").replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n"))
            assert await connection.status() == 401

    async def test_of_a_new_key_is_good_after_a_pause(self, site: Site) -> None:
        assert (await site.report()).status_code == 200
        site.keys.entries = [jwk(rsa_key("rsa-2"), "rsa-2")]
        site.clock.seconds = PAUSE_SECONDS
        assert (await site.report(token=sign(claims(), rsa_key("rsa-2"), "rsa-2"))).status_code == 200
        assert (await site.report()).status_code == 401

    async def test_cannot_be_judged_while_the_keys_are_out_of_reach(self, site: Site) -> None:
        site.keys.error = ApiError(0, "Unreachable", "no answer")
        answer = await site.report()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "token keys" in error_of(answer)

    async def test_of_a_known_key_is_good_while_the_keys_are_out_of_reach(self, site: Site) -> None:
        assert (await site.report()).status_code == 200
        site.keys.error = ApiError(0, "Unreachable", "no answer")
        site.clock.seconds = PAUSE_SECONDS
        assert (await site.report(token=sign(claims(), rsa_key("rsa-2"), "rsa-2"))).status_code == 503
        assert (await site.report()).status_code == 200


class TestBody:
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", "EOF"),
            (b'{"ok": tru', "Invalid JSON"),
            (b"[" * 60_000, "recursion limit"),
            (b"ok", "Invalid JSON"),
            (b'{"ok": true, "errors": ["\xff\xfe"]}', "Invalid JSON"),
            ('{"ok": true}'.encode("utf-16"), "Invalid JSON"),
            (b"[]", "object"),
            (b"{}", "ok: Field required"),
            (b'{"ok": 1}', "ok: Input should be a valid boolean"),
            (b'{"ok": true, "verdict": "Passed"}', "verdict: Extra inputs are not permitted"),
            (b'{"ok": true, "errors": ["x"]}', "carries no errors"),
            (json.dumps({"ok": False, "errors": ["x"] * (MAX_ERRORS + 1)}).encode(), "errors: Tuple should have"),
            (json.dumps({"ok": False, "errors": ["ä" * 600]}).encode(), "errors.0: Value error, an error may take"),
            (b'{"ok": true, "steps": [{"name": "put", "count": 1, "ok": 2}]}', "steps.0.seconds: Field required"),
            (
                b'{"ok":true,"steps":[{"name":"a","count":1,"ok":1,"seconds":{"p50":NaN,"p99":1,"max":1}}]}',
                "steps.0.seconds.p50",
            ),
        ],
    )
    async def test_that_is_no_report_is_told_where(self, site: Site, body: bytes, told: str) -> None:
        answer = await site.report(body)
        assert answer.status_code == 400
        assert told in error_of(answer)
        assert "/openapi.json" in error_of(answer)
        assert (site.reports.seen, site.count(400)) == ([], 1)

    async def test_with_many_mistakes_gets_a_short_answer(self, site: Site) -> None:
        many = json.dumps({"ok": True} | {f"{number}{'x' * 900}": 1 for number in range(60)}).encode()
        told = error_of(await site.report(many))
        assert len(told.encode()) <= 1024
        assert "and 57 more" in error_of(
            await site.report(json.dumps({"ok": True} | dict.fromkeys(map(str, range(60)))).encode())
        )

    async def test_of_two_megabytes_is_refused_by_its_length(self, site: Site) -> None:
        two = json.dumps({"ok": False, "errors": ["x" * 2_000_000]}).encode()
        answer = await site.report(two)
        assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
        assert str(MAX_BODY_BYTES) in error_of(answer)
        assert (site.reports.seen, site.count(413)) == ([], 1)

    async def test_of_two_megabytes_is_refused_before_it_is_sent(self, site: Site) -> None:
        async with site.connection() as connection:
            connection.send(head("", "Content-Length: 2000000", "Expect: 100-continue"))
            assert (await connection.answer())[0] == 413

    async def test_is_asked_for_once_the_token_is_good(self, site: Site) -> None:
        async with site.connection() as connection:
            connection.send(head("", f"Content-Length: {len(PASSED)}", "Expect: 100-continue"))
            assert await connection.status() == 100
            connection.send(PASSED)
            assert await connection.status() == 200
        async with site.connection() as connection:
            connection.send(head(None, f"Content-Length: {len(PASSED)}", "Expect: 100-continue"))
            assert await connection.status() == 401

    async def test_of_two_megabytes_in_chunks_is_refused_on_the_way(self, site: Site) -> None:
        async with site.connection() as connection:
            connection.send(head("", "Transfer-Encoding: chunked"))
            for _ in range(20):
                connection.send(b"%x\r\n" % 100_000, b"x" * 100_000, b"\r\n")
            assert (await connection.answer())[0] == 413

    @pytest.mark.parametrize("extra", [0, 1])
    async def test_may_be_as_long_as_the_bound(self, site: Site, extra: int) -> None:
        longest = PASSED + b" " * (MAX_BODY_BYTES - len(PASSED) + extra)
        assert (await site.report(longest)).status_code == (413 if extra else 200)
        async with site.connection() as connection:
            connection.send(head("", "Transfer-Encoding: chunked"), b"%x\r\n" % len(longest), longest, b"\r\n0\r\n\r\n")
            assert await connection.status() == (413 if extra else 200)

    async def test_of_a_stranger_is_not_even_read(self, site: Site) -> None:
        async with site.connection() as connection:
            connection.send(head(None, "Transfer-Encoding: chunked"))
            status, told = await connection.answer()
            assert (status, "KUBEPROBE_TOKEN_FILE" in told["error"]) == (401, True)

    async def test_that_is_compressed_is_refused_and_not_unpacked(self, site: Site) -> None:
        bomb = gzip.compress(PASSED + b" " * 10_000_000)
        answer = await site.report(bomb, headers={"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
        assert site.reports.seen == []
        assert (await site.report(headers={"Content-Encoding": "identity"})).status_code == 200

    async def test_that_is_slow_is_not_waited_for(self) -> None:
        async with running(Site(limits=Limits(body_seconds=0.05))) as site, site.connection() as connection:
            connection.send(head("", "Content-Length: 11"), PASSED[:4])
            status, told = await connection.answer()
            assert (status, "0.05s" in told["error"]) == (408, True)
            assert await connection.reader.read() == b""
            assert site.count(408) == 1

    async def test_that_is_badly_chunked_is_not_waited_for(self) -> None:
        async with running(Site(limits=Limits(body_seconds=0.05))) as site, site.connection() as connection:
            connection.send(head("", "Transfer-Encoding: chunked"), b"nonsense\r\n")
            assert await connection.status() in {400, 408}
            assert site.reports.seen == []

    async def test_whose_sender_goes_away_is_forgotten(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        async with site.connection() as connection:
            connection.send(head("", "Content-Length: 11"), PASSED[:4])
            await until(lambda: site.registry.get_sample_value("kubeprobe_intake_reports_in_flight") == 1)
        await until(lambda: site.count(400) == 1)
        assert caplog.messages == []


class TestLimits:
    async def test_too_many_at_once_are_sent_away_before_anything(self) -> None:
        async with running(Site(limits=Limits(at_once=1))) as site:
            site.reports.free.clear()
            first = asyncio.create_task(site.report())
            await site.reports.entered.wait()
            second = await site.report(token=None)
            assert (second.status_code, second.headers["Retry-After"]) == (503, "1")
            assert "too many" in error_of(second)
            site.reports.free.set()
            assert (await first).status_code == 200
            assert (await site.report()).status_code == 200

    async def test_one_pod_cannot_take_all_places(self) -> None:
        async with running(Site(limits=Limits(at_once_per_pod=2))) as site:
            site.reports.free.clear()
            taken = [asyncio.create_task(site.report()) for _ in range(2)]
            await until(lambda: len(site.reports.seen) == 2)
            assert "of yours" in error_of(await site.report())
            taken.append(asyncio.create_task(site.report(token=sign(claims(OTHER_POD)))))
            await until(lambda: len(site.reports.seen) == 3)
            site.reports.free.set()
            assert [(await one).status_code for one in taken] == [200] * 3
            assert (await site.report()).status_code == 200


async def test_every_answer_is_counted_from_the_start(site: Site) -> None:
    text = (await site.http.get("/metrics")).text
    assert len(CODES) == len({code.value for code in CODES})
    for code in CODES:
        assert f'kubeprobe_intake_reports_total{{code="{HTTPStatus(code).value}"}} 0.0' in text


async def test_nothing_of_tokens_and_bodies_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    token = sign(claims())
    with caplog.at_level(logging.DEBUG):
        await site.report(json.dumps({"ok": False, "errors": [SECRET]}).encode(), token)
        await site.report(json.dumps({SECRET: 1}).encode(), token)
        await site.report(SECRET.encode(), token[:-4])
        for junk in (f"Authorization: Bearer {token}\0", f"{SECRET}\0: 1", f"X: {token}\r\n {SECRET}"):
            async with site.connection() as connection:
                connection.send(head(token, junk, "Content-Length: 0"))
                assert await connection.status() == 400
        async with site.connection() as connection:
            connection.send(SECRET.encode(), b" \0 HTTP/9\r\n\r\n")
            assert await connection.status() == 400
    assert SECRET not in caplog.text
    assert token.rsplit(".", 1)[1][:20] not in caplog.text
