"""The lab: the testbed's cluster with kubeprobe installed from its chart, and the five cases registered."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed import Testbed
from tests.lab.images import ROOT, Images, build
from tests.lab.kubectl import Kubectl, eventually

NAMESPACE = "kubeprobe-system"
PROBES = "probes"
RELEASE = "kubeprobe"
CASES = ("pod_lifecycle", "deployment_lifecycle", "etcd_crud", "cert_expiry", "rate_limit")
PLACEHOLDER = "kubeprobe/probes:"


@dataclass(frozen=True)
class Lab:
    """A cluster with kubeprobe in it."""

    testbed: Testbed
    kubectl: Kubectl
    images: Images

    @staticmethod
    def open(testbed: Testbed) -> Lab:
        """The lab on a running testbed, its images built; `install` puts kubeprobe in."""
        return Lab(testbed, Kubectl(testbed.bin_dir / "kubectl", testbed.kubeconfig), build(testbed))

    def install(self, *options: str) -> None:
        """Install or upgrade the chart and wait until the operator is ready."""
        self.helm(
            "upgrade", "--install", RELEASE, str(ROOT / "charts" / "kubeprobe"), "--namespace", NAMESPACE,
            "--create-namespace", "--set", f"image.repository={self.images.repository}/operator",
            "--set", f"image.tag={self.images.tag}", "--wait", "--timeout", "180s", *self._placed(), *options,
        )  # fmt: skip

    def _placed(self) -> tuple[str, ...]:
        """Faults hit the last node and are about probes, so both replicas are put on the first."""
        node = self.testbed.nodes[0]
        return ("--set", f"nodeSelector.kubernetes\\.io/hostname={node}")

    def uninstall(self) -> None:
        """Remove everything that the lab put in."""
        self.kubectl.delete("namespace", PROBES)
        self.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        self.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe", "--ignore-not-found")
        self.kubectl.delete("namespace", NAMESPACE)

    def helm(self, *args: str) -> str:
        """Run helm against the cluster."""
        done = subprocess.run(
            [str(self.testbed.bin_dir / "helm"), "--kubeconfig", str(self.testbed.kubeconfig), *args],
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"helm {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def register(self, cases: Iterable[str] = CASES) -> None:
        """Make the probes' namespace, and register cases with their accounts and rights."""
        self.namespace(PROBES)
        files = [ROOT / "probes" / case / name for case in cases for name in ("template.yaml", "rbac.yaml")]
        self.kubectl.apply(*(one for file in files for one in self.manifests(file)))

    def manifests(self, path: Path) -> list[dict[str, Any]]:
        """The objects of a file, with the case library's image where this cluster pulls it."""
        found = [one for one in yaml.safe_load_all(path.read_text()) if one]
        for one in found:
            spec = one.get("spec") or {}
            if str(spec.get("image", "")).startswith(PLACEHOLDER):
                spec["image"] = self.images.reference("probes")
        return found

    def namespace(self, name: str, **labels: str) -> None:
        """Create a namespace that holds pods to the restricted standard."""
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "labels": {"pod-security.kubernetes.io/enforce": "restricted", **labels},
                },
            }
        )

    def config(self, name: str, template: str, namespace: str = PROBES, **spec: Any) -> None:
        """Apply a ProbeConfig."""
        self.kubectl.apply(
            {
                "apiVersion": "kubeprobe.io/v1alpha1",
                "kind": "ProbeConfig",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"templateRef": {"name": template}, **spec},
            }
        )

    def result(self, name: str, namespace: str = PROBES) -> Mapping[str, Any]:
        """The status of a ProbeResult, empty while there is none."""
        found = self.kubectl.get("proberesult", name, namespace)
        return (found or {}).get("status") or {}

    def verdict(
        self, name: str, verdict: str, timeout_seconds: float, namespace: str = PROBES, text: str = ""
    ) -> Mapping[str, Any]:
        """Wait until a probe has a verdict whose message contains a text; its status then."""

        def look() -> Mapping[str, Any] | None:
            status = self.result(name, namespace)
            named = text.lower() in str(status.get("message", "")).lower()
            return status if status.get("verdict") == verdict and named else None

        return eventually(f"{name} {verdict} {text!r}", look, timeout_seconds, lambda: self.result(name, namespace))
