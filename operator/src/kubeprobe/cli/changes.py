"""`kubeprobe changes`: what changed lately, and with a name the story of one change."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import RenderableType

from kubeprobe.api import Change
from kubeprobe.cli.change_view import listing, story
from kubeprobe.cli.options import USAGE, Context, Kubeconfig
from kubeprobe.cli.shown import console, unknown
from kubeprobe.kube.client import connect
from kubeprobe.kube.port import CHANGES, ApiError, Reader


def changes(
    name: Annotated[
        str | None, typer.Argument(help="The Change whose story to tell; a list of all without it.")
    ] = None,
    gate: Annotated[str, typer.Option("--gate", "-g", help="Only those in the scope of this ChangeGate.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="Only so many, the newest ones.")] = 20,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List what changed, newest last, or tell one change: by whom, which probes ran, what failed, what gates did."""
    if name is not None and gate:
        raise typer.BadParameter("--gate is for the list: leave it out, or the name")
    try:
        shown = asyncio.run(_show(name, gate, limit, kubeconfig, context))
    except ApiError as error:
        typer.echo(f"kubeprobe changes: {_explain(error, name)}", err=True)
        raise typer.Exit(USAGE) from error
    except ValidationError as error:
        typer.echo(f"kubeprobe changes: {unknown(error, str(name))}", err=True)
        raise typer.Exit(USAGE) from error
    if shown is None:
        typer.echo(f"no changes{f' in the scope of gate {gate}' if gate else ''}", err=True)
    else:
        console().print(shown)


async def _show(
    name: str | None, gate: str, limit: int, kubeconfig: Kubeconfig, context: Context
) -> RenderableType | None:
    now = datetime.now(UTC)
    async with await connect(kubeconfig, context) as api:
        if name is not None:
            return story(Change.model_validate(await api.get(CHANGES, None, name)), now)
        found = await _newest(api, gate, limit)
        return listing(found, now) if found else None


async def _newest(api: Reader, gate: str, limit: int) -> list[Change]:
    """In order of their names, which is that in which they were closed."""
    found = []
    async for body in api.list(CHANGES):
        try:
            found.append(Change.model_validate(body))
        except ValidationError as error:
            typer.echo(f"left out: {unknown(error, body['metadata']['name'])}", err=True)
    wanted = [one for one in found if not gate or gate in one.spec.gates]
    return sorted(wanted, key=lambda one: one.metadata.name)[-limit:]


def _explain(error: ApiError, name: str | None) -> str:
    if error.not_found and name is not None and name in error.message:
        return f"there is no Change {name!r}; kubeprobe changes lists them, and the oldest are not kept"
    return str(error)
