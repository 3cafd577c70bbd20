"""`kubeprobe operator`: run the operator, in the cluster or beside it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
import uvloop

from kubeprobe.cli.options import Kubeconfig
from kubeprobe.control.follow import KINDS, Followable, followable
from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.patience import when_reachable
from kubeprobe.kube.port import SERVICES, ApiError
from kubeprobe.plan.budget import WRITES_BURST, WRITES_PER_SECOND, Limits

logger = logging.getLogger("kubeprobe")


def operator(
    intake_url: Annotated[
        str, typer.Option(help="What probes report to: an http:// address that pods reach, by number and not by name.")
    ] = "",
    intake_service: Annotated[
        str, typer.Option(help="NAMESPACE/NAME of the operator's own Service, whose cluster address probes report to.")
    ] = "",
    host: Annotated[str, typer.Option(help="The address that the intake listens on.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that the intake listens on.")] = 8080,
    pod_name: Annotated[
        str, typer.Option(envvar="POD_NAME", help="This replica's own pod, which the leader labels for its Service.")
    ] = "",
    pod_namespace: Annotated[str, typer.Option(envvar="POD_NAMESPACE", help="The namespace of that pod.")] = "",
    lease_namespace: Annotated[
        str, typer.Option(help="Where the Lease is that says which replica leads; the pod's namespace, else default.")
    ] = "",
    writes_per_second: Annotated[
        float,
        typer.Option(min=1, help="How many writes a second the operator may send to the API server in the long run."),
    ] = WRITES_PER_SECOND,
    writes_burst: Annotated[
        int, typer.Option(min=1, help="How many of its writes may come at once after a quiet while.")
    ] = WRITES_BURST,
    gate_authentication: Annotated[
        bool, typer.Option(help="Whether who asks gates has to show a token of the cluster, and a right to it.")
    ] = False,
    gate_tls_port: Annotated[
        int, typer.Option(min=1, max=65535, help="The port at which gates are asked by TLS, with --gate-tls-directory.")
    ] = 8443,
    gate_tls_directory: Annotated[
        Path | None,
        typer.Option(help="Where tls.crt and tls.key are: gates are then asked by TLS only, else in clear text."),
    ] = None,
    webhook_service: Annotated[
        str,
        typer.Option(
            help="NAMESPACE/NAME of the Service by which API servers ask the validating webhook; its Secret and its "
            "configuration have the same name. None is served if it is left out."
        ),
    ] = "",
    webhook_port: Annotated[int, typer.Option(min=1, max=65535, help="The port that the webhook is served at.")] = 9443,
    follow: Annotated[
        str,
        typer.Option(
            help="The kinds whose changes may be followed, with commas between them; others than Kubernetes' own "
            "as KIND.GROUP/VERSION/PLURAL."
        ),
    ] = ",".join(KINDS),
    secret_namespaces: Annotated[
        str, typer.Option(help="The namespaces in which Secrets may be followed, with commas between them.")
    ] = "",
    kubeconfig: Kubeconfig = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the operator until it is told to end (SIGTERM or Ctrl-C)."""
    if bool(intake_url) == bool(intake_service):
        raise typer.BadParameter("set exactly one of --intake-url and --intake-service")
    if webhook_service and not all(webhook_service.partition("/")):
        raise typer.BadParameter(f"--webhook-service={webhook_service}: give it as NAMESPACE/NAME")
    if pod_name and not pod_namespace:
        raise typer.BadParameter("--pod-name needs --pod-namespace: set POD_NAMESPACE by the downward API as well")
    try:
        may = followable(_words(follow), _words(secret_namespaces))
    except ValueError as error:
        raise typer.BadParameter(f"--follow: {error}") from error
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asked = _Asked(
        intake_url=intake_url,
        intake_service=intake_service,
        host=host,
        port=port,
        pod_name=pod_name,
        pod_namespace=pod_namespace,
        lease_namespace=lease_namespace,
        writes=Limits(writes_per_second, writes_burst),
        gate_authentication=gate_authentication,
        gate_tls_port=gate_tls_port,
        gate_tls_directory=gate_tls_directory,
        webhook_service=webhook_service,
        webhook_port=webhook_port,
        follow=may,
        kubeconfig=kubeconfig,
    )
    try:
        uvloop.run(_run(asked))
    except (ApiError, OSError) as error:
        typer.echo(f"kubeprobe operator: {error}", err=True)
        raise typer.Exit(1) from error


class _Asked(NamedTuple):
    intake_url: str
    intake_service: str
    host: str
    port: int
    pod_name: str
    pod_namespace: str
    lease_namespace: str
    writes: Limits
    gate_authentication: bool
    gate_tls_port: int
    gate_tls_directory: Path | None
    webhook_service: str
    webhook_port: int
    follow: Followable
    kubeconfig: Path | None


async def _run(asked: _Asked) -> None:
    # Only here: the other commands are not to wait for what a server needs.
    from kubeprobe.control.operator import Operator, Replica, Settings
    from kubeprobe.control.webhook import WebhookSettings
    from kubeprobe.control.webhook_cert import WebhookName
    from kubeprobe.intake.server import Tls
    from kubeprobe.intake.tls import Certificate

    identity = f"{asked.pod_name or socket.gethostname()}_{secrets.token_hex(4)}"
    replica = Replica(
        identity=identity,
        lease_namespace=asked.lease_namespace or asked.pod_namespace or "default",
        pod=(asked.pod_namespace, asked.pod_name) if asked.pod_name else None,
    )
    directory = asked.gate_tls_directory
    tls = Tls(asked.gate_tls_port, Certificate(directory / "tls.crt", directory / "tls.key")) if directory else None
    namespace, _, name = asked.webhook_service.partition("/")
    webhook = WebhookSettings(WebhookName(namespace, name), asked.host, asked.webhook_port) if name else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await connect(asked.kubeconfig, user=identity) as api:
        url = asked.intake_url or await when_reachable(lambda: _service_url(api, asked.intake_service), stop) or ""
        settings = Settings(
            intake_url=url,
            replica=replica,
            host=asked.host,
            port=asked.port,
            writes=asked.writes,
            follow=asked.follow,
            authenticate=asked.gate_authentication,
            tls=tls,
            webhook=webhook,
        )
        await Operator(api, settings).run(stop)
    logger.info("ended")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


async def _service_url(api: Client, service: str) -> str:
    namespace, _, name = service.partition("/")
    found = await api.get(SERVICES, namespace, name)
    address, port = found["spec"]["clusterIP"], found["spec"]["ports"][0]["port"]
    bracketed = f"[{address}]" if ":" in address else address
    return f"http://{bracketed}:{port}"
