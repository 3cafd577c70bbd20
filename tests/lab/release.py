"""The transcript of a bad release behind a gate, as somebody at a terminal sees it: `python -m tests.lab.release`."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from testbed import Testbed
from testbed.providers import ProviderKind
from tests.lab.cart import CART
from tests.lab.changes import SOON_SECONDS, told
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import Lab
from tests.lab.shop import PROBE, Shop


class Terminal:
    """Runs commands and shows them with what they say, refusals too.

    Args:
        lab: where.
        folder: where files are that commands name.
        out: takes a line.
    """

    def __init__(self, lab: Lab, folder: Path, out: Callable[[str], Any] = print) -> None:
        self._lab = lab
        self._folder = folder
        self._out = out

    def kubectl(self, *args: str) -> None:
        """Run kubectl."""
        self._out(f"$ kubectl {shlex.join(args)}")
        try:
            said = self._lab.kubectl(*args, timeout_seconds=SOON_SECONDS + 10)
        except KubectlError as error:
            said = str(error).partition(": ")[2]
        self._out(said.rstrip() + "\n")

    def apply(self, shop: Shop, image: str, number: str) -> None:
        """Write a release into a file, and apply it."""
        path = self._folder / f"{CART}-{number}.yaml"
        path.write_text(yaml.safe_dump(shop.manifest(image, number)))
        self.kubectl("apply", "--server-side", "-f", str(path))

    def story(self, change: str) -> None:
        """Have a Change's story told."""
        self._out(f"$ kubeprobe changes {change}")
        self._out(told(self._lab, change).rstrip() + "\n")


def main() -> int:
    """Bring up the lab, and show it."""
    testbed = Testbed.open()
    testbed.up(provider=ProviderKind.NATIVE)
    lab = Lab.open(testbed)
    lab.install()
    shop = Shop(lab)
    try:
        shop.open()
        with tempfile.TemporaryDirectory() as folder:
            show(shop, Terminal(lab, Path(folder)))
    finally:
        shop.close()
    return 0


def show(shop: Shop, terminal: Terminal) -> None:
    """A good release, a bad one, what is refused then, and the way back."""
    gate, cart, here = f"changegate/{shop.gate}", f"deployment/{CART}", ("-n", shop.namespace)
    terminal.apply(shop, shop.good, "2")
    shop.becomes("Open", "Verified")
    terminal.kubectl("get", gate)
    terminal.apply(shop, shop.bad, "3")
    shop.becomes("Closed", "ProbeFailed")
    bad = shop.change(1)["metadata"]["name"]
    terminal.kubectl("get", "pods", *here, "-o", "wide")
    terminal.kubectl("get", "proberuns", "-n", shop.watch, "-l", f"kubeprobe.io/change={bad}", "-o", "wide")
    terminal.kubectl("get", "proberesult", PROBE, "-n", shop.watch)
    terminal.kubectl("get", gate)
    terminal.apply(shop, shop.next, "4")
    terminal.kubectl("scale", cart, *here, "--replicas=2")
    eventually("the good images are remembered", shop.remembered, SOON_SECONDS, shop.status)
    terminal.kubectl("rollout", "undo", cart, *here)
    terminal.kubectl("wait", "--for=condition=Open", gate, f"--timeout={SOON_SECONDS:.0f}s")
    terminal.kubectl("get", gate)
    shop.change(2)
    terminal.story(bad)


if __name__ == "__main__":
    sys.exit(main())
