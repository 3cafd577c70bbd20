"""The command `kubeprobe`: nothing but the list of its subcommands, one module each."""

from __future__ import annotations

import typer

from kubeprobe.cli.changes import changes
from kubeprobe.cli.crds import crds
from kubeprobe.cli.gate import gate
from kubeprobe.cli.operator import operator
from kubeprobe.cli.run import run
from kubeprobe.cli.validate import validate

app = typer.Typer(
    name="kubeprobe",
    help="Black-box probing for Kubernetes: what is broken, since when, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(changes)
app.command()(crds)
app.command()(gate)
app.command()(operator)
app.command()(run)
app.command()(validate)


def main() -> None:
    """Run the command line; also as `kubectl kubeprobe`."""
    app()
