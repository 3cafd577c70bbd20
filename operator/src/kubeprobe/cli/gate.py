"""`kubeprobe gate NAME`: whether changes may pass and why, waiting for it, and the two hands on it."""

from __future__ import annotations

import asyncio
import enum
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from kubeprobe.api import ChangeGate, GatePhase, GateVerdict
from kubeprobe.api.duration import Duration
from kubeprobe.cli.gate_follow import Time, Told, follow, look, seen_as_written
from kubeprobe.cli.gate_view import current, view
from kubeprobe.cli.options import USAGE, Context, Kubeconfig
from kubeprobe.cli.shown import console, unknown
from kubeprobe.kube.client import connect
from kubeprobe.kube.port import GATES, Api, ApiError
from kubeprobe.plan.batch import is_name

OPEN, CLOSED, UNDECIDED, INTERRUPTED = 0, 1, 3, 130
WAIT_SECONDS = 600.0
ACT_SECONDS = 15.0
"""An operator that runs has acted on an edit long before."""


class Action(enum.StrEnum):
    """What to do about a gate."""

    STATUS = "status"
    HOLD = "hold"
    OPEN = "open"
    OVERRIDE = "override"
    WAIT = "wait"


@dataclass(frozen=True)
class Edit:
    """What an action makes of a gate's spec, where None takes a field away, and the phase that counts as 0."""

    patch: dict[str, Any]
    wanted: GatePhase


Doing = Callable[[Api], Awaitable[int]]
ALLOWED = {
    "--reason": {Action.HOLD, Action.OVERRIDE},
    "--for": {Action.OVERRIDE},
    "--until-open": {Action.WAIT},
    "--notice": {Action.WAIT},
    "--change": {Action.WAIT},
    "--timeout": {Action.HOLD, Action.OPEN, Action.OVERRIDE, Action.WAIT},
}


