"""What several commands have: options, and an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[Path | None, typer.Option(help="Kubeconfig; else $KUBECONFIG, the pod's own, ~/.kube.")]
Context = Annotated[str | None, typer.Option(help="The kubeconfig's context.")]
USAGE = 2
"""The exit code of a command that could not ask the cluster, or was used wrongly."""
