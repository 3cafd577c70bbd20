"""`kubeprobe run NAME`: run a config now, and with --wait watch it to its verdict."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kubeprobe.api import API_VERSION, Mode, Phase, ProbeConfig, ProbeRun, TriggerKind, Verdict
from kubeprobe.cli.options import USAGE, Context, Kubeconfig
from kubeprobe.cli.shown import unknown
from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, PODS, RUNS, ApiError
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.run import belonging

POLL_SECONDS = 0.25
COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.UNKNOWN: "yellow"}
EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.UNKNOWN: 3}
MAX_PREFIX = 55


def run(
    name: Annotated[str, typer.Argument(help="The ProbeConfig to run.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the verdict: exit 0 Passed, 1 Failed, 3 Unknown.")
    ] = False,
    timeout_seconds: Annotated[
        float,
        typer.Option("--timeout", min=0, help="With --wait: give up after so many seconds; 0 waits for the verdict."),
    ] = 600,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Run a ProbeConfig of mode Periodic or OnDemand now, whatever its schedule."""
    try:
        code = asyncio.run(_run(name, namespace, wait, timeout_seconds, kubeconfig, context))
    except ApiError as error:
        typer.echo(f"kubeprobe run: {_explain(error, name, namespace)}", err=True)
        raise typer.Exit(USAGE) from error
    except ValidationError as error:
        typer.echo(f"kubeprobe run: {unknown(error, name)}", err=True)
        raise typer.Exit(USAGE) from error
    except KeyboardInterrupt:
        typer.echo("interrupted; the run goes on in the cluster", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(code)


async def _run(
    name: str, namespace: str, wait: bool, timeout_seconds: float, kubeconfig: Path | None, context: str | None
) -> int:
    async with await connect(kubeconfig, context) as api:
        config = ProbeConfig.model_validate(await api.get(CONFIGS, namespace, name))
        if config.spec.mode is Mode.RESIDENT:
            typer.echo(
                f"kubeprobe run: ProbeConfig {name} is in mode Resident, its prober probes all the time: "
                f"kubectl -n {namespace} get proberesult {name}",
                err=True,
            )
            return USAGE
        created = await start(api, config)
        if not wait:
            typer.echo(f"proberun.kubeprobe.io/{created.metadata.name} created")
            return 0
        return await _follow(api, created, timeout_seconds)


async def start(api: Client, config: ProbeConfig) -> ProbeRun:
    """Create a manual run of a config. Raises `ApiError`."""
    run_name = f"{config.metadata.name[:MAX_PREFIX]}-m{secrets.token_hex(3)}"
    body = {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "metadata": {"name": run_name, "namespace": config.metadata.namespace, **belonging(config, run_name)},
        "spec": {"configRef": {"name": config.metadata.name}, "trigger": {"kind": TriggerKind.MANUAL.value}},
    }
    return ProbeRun.model_validate(await api.create(RUNS, config.metadata.namespace, body))


async def _follow(api: Client, run: ProbeRun, timeout_seconds: float) -> int:
    console = Console()
    began = time.monotonic()
    namespace, name = run.metadata.namespace, run.metadata.name
    with Live(_progress(run, None, 0.0), console=console, transient=True, auto_refresh=False) as live:
        while run.status.phase is not Phase.COMPLETED:
            waited = time.monotonic() - began
            if 0 < timeout_seconds < waited:
                typer.echo(
                    f"no verdict after {waited:.0f}s; is the operator running? kubectl -n {namespace} get pr {name}",
                    err=True,
                )
                return EXIT_CODES[Verdict.UNKNOWN]
            live.update(_progress(run, await _pod(api, namespace, name), waited), refresh=console.is_terminal)
            await asyncio.sleep(POLL_SECONDS)
            run = ProbeRun.model_validate(await api.get(RUNS, namespace, name))
    console.print(_verdict(run))
    return EXIT_CODES[run.status.verdict or Verdict.UNKNOWN]


async def _pod(api: Client, namespace: str, name: str) -> PodView | None:
    try:
        return read_pod(await api.get(PODS, namespace, name))
    except ApiError as error:
        if error.not_found:
            return None
        raise


def _progress(run: ProbeRun, pod: PodView | None, waited: float) -> Text:
    if pod is None:
        stage = "waiting for its pod"
    elif not pod.node:
        stage = "waiting to be scheduled"
    elif pod.running:
        stage = f"running on {pod.node}"
    elif pod.ended:
        stage = f"ended on {pod.node}"
    else:
        stage = f"starting on {pod.node}" + (f" ({pod.waiting.reason})" if pod.waiting and pod.waiting.reason else "")
    return Text(f"{run.metadata.name}: {stage}, {waited:.0f}s")


def _verdict(run: ProbeRun) -> Table:
    status = run.status
    verdict = status.verdict or Verdict.UNKNOWN
    table = Table.grid(padding=(0, 2))
    took = f" in {status.duration_seconds:.1f}s" if status.duration_seconds is not None else ""
    node = f" on {status.node}" if status.node else ""
    table.add_row(Text(verdict, style=f"bold {COLOURS[verdict]}"), Text(f"{run.metadata.name}{took}{node}"))
    for error in status.errors or ((status.message,) if status.message else ()):
        table.add_row("", Text(error))
    for step in status.steps:
        took = f"p50 {step.seconds.p50 * 1000:.0f} ms, max {step.seconds.max * 1000:.0f} ms"
        table.add_row(
            "", Text(f"{step.name}: {step.ok} of {step.count}, {took}", style="" if step.ok == step.count else "red")
        )
    return table


def _explain(error: ApiError, name: str, namespace: str) -> str:
    if error.not_found and "probeconfigs" in error.message:
        return f"there is no ProbeConfig {name!r} in namespace {namespace!r}; kubectl get probeconfigs -A lists them"
    return str(error)
