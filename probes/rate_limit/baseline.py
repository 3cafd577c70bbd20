"""Print the cluster's flow schemas and priority levels as a baseline: a ConfigMap to keep in version control.

python -m rate_limit.baseline [--name NAME] [--namespace NAMESPACE] [--skip NAME]… > baseline.yaml
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence

import yaml

from cluster.api import Api
from cluster.words import Object
from probe_sdk import ProbeFailure
from rate_limit.compare import is_ignored
from rate_limit.objects import GROUP_VERSION, RESOURCES, Key

NAME = "rate-limit-baseline"


def config_map(items: Iterable[tuple[str, Object]], name: str, namespace: str, skipped: Sequence[str] = ()) -> Object:
    """The ConfigMap: one key for each object, with what somebody decided and nothing that the server did."""
    data = {
        f"{kind}.{item['metadata']['name']}": yaml.safe_dump(_decided(kind, item), sort_keys=False)
        for kind, item in items
        if not is_ignored(Key(kind, item["metadata"]["name"]), skipped)
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def _decided(kind: str, item: Object) -> Object:
    return {
        "apiVersion": GROUP_VERSION,
        "kind": kind,
        "metadata": {"name": item["metadata"]["name"]},
        "spec": item["spec"],
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that a change of the baseline is readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render(manifest: Object) -> str:
    """The ConfigMap as YAML."""
    return str(yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120))


async def read_live() -> list[tuple[str, Object]]:
    """Every object of both kinds."""
    async with Api.connect() as api:
        return [(kind, item) for kind, resource in RESOURCES.items() for item in (await api.list(resource))[0]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m rate_limit.baseline", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--name", default=NAME, help="name of the ConfigMap (default: %(default)s)")
    parser.add_argument("--namespace", default="probes", help="its namespace (default: %(default)s)")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="leave these out; * and ? allowed")
    chosen = parser.parse_args(arguments)
    try:
        items = asyncio.run(read_live())
    except ProbeFailure as failure:
        print(*failure.errors, sep="\n", file=sys.stderr)
        return 1
    sys.stdout.write(render(config_map(items, chosen.name, chosen.namespace, chosen.skip)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