def gate(
    name: Annotated[str, typer.Argument(help="The ChangeGate.")],
    action: Annotated[
        Action,
        typer.Argument(
            help="status: show it. wait: until its probes have said whether the change is good. hold: close it by hand "
            "(and end an override). open: take the hold away, so that its probes decide again. override: open it for "
            "a time, whatever they say.",
        ),
    ] = Action.STATUS,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why, for hold and override; others read it.")] = "",
    lasting: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long an override lasts, as 30m; 0s ends it.")
    ] = "",
    until_open: Annotated[
        bool, typer.Option("--until-open", help="With wait: go on while the gate is closed, until it opens.")
    ] = False,
    notice_seconds: Annotated[
        float,
        typer.Option(
            "--notice",
            min=0,
            help="With wait: give the gate so many seconds to be told of a change that was just made, before what it "
            "says of those before counts. It takes up to a minute, since changes that come together are gathered.",
        ),
    ] = 0.0,
    change_id: Annotated[
        str | None,
        typer.Option("--change", metavar="ID", help="With wait: for what it says of this Change, or a newer one."),
    ] = None,
    timeout_seconds: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            min=0,
            help="Give up after so many seconds: 600 for wait, where 0 is never; 15 for the operator to act.",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show a ChangeGate, wait for it, or open and close it by hand.

    Exit code 0: it is open, or closed where it was to be held. 1: it is not. 3: that is not known, or not in time.
    2: it could not be asked. With wait, unless it is --until-open, the verdict counts too: 1 for Failed, 3 for
    Inconclusive, even where the gate is open.
    """
    given = {
        "--reason": bool(reason),
        "--for": bool(lasting),
        "--until-open": until_open,
        "--notice": bool(notice_seconds),
        "--change": change_id is not None,
        "--timeout": timeout_seconds is not None,
    }
    _check(action, given, reason, lasting)
    if change_id is not None and not is_name(change_id):
        raise typer.BadParameter(f"--change: {change_id!r} is not the name of a Change (chg-…)")
    if action is Action.STATUS:
        doing = _status(name)
    elif action is Action.WAIT:
        limit = WAIT_SECONDS if timeout_seconds is None else timeout_seconds
        told = functools.partial(Told, notice_seconds=notice_seconds, change_id=change_id or "", until_open=until_open)
        doing = _wait(name, told, limit)
    else:
        limit = ACT_SECONDS if timeout_seconds is None else timeout_seconds
        doing = _edit(name, _edit_for(action, reason, lasting), limit)
    try:
        code = asyncio.run(_connected(doing, kubeconfig, context))
    except ApiError as error:
        typer.echo(f"kubeprobe gate: {_explain(error, name)}", err=True)
        raise typer.Exit(USAGE) from error
    except ValidationError as error:
        typer.echo(f"kubeprobe gate: {unknown(error, name)}", err=True)
        raise typer.Exit(USAGE) from error
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)


def _check(action: Action, given: dict[str, bool], reason: str, lasting: str) -> None:
    for option, is_given in given.items():
        if is_given and action not in ALLOWED[option]:
            raise typer.BadParameter(f"{option} is for {' and '.join(sorted(ALLOWED[option]))}, not for {action}")
    if action is Action.OVERRIDE:
        if not lasting:
            raise typer.BadParameter("override needs --for, such as --for 30m; --for 0s ends the one that is there")
        if not reason and _seconds(lasting):
            raise typer.BadParameter("override needs --reason: others read it")
    if action is Action.HOLD and not reason:
        raise typer.BadParameter("hold needs --reason: those who are denied read it")


def _seconds(text: str) -> float:
    try:
        return Duration(text).seconds
    except ValueError as error:
        raise typer.BadParameter(f"--for: {error}") from error


def _edit_for(action: Action, reason: str, lasting: str) -> Edit:
    if action is Action.HOLD:
        # An override goes before a hold; whoever closes the gate means it closed.
        return Edit({"hold": {"reason": reason}, "override": None}, GatePhase.CLOSED)
    if action is Action.OPEN:
        return Edit({"hold": None}, GatePhase.OPEN)
    if not _seconds(lasting):
        return Edit({"override": None}, GatePhase.OPEN)
    try:
        until = Time().now() + timedelta(seconds=_seconds(lasting))
    except OverflowError as error:
        raise typer.BadParameter(f"--for: {lasting} from now is after the year 9999") from error
    return Edit({"override": {"reason": reason, "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}}, GatePhase.OPEN)


async def _connected(doing: Doing, kubeconfig: Path | None, context: str | None) -> int:
    async with await connect(kubeconfig, context) as api:
        return await doing(api)


def _status(name: str) -> Doing:
    async def doing(api: Api) -> int:
        return _shown(await look(api, name))

    return doing


def _wait(name: str, told_since: Callable[[ChangeGate], Told], limit_seconds: float) -> Doing:
    async def doing(api: Api) -> int:
        first = await look(api, name)
        told = told_since(first)
        gate, done = await follow(api, first, told, limit_seconds, console(), Time())
        code = _shown(gate)
        if done and told.unnoticed:
            typer.echo(f"kubeprobe gate: no change was told to {name} meanwhile: this is of those before", err=True)
        if not done:
            typer.echo(f"kubeprobe gate: no answer of {name} to wait for within {limit_seconds:g}s", err=True)
        if not done:
            return UNDECIDED
        return code if told.until_open or code else _judged(gate.status.verdict)

    return doing


def _judged(verdict: GateVerdict) -> int:
    """What the probes say of a change where the gate is open: it also is when they cannot tell, or by an override."""
    return {GateVerdict.PASSED: OPEN, GateVerdict.FAILED: CLOSED}.get(verdict, UNDECIDED)


def _edit(name: str, edit: Edit, limit_seconds: float) -> Doing:
    async def doing(api: Api) -> int:
        written = ChangeGate.model_validate(await api.merge_patch(GATES, None, name, {"spec": edit.patch}))
        gate, done = await follow(api, written, seen_as_written, limit_seconds, console(), Time())
        _shown(gate)
        if not done:
            typer.echo(
                f"kubeprobe gate: it stands in the spec of {name}, and the operator has not acted on it within "
                f"{limit_seconds:g}s; is it running?",
                err=True,
            )
            return UNDECIDED
        return 0 if gate.status.phase is edit.wanted else CLOSED

    return doing


def _shown(gate: ChangeGate) -> int:
    console().print(view(gate, Time().now()))
    if not current(gate):
        return UNDECIDED
    return OPEN if gate.status.phase is GatePhase.OPEN else CLOSED


def _explain(error: ApiError, name: str) -> str:
    if error.not_found and "changegates" in error.message:
        return f"there is no ChangeGate {name!r}; kubectl get changegates lists them"
    return str(error)
