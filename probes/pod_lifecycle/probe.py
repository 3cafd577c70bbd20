"""Create a pod, follow it through every step of its life, ask it once, and remove it.

Each step is timed. A step that does not come is told with the reason that the cluster itself gives (scheduler,
kubelet, runtime, CNI plugin, registry) and with what to look at.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pydantic import Field, field_validator

from cluster.api import PODS, Api
from cluster.explain import behind_silence, in_step, late, newest, pod_state
from cluster.limits import CLEANUP_SECONDS, Allowance, Limits, Stopwatch, refuse_unknown_steps
from cluster.reach import NotReachedError, fetch_within
from cluster.subject import Subject, SubjectParams, plan_subject
from cluster.watch import Watch
from cluster.words import Object, condition, first_container, node_name
from probe_sdk import Probe, ProbeFailure, attribute, owned, params, step

STEP_SECONDS = {"create": 10, "scheduled": 10, "running": 20, "ready": 10, "serve": 5, "delete": 10, "gone": 15}
GONE_BY = "somebody else removed the pod in the middle of the run"


class Params(SubjectParams):
    """What may be chosen about the pod and about how long its steps may take."""

    limits: dict[str, params.Duration] = Field(
        {}, description=f"Longest time of a step ({', '.join(STEP_SECONDS)}), where it shall not be the usual one."
    )

    @field_validator("limits")
    @classmethod
    def _known_steps(cls, limits: dict[str, params.Duration]) -> dict[str, params.Duration]:
        refuse_unknown_steps(limits, STEP_SECONDS)
        return limits


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """One life of one pod."""
    async with Api.connect() as api:
        subject = await plan_subject(api, p, "pod-lifecycle")
        fields = f"metadata.name={subject.name}"
        async with Watch.open(api, PODS, api.config.namespace, fields=fields) as watch:
            await Lifecycle(api, watch, subject, Limits(STEP_SECONDS, p.limits)).run()


def scheduled(pod: Object) -> bool:
    """The scheduler has bound it to a node."""
    return bool(node_name(pod))


def running(pod: Object) -> bool:
    """Its container runs."""
    return "running" in first_container(pod).get("state", {})


def ready(pod: Object) -> bool:
    """Its kubelet calls it ready."""
    return condition(pod, "Ready").get("status") == "True"


def hopeless(pod: Object) -> bool:
    """It will never come to run: waiting longer only makes the verdict late."""
    waiting = first_container(pod).get("state", {}).get("waiting", {}).get("reason")
    return pod.get("status", {}).get("phase") == "Failed" or waiting in ("InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Lifecycle:
    """The steps in their order."""

    api: Api
    watch: Watch
    subject: Subject
    limits: Limits

    async def run(self) -> None:
        """All steps; whatever happens, the pod is removed."""
        try:
            with step("create"):
                await self._create()
            pod = await self._follow("scheduled", scheduled)
            attribute("node", node_name(pod))
            await self._follow("running", running)
            pod = await self._follow("ready", ready)
            with step("serve"):
                await self._serve(pod)
            with step("delete"):
                await self._delete()
            with step("gone"):
                await self._gone()
        except BaseException:
            await self._clean_up()
            raise

    async def _create(self) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.subject.name, "namespace": self.api.config.namespace},
            "spec": {**self.subject.pod_spec(readiness_probe=False), "restartPolicy": "Never"},
        }
        try:
            await self.api.create(PODS, self.api.config.namespace, owned(manifest))
        except ProbeFailure as error:
            raise in_step("create", error) from error

    async def _follow(self, name: str, reached: Callable[[Object], bool]) -> Object:
        """Wait until the pod has come this far."""
        with step(name):
            allowed, watch = self.limits.allow(name), Stopwatch()
            try:
                await self.watch.until(lambda _: self._settled(reached), allowed.seconds)
            except TimeoutError:
                raise await self._explain(name, allowed) from None
            pod = self.watch.objects.get(self.subject.name)
            if pod is None or not reached(pod):
                raise await self._explain(name, Allowance(watch.seconds()))
            return pod

    def _settled(self, reached: Callable[[Object], bool]) -> bool | None:
        pod = self.watch.objects.get(self.subject.name)
        if pod is None:
            return self.subject.name in self.watch.deleted or None
        return reached(pod) or hopeless(pod) or None

    async def _explain(self, name: str, allowed: Allowance) -> ProbeFailure:
        try:
            pod = await newest(self.api, PODS, self.subject.name)
        except ProbeFailure as error:
            return in_step(name, error)
        if pod is None:
            return ProbeFailure(f"{name}: {GONE_BY}")
        return late(name, allowed, str(await pod_state(self.api, pod)))

    async def _serve(self, pod: Object) -> None:
        address = pod["status"]["podIP"]
        try:
            await fetch_within(address, self.subject.port, self.limits.allow("serve").seconds)
        except NotReachedError as error:
            raise ProbeFailure(
                f"serve: pod {self.subject.name} on {node_name(pod)} does not answer on "
                f"{address}:{self.subject.port}: {error}; look at {behind_silence(pod, str(error))}"
            ) from error

    async def _delete(self) -> None:
        try:
            await self.api.delete(PODS, self.api.config.namespace, self.subject.name)
        except ProbeFailure as error:
            raise in_step("delete", error) from error

    async def _gone(self) -> None:
        allowed = self.limits.allow("gone")
        try:
            await self._wait_until_gone(allowed.seconds)
        except TimeoutError:
            raise await self._explain("gone", allowed) from None

    async def _wait_until_gone(self, seconds: float) -> None:
        await self.watch.until(lambda pods: None if self.subject.name in pods else True, seconds)

    async def _clean_up(self) -> None:
        """Remove what is left; where even that fails, the run's ownership lets the garbage collector do it."""
        try:
            async with asyncio.timeout(CLEANUP_SECONDS):
                await self._remove()
        except (ProbeFailure, TimeoutError) as error:
            print(f"pod {self.subject.name} is left to the garbage collector: {error!r}", file=sys.stderr)

    async def _remove(self) -> None:
        """Politely where the pod's kubelet answers, by force where it does not."""
        namespace, name = self.api.config.namespace, self.subject.name
        pod = self.watch.objects.get(name, {})
        asked_before = "deletionTimestamp" in pod.get("metadata", {})
        if pod.get("status", {}).get("startTime") and not asked_before:
            await self.api.delete(PODS, namespace, name)
            with suppress(TimeoutError):
                await self._wait_until_gone(CLEANUP_SECONDS / 2)
        await self.api.delete(PODS, namespace, name, grace_seconds=0)


if __name__ == "__main__":
    probe.main()
