"""A resident prober as it is seen from outside: its config, its pods, their pages, and what its answer is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from kubeprobe.plan.found import LABEL_RESIDENT
from kubeprobe.plan.prober import PAGE_PORT
from kubeprobe.plan.resident_word import read_log
from probe_sdk.samples import LOG_MARK, LogLine
from probe_sdk.wire import LABEL_CONFIG
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.lab import NAMESPACE, PROBES, RELEASE, Lab

VERDICTS, COUNTS = "kubeprobe_target_verdict", "kubeprobe_probes_total"
OPERATOR_PAGE = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}:http/proxy/metrics"
"""Of the replica that leads."""
SOON_SECONDS = 120.0


@dataclass(frozen=True)
class ProberPod:
    """One life of a prober."""

    name: str
    uid: str
    restarts: int


@dataclass(frozen=True)
class Page:
    """What a page for Prometheus says of targets, be it a prober's or the operator's."""

    families: tuple[Metric, ...]

    def verdicts(self, namespace: str) -> dict[tuple[str, str], float]:
        """By config and target: 1 Passed, 0 Failed, -1 Unknown."""
        return {key: value for key, _, value in self._of(VERDICTS, namespace)}

    def counts(self, namespace: str, outcome: str) -> dict[tuple[str, str], float]:
        """By config and target: how many probes ended so."""
        return {key: value for key, labels, value in self._of(COUNTS, namespace) if labels["outcome"] == outcome}

    def _of(self, name: str, namespace: str) -> Iterator[tuple[tuple[str, str], Mapping[str, str], float]]:
        for one in (sample for family in self.families for sample in family.samples):
            if one.name == name and one.labels["namespace"] == namespace:
                yield (one.labels["config"], one.labels["target"]), one.labels, one.value


def read_page(kubectl: Kubectl, path: str) -> Page:
    """A page, by the API server; of what it has, the verdicts and the counts alone."""
    lines = kubectl("get", "--raw", path).splitlines()
    text = "".join(f"{line}\n" for line in lines if line.startswith((VERDICTS, COUNTS)))
    return Page(tuple(text_string_to_metric_families(text)))


@dataclass(frozen=True)
class Prober:
    """A config in mode Resident."""

    lab: Lab
    name: str
    template: str
    namespace: str = PROBES

    def ask(
        self, targets: Mapping[str, Mapping[str, Any]], resident: Mapping[str, Any] | None = None, **spec: Any
    ) -> None:
        """Apply the config.

        Args:
            targets: the parameters of each target, by the target's name.
            resident: the rest of `spec.resident`; once a second, if it does not say.
            spec: the rest of `spec`.
        """
        static = [{"name": name, "params": dict(params)} for name, params in targets.items()]
        whole = {"interval": "1s", **(resident or {}), "targets": {"static": static}}
        self.lab.config(self.name, self.template, self.namespace, mode="Resident", resident=whole, **spec)

    def remove(self) -> None:
        """Delete the config; all that it owns goes with it, a little later."""
        self.lab.kubectl.delete("probeconfig", self.name, self.namespace)

    def status(self) -> Mapping[str, Any]:
        """The answer now."""
        return self.lab.result(self.name, self.namespace)

    def comes_to(self, verdict: str, text: str = "", source: str = "Intake") -> Mapping[str, Any]:
        """Wait for a verdict whose message has a text, and that came this way; the answer then."""

        def look() -> Mapping[str, Any] | None:
            status = self.status()
            said = (status.get("verdict"), status.get("resident", {}).get("source"))
            return status if said == (verdict, source) and text in status.get("message", "") else None

        return eventually(f"{self.name} {verdict} {text!r} by {source}", look, SOON_SECONDS, self.status)

    def pods(self) -> list[ProberPod]:
        """Its pods, but for those that are about to go."""
        selector = f"{LABEL_CONFIG}={self.name},{LABEL_RESIDENT}"
        found = self.lab.kubectl.list("pods", self.namespace, "-l", selector)
        return [_read(one) for one in found if "deletionTimestamp" not in one["metadata"]]

    def pod(self) -> ProberPod:
        """Its only pod."""
        (pod,) = self.pods()
        return pod

    def page(self, pod: ProberPod) -> Page:
        """A pod's own page."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}:{PAGE_PORT}/proxy/metrics"
        return read_page(self.lab.kubectl, path)

    def verdicts(self, pod: ProberPod) -> dict[str, float]:
        """By target, as a pod's page has it: 1 Passed, 0 Failed, -1 Unknown."""
        return {target: value for (_, target), value in self.page(pod).verdicts(self.namespace).items()}

    def counts(self, pod: ProberPod, outcome: str) -> dict[str, float]:
        """How many of each target's probes ended so, as a pod's page has it."""
        return {target: value for (_, target), value in self.page(pod).counts(self.namespace, outcome).items()}

    def last_word(self, pod: ProberPod) -> LogLine | None:
        """The last word in a pod's log."""
        return read_log(self.log(pod))

    def messages(self, pod: ProberPod) -> int:
        """How many messages it has sent, by its last word; messages of one second share a line of the log."""
        word = self.last_word(pod)
        return word.sequence if word else 0

    def log(self, pod: ProberPod) -> list[str]:
        """The words in a pod's log."""
        lines = self.lab.kubectl("logs", pod.name, "-n", self.namespace).splitlines()
        return [line for line in lines if line.startswith(LOG_MARK)]


def _read(pod: Mapping[str, Any]) -> ProberPod:
    containers = pod.get("status", {}).get("containerStatuses", ())
    return ProberPod(pod["metadata"]["name"], pod["metadata"]["uid"], sum(one["restartCount"] for one in containers))
