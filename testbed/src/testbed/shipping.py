"""Build images and bring them to a testbed's nodes, each provider by its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from testbed.errors import TestbedError
from testbed.images import Images
from testbed.layout import REGISTRY
from testbed.machine import run
from testbed.providers import Kind, ProviderKind, container_engine


@dataclass(frozen=True)
class Shipping:
    """The way of one testbed."""

    provider: ProviderKind
    kind: Kind
    say: Callable[[str], None]

    def build(
        self, context: Path, *, tag: str, dockerfile: Path | None, target: str, build_args: Mapping[str, str]
    ) -> None:
        """Build a Dockerfile: with buildah and our own base natively, else with the engine that answers."""
        if self.provider is ProviderKind.NATIVE:
            Images(self.say).build(context, tag=tag, dockerfile=dockerfile, target=target, build_args=build_args)
            return
        argv = [_engine(), "build", "--tag", tag, "--file", str(dockerfile or context / "Dockerfile")]
        argv += ["--target", target] if target else []
        argv += [word for name, value in build_args.items() for word in ("--build-arg", f"{name}={value}")]
        run([*argv, str(context)], timeout_seconds=1800)

    def push(self, tag: str) -> None:
        """Bring a built image to where the nodes find it."""
        if self.provider is ProviderKind.NATIVE:
            Images(self.say).push(tag)
        elif self.provider is ProviderKind.KIND:
            self.kind.load(tag)
        else:
            run([_engine(), "push", tag], timeout_seconds=900)

    def has(self, reference: str) -> bool:
        """Whether our registry has an image; of other registries it is not known."""
        if self.provider is not ProviderKind.NATIVE:
            return False
        name, _, tag = reference.removeprefix(f"{REGISTRY}/").rpartition(":")
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        try:
            answer = httpx.head(f"http://{REGISTRY}/v2/{name}/manifests/{tag}", headers=accept, trust_env=False)
        except httpx.TransportError as error:
            raise TestbedError(f"the registry {REGISTRY} does not answer ({error}): `testbed up` mends it") from error
        return answer.status_code == httpx.codes.OK


def _engine() -> str:
    engine = container_engine()
    if not engine:
        raise TestbedError("neither docker nor podman answers: images for this cluster are built and pushed with them")
    return engine
