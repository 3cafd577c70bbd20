"""kubectl, and waiting for what it shows."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")
POLL_SECONDS = 0.2


class KubectlError(RuntimeError):
    """kubectl ended with an error; the text is its own."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster."""

    binary: Path
    kubeconfig: Path

    def __call__(self, *args: str, stdin: str | None = None, timeout_seconds: float = 60) -> str:
        """Run kubectl; its standard output.

        Raises:
            KubectlError: it ended with an error, or not in time.
        """
        try:
            done = subprocess.run(
                [str(self.binary), *args],
                input=stdin,
                text=True,
                capture_output=True,
                timeout=timeout_seconds,
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {' '.join(args)}: no answer within {timeout_seconds:.0f}s") from error
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects on the server's side."""
        text = yaml.safe_dump_all([dict(one) for one in objects])
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object; None when there is none."""
        where = ["-n", namespace] if namespace else []
        try:
            found: dict[str, Any] = json.loads(self("get", kind, name, *where, "-o", "json"))
        except KubectlError as error:
            if "NotFound" in str(error):
                return None
            raise
        return found

    def list(self, kind: str, namespace: str = "", *args: str, timeout_seconds: float = 60) -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all."""
        where = ["-n", namespace] if namespace else ["-A"]
        text = self("get", kind, *where, *args, "-o", "json", timeout_seconds=timeout_seconds)
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items

    def delete(self, kind: str, name: str, namespace: str = "", *args: str) -> None:
        """Delete an object and wait until it is gone; none is as well."""
        where = ["-n", namespace] if namespace else []
        self("delete", kind, name, *where, "--ignore-not-found", *args)


def eventually(
    what: str,
    look: Callable[[], T | None],
    timeout_seconds: float,
    describe: Callable[[], object] = lambda: "",
    poll_seconds: float = POLL_SECONDS,
) -> T:
    """Look again and again until there is something to see.

    Args:
        what: what is waited for, for the error.
        look: returns what was waited for, or something false.
        timeout_seconds: how long to wait at most.
        describe: the state to show when the wait was in vain.
        poll_seconds: from one look to the next.

    Raises:
        AssertionError: it did not come in time.
    """
    end = time.monotonic() + timeout_seconds
    while True:
        try:
            found = look()
        except KubectlError:
            if time.monotonic() > end:
                raise
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout_seconds:.0f}s; {describe()}")
        time.sleep(poll_seconds)
