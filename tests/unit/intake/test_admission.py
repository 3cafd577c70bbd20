"""The webhook's side of the conversation: what API servers send and are answered, and what strangers can cost."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.api.enforcement.cases import BEFORE, workload
from tests.unit.intake.cluster import Clock
from tests.unit.plan.builders import CREATED

from kubeprobe.control.certificate import issue
from kubeprobe.intake import admission as room
from kubeprobe.intake.admission import ADMISSION_PATH, AdmissionHandler, Webhook, serve_admission
from kubeprobe.intake.review import Requester
from kubeprobe.plan.admission import Attempt, Ruling

HOST = "127.0.0.1"
USER = {"username": "ada", "uid": "7", "groups": ["dev", "ops"], "extra": {"scopes": ["all"]}}


@dataclass
class Judge:
    """Rules as a test wants it."""

    ruling: Ruling | Exception = field(default_factory=Ruling)
    is_ready: bool = True
    seen: list[tuple[Attempt, Requester]] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def ready(self) -> bool:
        return self.is_ready

    async def judge(self, attempt: Attempt, who: Requester) -> Ruling:
        self.seen.append((attempt, who))
        await self.free.wait()
        if isinstance(self.ruling, Exception):
            raise self.ruling
        return self.ruling


@dataclass
class Site:
    """A webhook and a client that trusts it."""

    judge: Judge
    registry: CollectorRegistry
    http: httpx.AsyncClient
    clock: Clock

    async def ask(self, body: Any) -> httpx.Response:
        return await self.http.post(ADMISSION_PATH, json=body)

    def count(self, what: str) -> float:
        return self.registry.get_sample_value("kubeprobe_admission_reviews_total", {"answer": what}) or 0


@contextlib.asynccontextmanager
async def serving(judge: Judge, folder: Path) -> AsyncIterator[Site]:
    issued = issue(["gates.svc"], CREATED.now(CREATED.tzinfo))
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_text(issued.certificate)
    key.write_text(issued.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    trusting, registry = ssl.create_default_context(cadata=issued.authority), CollectorRegistry()
    trusting.check_hostname = False  # it is asked by address here
    clock = Clock()
    handler = AdmissionHandler(judge, registry, clock)
    async with (
        serve_admission(handler, Webhook(HOST, 0, tls)) as port,
        httpx.AsyncClient(base_url=f"https://{HOST}:{port}", verify=trusting, timeout=20) as http,
    ):
        yield Site(judge, registry, http, clock)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    judge = Judge()
    judge.free.set()
    async with serving(judge, tmp_path) as ready:
        yield ready


def review(after: Any, before: Any = None, **changed: Any) -> dict[str, Any]:
    """What an API server sends."""
    request = {
        "uid": "705ab4f5",
        "kind": {"group": "apps", "version": "v1", "kind": after["kind"]},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "cart",
        "namespace": "shop",
        "operation": "CREATE" if before is None else "UPDATE",
        "userInfo": USER,
        "object": after,
        "oldObject": before,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions"},
        **changed,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def test_what_may_be_is_told_by_its_uid(site: Site) -> None:
    answer = await site.ask(review(workload(), BEFORE))
    assert answer.status_code == 200
    response = {"uid": "705ab4f5", "allowed": True}
    assert answer.json() == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    attempt, who = site.judge.seen[0]
    assert (attempt.workload.key, attempt.new_template, attempt.dry_run) == (
        ("shop", "Deployment", "cart"),
        True,
        False,
    )
    assert who == Requester(username="ada", uid="7", groups=("dev", "ops"), extra={"scopes": ("all",)})
    assert site.count("allowed") == 1


async def test_a_denial_has_its_reason_and_a_warning_its_words(site: Site) -> None:
    site.judge.ruling = Ruling("closed", ("another warns",), {"held-by": "production/cls-1"})
    response = (await site.ask(review(workload()))).json()["response"]
    assert response == {
        "uid": "705ab4f5",
        "allowed": False,
        "status": {"code": 403, "reason": "Forbidden", "message": "closed"},
        "warnings": ["another warns"],
        "auditAnnotations": {"held-by": "production/cls-1"},
    }
    site.judge.ruling = Ruling(warnings=("closed",))
    assert (await site.ask(review(workload()))).json()["response"]["allowed"] is True
    assert (site.count("denied"), site.count("warned")) == (1, 1)


async def test_a_dry_run_is_told_as_one(site: Site) -> None:
    await site.ask(review(workload(), dryRun=True))
    assert site.judge.seen[0][0].dry_run


async def test_nothing_is_decided_before_all_gates_are_seen(site: Site) -> None:
    site.judge.is_ready = False
    answer = await site.ask(review(workload()))
    assert (answer.status_code, site.judge.seen) == (503, [])
    assert site.count("error") == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}}, 400),
        (review(workload(), name=None), 400),
        (review({**workload(), "kind": "ReplicaSet"}), 400),
        (review({**workload(), "spec": {"template": {"spec": {"containers": ["app"]}}}}), 503),
    ],
)
async def test_what_is_no_review_is_refused(site: Site, body: Any, status: int) -> None:
    answer = await site.ask(body)
    assert (answer.status_code, site.judge.seen) == (status, [])
    assert answer.json()["error"]


async def test_only_reviews_are_taken_here(site: Site) -> None:
    assert (await site.http.get(ADMISSION_PATH)).status_code == 404
    assert (await site.http.post("/metrics", json={})).status_code == 404


async def test_two_objects_as_long_as_etcd_takes_them_are_a_review_and_not_much_more(site: Site) -> None:
    longest = {**workload(), "status": {"padding": "x" * (1536 * 1024)}}
    assert (await site.ask(review(longest, longest))).status_code == 200
    answer = await site.http.post(ADMISSION_PATH, content=b" " * (4 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_a_body_that_is_too_long_is_not_read_to_its_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_REVIEW_BYTES", 1000)
    assert (await site.http.post(ADMISSION_PATH, content=b" " * 2000)).status_code == 413
    assert (await site.ask(review(workload()))).status_code == 200


async def test_a_compressed_review_is_refused(site: Site) -> None:
    answer = await site.http.post(ADMISSION_PATH, content=b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


async def test_all_bodies_together_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        begun.set()
        await over.wait()

    async def answered(status: int) -> httpx.Response:
        async with asyncio.timeout(10):
            answer = await site.ask(review(workload()))
            while answer.status_code != status:
                answer = await site.ask(review(workload()))
        return answer

    monkeypatch.setattr(room, "BYTES_AT_ONCE", room.MAX_REVIEW_BYTES + 100)
    monkeypatch.setattr(room, "BODY_SECONDS", 0.3)
    unsaid = asyncio.create_task(site.http.post(ADMISSION_PATH, content=slow()))
    await begun.wait()
    assert "too many long reviews" in (await answered(503)).json()["error"]
    await answered(200)
    over.set()
    with contextlib.suppress(httpx.TransportError):  # the connection was ended while it wrote
        assert (await unsaid).status_code == 408


async def test_who_cannot_decide_in_time_says_so_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RULING_SECONDS", 0.05)
    site.judge.free.clear()
    assert (await site.ask(review(workload()))).status_code == 503


async def test_an_error_is_not_quoted(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.judge.ruling = RuntimeError("secret")
    answer = await site.ask(review(workload()))
    assert answer.status_code == 503
    assert "secret" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


async def test_a_name_forges_no_line_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.judge.ruling = RuntimeError()
    await site.ask(review(workload(), name="cart\nERROR forged " + "x" * 10_000))
    (record,) = caplog.records
    assert "cart\\nERROR forged" in record.getMessage()
    assert len(record.getMessage().splitlines()[0]) < 600


async def test_reviews_that_cannot_be_judged_do_not_fill_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    spoilt = review({**workload(), "spec": {"template": {"spec": {"containers": [{}]}}}})
    for _ in range(20):
        assert (await site.ask(spoilt)).status_code == 503
    assert (len(caplog.records), site.count("error")) == (1, 20)
    site.clock.seconds += 60
    await site.ask(spoilt)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("bound", ["AT_ONCE", "AT_ONCE_PER_CLIENT"])
async def test_so_many_reviews_at_once_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(room, bound, 1)
    monkeypatch.setattr(room, "RULING_SECONDS", 10.0)
    judge = Judge()
    async with serving(judge, tmp_path) as site:
        first = asyncio.create_task(site.ask(review(workload())))
        async with asyncio.timeout(10):
            while not judge.seen:  # noqa: ASYNC110 - what is waited for has no event to wait on
                await asyncio.sleep(0.001)
            assert (await site.ask(review(workload()))).status_code == 503
            judge.free.set()
            assert (await first).status_code == 200
