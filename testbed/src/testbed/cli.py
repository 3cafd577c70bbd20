"""The command `testbed`: every verb is a line or two over the testbed as a program uses it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from testbed.cluster import Testbed
from testbed.errors import TestbedError
from testbed.layout import cache_root
from testbed.progress import Durations, Progress
from testbed.providers import ProviderKind

app = typer.Typer(
    help="A real Kubernetes on one Linux machine, to test and break.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cni = typer.Typer(help="Take a node's CNI configuration away, and bring it back.", no_args_is_help=True)
app.add_typer(cni, name="cni")

Name = Annotated[str, typer.Option("--name", help="The testbed's name.", envvar="TESTBED_NAME")]
Component = Annotated[str, typer.Argument(help="Such as etcd or node-2/kubelet: see `testbed status`.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="Such as node-2.")]
DEFAULT = "kubeprobe"
ETCD_SECRET = "kubeprobe-etcd-client"  # noqa: S105 - a name


@app.command()
def up(
    nodes: Annotated[int | None, typer.Option(help="How many nodes; 2 unless told.")] = None,
    alone: Annotated[bool, typer.Option("--control-plane-only", help="etcd and API server, without root.")] = False,
    provider: Annotated[ProviderKind | None, typer.Option(help="Instead of the one that is found.")] = None,
    context: Annotated[str, typer.Option(help="Use the cluster of this kubeconfig context as it is.")] = "",
    registry: Annotated[str, typer.Option(help="With an existing cluster: where its nodes pull from.")] = "",
    name: Name = DEFAULT,
) -> None:
    """Bring the testbed up, building what is not built; on one that is up, mend whatever is broken."""
    console = Console(stderr=True)
    bed = Testbed.open(name)
    wanted = ProviderKind.CONTROL_PLANE if alone else provider
    progress = Progress(console, Durations(cache_root() / "durations.json"))
    try:
        bed.up(nodes, provider=wanted, context=context, registry=registry, progress=progress)
    except KeyboardInterrupt:
        console.print("interrupted: `testbed up` goes on from here, `testbed down` takes away what was started")
        raise typer.Exit(130) from None
    record = bed.record
    console.print(
        f"testbed {name!r} is up: {record.provider if record else ''} ({record.reason if record else ''})",
        soft_wrap=True,
    )
    sys.stdout.write(f"export KUBECONFIG={shlex.quote(str(bed.kubeconfig))}\n")


@app.command()
def down(name: Name = DEFAULT) -> None:
    """End the testbed and take away all that it made; what was built stays in the cache."""
    Testbed.open(name).down()


@app.command()
def status(
    name: Name = DEFAULT,
    output: Annotated[str, typer.Option("--output", "-o", help="`table` or `json`.")] = "table",
) -> None:
    """Every component and what it is doing; exit code 1 if it is not up, or if one ended by itself."""
    bed = Testbed.open(name)
    record = bed.record
    states = bed.components() if record else {}
    if output == "json":
        summary = {"name": name, "provider": record.provider if record else None, "components": states}
        sys.stdout.write(json.dumps(summary) + "\n")
    elif not states:
        what = f"is up: {record.provider} ({record.reason}), with no component of ours" if record else "is not up"
        sys.stdout.write(f"testbed {name!r} {what}\n")
    elif record:
        table = Table("component", "state", "log", title=f"{name}: {record.provider} ({record.reason})")
        for component, state in states.items():
            table.add_row(component, state.value, str(bed.log_path(component)))
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    raise typer.Exit(0 if record and "dead" not in states.values() else 1)


@app.command()
def logs(
    component: Component,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added.")] = False,
    lines: Annotated[int, typer.Option("--tail", help="How many lines from the end.")] = 100,
    name: Name = DEFAULT,
) -> None:
    """A component's log."""
    path = Testbed.open(name).log_path(component)
    subprocess.run(["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), str(path)], check=False)


@app.command()
def kubeconfig(
    content: Annotated[bool, typer.Option("--content", help="The file's content instead of its path.")] = False,
    name: Name = DEFAULT,
) -> None:
    """The path of the administrator's kubeconfig."""
    bed = Testbed.open(name)
    bed.environment()
    sys.stdout.write(bed.kubeconfig.read_text() if content else f"{bed.kubeconfig}\n")


@app.command()
def env(name: Name = DEFAULT) -> None:
    """Shell lines that make kubectl and helm use this testbed: `eval "$(testbed env)"`."""
    for variable, value in Testbed.open(name).environment().items():
        sys.stdout.write(f"export {variable}={shlex.quote(value)}\n")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, name: Name = DEFAULT) -> None:
    """Run a command with that environment: `testbed run -- kubectl get nodes`."""
    if not context.args:
        raise TestbedError("name a command: testbed run -- kubectl get nodes")
    environment = {**os.environ, **Testbed.open(name).environment()}
    raise typer.Exit(subprocess.run(context.args, env=environment, check=False).returncode)


@app.command()
def stop(
    component: Component,
    flush: Annotated[bool, typer.Option("--flush", help="With a kube-proxy: remove the rules it wrote, too.")] = False,
    name: Name = DEFAULT,
) -> None:
    """End a component; it stays stopped until it is started."""
    Testbed.open(name).stop(component, flush=flush)


@app.command()
def start(component: Component, name: Name = DEFAULT) -> None:
    """Start a component again as it was."""
    Testbed.open(name).start(component)


@app.command()
def freeze(component: Component, name: Name = DEFAULT) -> None:
    """Hold a component still (SIGSTOP): it answers nothing, and its connections stay open."""
    Testbed.open(name).freeze(component)


@app.command()
def thaw(component: Component, name: Name = DEFAULT) -> None:
    """Let a frozen component go on."""
    Testbed.open(name).thaw(component)


@app.command()
def partition(node: NodeName, name: Name = DEFAULT) -> None:
    """Cut a node off the network."""
    Testbed.open(name).partition(node)


@app.command()
def heal(node: NodeName, name: Name = DEFAULT) -> None:
    """Connect it again."""
    Testbed.open(name).heal(node)


@cni.command("remove")
def cni_remove(node: NodeName, name: Name = DEFAULT) -> None:
    """Take it away: new pods get no network, and the node turns NotReady."""
    Testbed.open(name).cni_remove(node)


@cni.command("restore")
def cni_restore(node: NodeName, name: Name = DEFAULT) -> None:
    """Write it anew."""
    Testbed.open(name).cni_restore(node)


@app.command()
def exhaust_addresses(node: NodeName, name: Name = DEFAULT) -> None:
    """Take all free pod addresses of a node."""
    sys.stdout.write(f"{Testbed.open(name).exhaust_addresses(node)} addresses taken\n")


@app.command()
def restore_addresses(node: NodeName, name: Name = DEFAULT) -> None:
    """Give them back."""
    sys.stdout.write(f"{Testbed.open(name).restore_addresses(node)} addresses given back\n")


@app.command()
def build(
    context: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The build's folder.")],
    tag: Annotated[str, typer.Option("--tag", "-t", help="The image's name, registry first.")],
    file: Annotated[Path | None, typer.Option("--file", "-f", exists=True, help="The Dockerfile.")] = None,
    target: Annotated[str, typer.Option(help="The stage to build.")] = "",
    build_arg: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; BASE is our Python base unless told.")
    ] = None,
    name: Name = DEFAULT,
) -> None:
    """Build an image."""
    pairs = [each.partition("=") for each in build_arg or []]
    arguments = {key: value for key, _, value in pairs}
    Testbed.open(name).build(context, tag=tag, dockerfile=file, target=target, build_args=arguments)


@app.command()
def push(tag: str, name: Name = DEFAULT) -> None:
    """Push a built image to where the nodes pull it from."""
    Testbed.open(name).push(tag)


@app.command()
def base_image(name: Name = DEFAULT) -> None:
    """Make and push the Python base image, and print its name."""
    sys.stdout.write(f"{Testbed.open(name).base_image()}\n")


@app.command()
def etcd_secret(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where the Secret is put.")],
    secret_name: Annotated[str, typer.Option(help="The Secret's name.")] = ETCD_SECRET,
    name: Name = DEFAULT,
) -> None:
    """Give a namespace a client certificate for the cluster's etcd, as a Secret."""
    Testbed.open(name).etcd_secret(namespace, secret_name)


def main() -> None:
    """Run the command; what a user can act on is told in one line, without a stack."""
    try:
        app(standalone_mode=True)
    except TestbedError as error:
        sys.stderr.write(f"testbed: {error}\n")
        sys.exit(1)
