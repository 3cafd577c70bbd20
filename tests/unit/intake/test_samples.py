"""POST /v1/samples over real HTTP: the same guard as for reports, with bounds of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.unit.intake.cluster import NOW, OTHER_POD, POD, claims, sign
from tests.unit.intake.conftest import Site

from kubeprobe.intake.port import SamplesAnswer
from probe_sdk.samples import MAX_SAMPLES_BYTES, MAX_TARGETS, SAMPLES_PATH, Samples, TargetSample
from probe_sdk.wire import MAX_BODY_BYTES

SECRET = "the-words-of-a-target"


def target(name: str = "a", **more: Any) -> TargetSample:
    counts = {"passed": 10, "failed": 0, "unknown": 1, "missed": 1, "turns": 1, "seconds": 0.5}
    return TargetSample(**{"target": name, "verdict": "Passed", "since": NOW, **counts, **more})


def message(*targets: TargetSample, **more: Any) -> Samples:
    usual = {"epoch": "1", "sequence": 1, "sent_at": NOW, "started_at": NOW, "complete": True, "round": 1}
    pace = {"interval_seconds": 1.0, "served_ratio": 1.0, "withheld_seconds": 0.0}
    targets = targets or (target(buckets={3: 10}, classes={"NotServed": 1}),)
    return Samples(**{**usual, **pace, "of": len(targets), "targets": targets, **more})


def changed(**fields: Any) -> bytes:
    return json.dumps({**message().model_dump(mode="json"), **fields}).encode()


async def post(site: Site, body: bytes | None = None, token: str | None = "", **headers: str) -> httpx.Response:
    body = message().model_dump_json(exclude_defaults=True).encode() if body is None else body
    return await site.report(body, token, headers, SAMPLES_PATH)


async def test_they_are_handed_on_whole_with_their_pod_and_their_time_of_arrival(site: Site) -> None:
    site.clock.seconds = 7
    answer = await post(site)
    assert (answer.status_code, answer.json()) == (200, {"recorded": "the samples are counted"})
    assert site.samples.seen == [(POD, message(), NOW + timedelta(seconds=7))]
    assert (site.reports.seen, site.count(200, "samples"), site.count(200)) == ([], 1, 0)


@pytest.mark.parametrize("became", list(SamplesAnswer))
async def test_they_are_answered_as_the_operator_says(site: Site, became: SamplesAnswer) -> None:
    site.samples.answer = became
    answer = await post(site)
    assert answer.status_code == became.status
    assert became.text in answer.json().values()
    assert ("Retry-After" in answer.headers) == (became.status == 503)
    assert (answer.headers.get("Connection") == "close") == (became.status == 503)  # perhaps another replica leads now
    assert site.count(became.status, "samples") == 1


async def test_they_are_not_lost_when_taking_them_breaks(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.samples.answer = RuntimeError(SECRET)
    answer = await post(site)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert f"the samples of pod {POD.namespace}/{POD.pod}: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_without_a_good_token_they_are_refused(site: Site) -> None:
    assert (await post(site, token=None)).status_code == 401
    assert (await post(site, token=sign(claims(exp=int(NOW.timestamp()) - 60)))).status_code == 401
    assert (site.samples.seen, site.count(401, "samples")) == ([], 2)


async def test_the_token_of_another_pod_speaks_for_that_pod_only(site: Site) -> None:
    await post(site, token=sign(claims(OTHER_POD)))
    assert [who for who, _, _ in site.samples.seen] == [OTHER_POD]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "EOF"),
        (b'{"ok":true}', "epoch: Field required"),
        (changed(sequence=0), "sequence: Input should be greater"),
        (changed(sequence=True), "sequence: Input should be a valid integer"),
        (changed(epoch="x" * 64), "epoch: String should have at most 63"),
        (changed(interval_seconds=0), "interval_seconds"),
        (changed(served_ratio=1.5), "served_ratio"),
        (changed(sent_at="2026-03-01T12:00:00"), "sent_at: Input should have timezone info"),
        (changed(pod="another"), "pod: Extra inputs are not permitted"),
        (changed(targets=[{"target": "a"}]), "targets.0.verdict: Field required"),
        (changed(targets=[{**target().model_dump(mode="json"), "passed": -1}]), "targets.0.passed"),
        (changed(targets=[{**target().model_dump(mode="json"), "passed": 2**53 + 1}]), "targets.0.passed"),
        (changed(targets=[{**target().model_dump(mode="json"), "buckets": {"64": 1}}]), "targets.0.buckets"),
        (changed(targets=[{**target().model_dump(mode="json"), "classes": {"c" * 64: 1}}]), "targets.0.classes"),
        (changed(sequence=10**30), "sequence: Input should be less"),
        (changed(targets=[{**target().model_dump(mode="json"), "missed": 2}]), "missed must not exceed unknown"),
        (changed(targets=[{**target().model_dump(mode="json"), "verdict": "Well"}]), "targets.0.verdict"),
        (changed(targets=[{**target().model_dump(mode="json"), "seconds": "NaN"}]), "targets.0.seconds"),
    ],
)
async def test_what_are_no_samples_is_told_where(site: Site, body: bytes, told: str) -> None:
    answer = await post(site, body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert answer.json()["error"].startswith("the body is not samples, see /openapi.json")
    assert (site.samples.seen, site.count(400, "samples")) == ([], 1)


async def test_more_targets_than_a_prober_may_have_are_refused(site: Site) -> None:
    one = {"target": "a", "verdict": "Passed", "since": 0, "passed": 0, "failed": 0, "unknown": 0}
    many = [{**one, "target": f"t{number}", "missed": 0, "turns": 0, "seconds": 0} for number in range(MAX_TARGETS + 1)]
    answer = await post(site, changed(targets=many))
    assert (answer.status_code, "targets: " in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("extra", [0, 1])
async def test_they_may_be_as_long_as_their_own_bound(site: Site, extra: int) -> None:
    assert MAX_SAMPLES_BYTES > MAX_BODY_BYTES
    body = message().model_dump_json().encode()
    longest = body + b" " * (MAX_SAMPLES_BYTES - len(body) + extra)
    answer = await post(site, longest)
    assert answer.status_code == (413 if extra else 200)
    assert not extra or answer.json()["error"].startswith(f"samples may take {MAX_SAMPLES_BYTES} bytes")

    async def chunks() -> Any:
        for start in range(0, len(longest), 60_000):
            yield longest[start : start + 60_000]

    headers = {"Authorization": f"Bearer {sign(claims())}"}
    streamed = await site.http.post(SAMPLES_PATH, content=chunks(), headers=headers)
    assert streamed.status_code == (413 if extra else 200)


async def test_a_report_keeps_its_bound(site: Site) -> None:
    assert (await site.report(b'{"ok":true}' + b" " * MAX_BODY_BYTES)).status_code == 413


async def test_the_wrong_method_is_told_the_right_one(site: Site) -> None:
    answer = await site.http.get(SAMPLES_PATH)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


async def test_many_pods_are_taken_beside_each_other(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    answers = await asyncio.gather(*(post(site) for _ in range(4)))
    assert [one.status_code for one in answers] == [200] * 4
    assert caplog.messages == []
