"""`kubeprobe validate`: what an API server and the operator would say to objects, before either sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from kubeprobe.cli.checking import Finding, check
from kubeprobe.cli.manifests import Document, UnreadableError, read, sources

INVALID = 1
UNREADABLE = 2


def validate(
    paths: Annotated[
        list[str],
        typer.Option("--filename", "-f", help="File, folder (with its folders) or - for standard input; repeatable."),
    ],
) -> None:
    """Check ProbeTemplates, ProbeConfigs, ProbeRuns, ProbeResults, ChangeGates and Changes without a cluster.

    Exit code 0: all are valid. 1: some are not. 2: an input cannot be read.
    """
    documents, unreadable = _read(paths)
    findings = check(documents)
    console = Console(soft_wrap=True, highlight=False)
    if console.is_terminal:
        for finding in findings:
            console.print(_pretty(finding))
        console.print(Text(_summary(findings), style="bold"))
    else:
        for line in _plain(findings):
            typer.echo(line)
    for message in unreadable:
        typer.echo(f"kubeprobe validate: {message}", err=True)
    if unreadable:
        raise typer.Exit(UNREADABLE)
    if any(finding.errors for finding in findings):
        raise typer.Exit(INVALID)


def _read(paths: Iterable[str]) -> tuple[list[Document], list[str]]:
    documents: list[Document] = []
    unreadable: list[str] = []
    for path in paths:
        try:
            for source in sources(path):
                documents += _documents(source, unreadable)
        except UnreadableError as error:
            unreadable.append(str(error))
    return documents, unreadable


def _documents(source: str, unreadable: list[str]) -> list[Document]:
    """One file that cannot be read leaves the others to be checked."""
    try:
        return read(source)
    except UnreadableError as error:
        unreadable.append(str(error))
        return []


def _plain(findings: Iterable[Finding]) -> Iterable[str]:
    """Lines that stand for themselves, so that they can be searched and sorted."""
    for finding in findings:
        document = finding.document
        what = f"{document.place}: {document.title}"
        for error in finding.errors:
            yield f"invalid {what}: {error}"
        if not finding.errors:
            yield f"{'skipped' if finding.skipped else 'valid'} {what}{f' ({finding.note})' if finding.note else ''}"


def _pretty(finding: Finding) -> Text:
    document = finding.document
    mark, style = ("✗", "red") if finding.errors else ("-", "dim") if finding.skipped else ("✓", "green")
    text = Text.assemble((f"{mark} {document.title}", style), (f"  {document.place}", "dim"))
    if finding.note:
        text.append(f"  ({finding.note})", "yellow" if not finding.skipped else "dim")
    for error in finding.errors:
        field, colon, rest = error.partition(": ")
        text.append(f"\n    {field}", "bold")
        text.append(f"{colon}{rest}")
    return text


def _summary(findings: list[Finding]) -> str:
    invalid = sum(bool(finding.errors) for finding in findings)
    skipped = sum(finding.skipped for finding in findings)
    return f"{len(findings) - invalid - skipped} valid, {invalid} invalid, {skipped} skipped"
