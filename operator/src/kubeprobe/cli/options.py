"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[Path | None, typer.Option(help="Kubeconfig; else $KUBECONFIG, the pod's own, ~/.kube.")]
Context = Annotated[str | None, typer.Option(help="The kubeconfig's context.")]
