"""`make demo`: a cluster, kubeprobe and five probes in it; then two faults, found, named and mended as you watch."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from testbed import Testbed, TestbedError
from testbed.providers import ProviderKind
from tests.lab.faults import BROKEN_NODE, NODE_PROBE, install_probes, stopped
from tests.lab.images import ROOT
from tests.lab.kubectl import KubectlError
from tests.lab.lab import CASES, NAMESPACE, PROBES, Lab
from tests.lab.stutter import stuttering

PATIENCE_SECONDS = 240.0
REFRESH_SECONDS = 1.0
COLOURS = {"Passed": "green", "Failed": "bold red", "Unknown": "yellow"}
ETCD_PROBE = "etcd-crud"


class Stage:
    """What the reader sees: a line that says what is going on, and under it the results as they are."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._console = console

    def wait(self, title: str, reached: Callable[[dict[str, Any]], bool]) -> None:
        """Show the results until they are as wished.

        Raises:
            TimeoutError: they did not become so.
        """
        began = time.monotonic()
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            results: dict[str, Any] = {}
            while not reached(results):
                waited = time.monotonic() - began
                if waited > PATIENCE_SECONDS:
                    self._console.print(table(results))
                    raise TimeoutError(f"{title}: not within {PATIENCE_SECONDS:.0f}s")
                results = self.results() or results
                live.update(Group(Text(f"{title} ({waited:.0f}s)", style="bold"), table(results)), refresh=True)
                time.sleep(REFRESH_SECONDS)
        self._console.print(Text(f"{title}: {time.monotonic() - began:.0f}s", style="bold"))
        self._console.print(table(results))

    def results(self) -> dict[str, Any]:
        """All results by name; empty while the API server does not answer."""
        try:
            found = self._lab.kubectl.list("proberesults", PROBES)
        except (KubectlError, OSError):
            return {}
        return {one["metadata"]["name"]: one.get("status", {}) for one in found}


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--remove", action="store_true", help="remove everything that a demo left, and the cluster")
    console = Console()
    try:
        if parser.parse_args().remove:
            Testbed.open().down()
            return 0
        show(console)
    except KeyboardInterrupt:
        console.print("\ninterrupted; the cluster stays up: [b]make demo ARGS=--remove[/b] takes it away")
        return 130
    except TestbedError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except TimeoutError as error:
        console.print(f"[red]{error}[/red]; kubectl -n {NAMESPACE} logs deployment/kubeprobe tells more")
        return 1
    return 0


def show(console: Console) -> None:
    """All of it."""
    testbed = Testbed.open()
    console.rule("a cluster")
    testbed.up(provider=ProviderKind.NATIVE)
    console.rule("kubeprobe")
    with console.status("building two images, installing the chart"):
        lab = Lab.open(testbed)
        lab.install()
        prepare(lab)
    stage = Stage(lab, console)
    console.rule("five probes")
    stage.wait("every probe has its first verdict", lambda results: len(results) >= 6 and all_green(results))
    console.rule("etcd becomes slow (its process is stopped for 0.8 s out of every second)")
    fault(stage, stuttering(testbed, "etcd", 0.8, 0.2), ETCD_PROBE)
    console.rule(f"the kubelet of {BROKEN_NODE} stops")
    fault(stage, stopped(testbed, f"{BROKEN_NODE}/kubelet"), NODE_PROBE)
    console.print(Panel(farewell(lab), title="what to try next", expand=False))


def prepare(lab: Lab) -> None:
    """Register the cases and apply a config of each."""
    lab.register()
    lab.testbed.etcd_secret(PROBES)
    install_probes(lab)
    for case in CASES:
        if "lifecycle" not in case:
            lab.kubectl.apply(*lab.manifests(ROOT / "probes" / case / "config.yaml"))


def fault(stage: Stage, broken: AbstractContextManager[None], probe: str) -> None:
    """Break something, see the verdict turn; mend it, see it turn back."""
    with broken:
        stage.wait(f"{probe} turns Failed", lambda results: results.get(probe, {}).get("verdict") == "Failed")
    stage.wait("mended; everything is green again", all_green)


def all_green(results: dict[str, Any]) -> bool:
    """Whether every probe has passed."""
    return bool(results) and all(status.get("verdict") == "Passed" for status in results.values())


def table(results: dict[str, Any]) -> Table:
    """The results as a table."""
    shown = Table("PROBE", "VERDICT", "SINCE", "MESSAGE", expand=True)
    for name, status in sorted(results.items()):
        verdict = status.get("verdict", "")
        shown.add_row(
            name, Text(verdict, style=COLOURS.get(verdict, "")), age(status.get("since")), status.get("message", "")
        )
    return shown


def age(since: str | None) -> str:
    """How long ago, in one unit."""
    if since is None:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
    return f"{max(seconds, 0):.0f}s" if seconds < 120 else f"{seconds / 60:.0f}m"


def farewell(lab: Lab) -> str:
    """What a reader does next."""
    return "\n".join(
        [
            'eval "$(.venv/bin/testbed env)"; export PATH="$PWD/.venv/bin:$PATH"',
            "kubectl get kubeprobe -A                        # every object",
            f"kubectl -n {PROBES} get proberesults -w           # the answers as they turn",
            f"kubectl -n {PROBES} get proberuns                 # the records",
            f"kubeprobe run {NODE_PROBE} -n {PROBES} --wait     # one run now",
            "kubectl explain probeconfig.spec.schedule       # the reference manual",
            "",
            "make demo ARGS=--remove                         # take it all away",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
