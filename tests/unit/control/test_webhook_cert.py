"""The webhook's certificate: made, shown by every replica, renewed so that what is shown is trusted all along."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context
from tests.unit.plan.builders import CREATED

from kubeprobe.control.certificate import RENEW_DAYS, VALID_DAYS, good_until, issue, newest
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.webhook_cert import WebhookCertificate, WebhookName
from kubeprobe.kube.port import SECRETS, ApiError

NAME = WebhookName("kubeprobe-system", "kubeprobe-webhook")
SECRET = ("secrets", NAME.namespace, NAME.name)
DUE = timedelta(days=VALID_DAYS - RENEW_DAYS, hours=1)
CONFIGURATION = ("validatingwebhookconfigurations", "", NAME.name)


class Site:
    """An API server with the chart's webhook configuration, and replicas around it."""

    def __init__(self) -> None:
        # TLS goes by the machine's clock: renewed a day ago at the latest.
        self.now = datetime.now(CREATED.tzinfo) - DUE - timedelta(days=1)
        self.cluster = Cluster()
        hook = {"name": "gates.kubeprobe.io", "clientConfig": {"service": {"name": NAME.name}}, "timeoutSeconds": 3}
        meta = {"name": NAME.name, "resourceVersion": "1"}
        self.cluster.objects[CONFIGURATION] = {"metadata": meta, "webhooks": [hook]}

    def replica(self) -> WebhookCertificate:
        context = make_context(self.cluster, lambda: self.now, WorkQueue(lambda: 0.0))
        return WebhookCertificate(context.api, context.writer, NAME, lambda: self.now)

    def kept(self, key: str) -> str:
        return base64.b64decode(self.cluster.objects[SECRET]["data"][key]).decode()

    @property
    def trusted(self) -> str:
        hook = self.cluster.objects[CONFIGURATION]["webhooks"][0]
        assert hook["timeoutSeconds"] == 3
        return base64.b64decode(hook["clientConfig"]["caBundle"]).decode()


async def shows(replica: WebhookCertificate, trusted: str, host: str = NAME.hosts[0]) -> bool:
    """Whether who trusts these authorities can speak to a replica."""

    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed(writer)

    server = await asyncio.start_server(end, "127.0.0.1", 0, ssl=replica.tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = ssl.create_default_context(cadata=trusted)
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
        except (ssl.SSLError, ConnectionError):
            return False
        await closed(writer)
        return True


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_it_is_made_trusted_and_shown_by_all() -> None:
    site = Site()
    leader, standby = site.replica(), site.replica()
    assert not await standby.show()
    assert await leader.put_right()
    assert await standby.show()
    for replica in (leader, standby):
        for host in NAME.hosts:
            assert await shows(replica, site.trusted, host)
        assert not await shows(replica, site.trusted, "elsewhere.svc")
    assert "PRIVATE" not in site.kept("ca.crt") + site.kept("tls.crt")


async def test_nothing_is_written_while_it_is_good() -> None:
    site = Site()
    leader = site.replica()
    await leader.put_right()
    before = site.cluster.writes.copy()
    site.now += timedelta(days=VALID_DAYS - RENEW_DAYS - 1)
    assert await leader.put_right()
    assert await site.replica().put_right()
    assert site.cluster.writes == before


async def test_while_it_is_renewed_the_old_and_the_new_one_are_trusted() -> None:
    site = Site()
    leader, standby = site.replica(), site.replica()
    await leader.put_right()
    await standby.show()
    old = site.kept("tls.crt")
    site.now += DUE
    assert await leader.put_right()
    assert site.kept("tls.crt") != old
    assert await shows(leader, site.trusted)
    assert await shows(standby, site.trusted), "it has not looked yet"
    assert await standby.show()
    assert await shows(standby, newest(site.trusted)), "it shows the new one"
    assert site.trusted == site.kept("ca.crt")


async def test_api_servers_trust_the_new_one_before_anybody_shows_it() -> None:
    site = Site()
    await site.replica().put_right()
    old = site.kept("tls.crt")
    site.now += DUE
    site.cluster.refuse["secrets"] = ApiError(500, "InternalError", "etcd is away")
    with pytest.raises(ApiError):
        await site.replica().put_right()
    assert site.kept("tls.crt") == old
    assert site.kept("ca.crt") in site.trusted
    assert site.trusted != site.kept("ca.crt")
    del site.cluster.refuse["secrets"]
    leader = site.replica()
    assert await leader.put_right()
    assert await shows(leader, site.trusted)


@pytest.mark.parametrize(
    "edit",
    [
        {"tls.crt": ""},
        {"tls.crt": "no base64"},
        {"tls.crt": base64.b64encode(b"\xff\xfe").decode()},
        {"ca.crt": ""},
        {"ca.crt": base64.b64encode(issue(["other"], CREATED).authority.encode()).decode()},
        {"tls.key": base64.b64encode(issue(["other"], CREATED).key.encode()).decode()},
        {"tls.key": base64.b64encode(b"no key").decode()},
        {"tls.crt": None, "tls.key": None, "ca.crt": None},
    ],
)
async def test_a_secret_edited_by_hand_is_made_anew(edit: dict[str, Any]) -> None:
    site = Site()
    leader = site.replica()
    await leader.put_right()
    await site.cluster.merge_patch(SECRETS, NAME.namespace, NAME.name, {"data": edit})
    assert await leader.put_right()
    assert await shows(leader, newest(site.trusted))
    assert await site.replica().show()


async def test_a_secret_that_is_deleted_is_made_anew_and_who_shows_the_old_one_is_still_trusted() -> None:
    site = Site()
    leader, standby = site.replica(), site.replica()
    await leader.put_right()
    await standby.show()
    del site.cluster.objects[SECRET]
    assert not await standby.show()
    assert await leader.put_right()
    assert await shows(standby, site.trusted)


async def test_a_configuration_that_was_reset_is_told_again_whom_to_trust() -> None:
    site = Site()
    leader = site.replica()
    await leader.put_right()
    site.cluster.objects[CONFIGURATION]["webhooks"][0]["clientConfig"]["caBundle"] = ""
    assert await leader.put_right()
    assert await shows(leader, site.trusted)


def test_a_certificate_for_other_names_is_not_good() -> None:
    issued = issue(NAME.hosts, CREATED)
    assert good_until(issued.certificate, issued.authority, NAME.hosts) == CREATED + timedelta(
        days=VALID_DAYS - RENEW_DAYS
    )
    assert good_until(issued.certificate, issued.authority, ["other"]) is None
    assert good_until(issued.authority, issued.authority, NAME.hosts) is None
