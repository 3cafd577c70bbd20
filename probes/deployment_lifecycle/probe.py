"""Roll out a Deployment, reach it through its Service by name, scale it both ways, and remove it.

Each step is timed. A step that does not come is told with what holds it up: a controller that has not acted, the pod
that has come least far, the name, or the way through the Service.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field, field_validator

from cluster.api import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Api
from cluster.explain import in_step, late, newest, pod_state
from cluster.limits import CLEANUP_SECONDS, Allowance, Limits, refuse_unknown_steps
from cluster.names import quick_resolver
from cluster.rollout import CONTROLLERS, Held, alive, controllers_hold, most_behind, ready_addresses, remains, replicas
from cluster.subject import Subject, SubjectParams, plan_subject
from cluster.watch import Watch
from cluster.words import Object
from deployment_lifecycle.manifests import deployment, selector, service
from deployment_lifecycle.service import Ways
from probe_sdk import Probe, ProbeFailure, owned, params, step

T = TypeVar("T")

GONE_BY = "somebody else removed the Deployment in the middle of the run"
STEP_SECONDS = {
    "create": 10,
    "rollout": 20,
    "endpoints": 10,
    "resolve": 5,
    "reach": 5,
    "scale-up": 15,
    "scale-down": 10,
    "delete": 10,
    "gone": 15,
}


class Params(SubjectParams):
    """What may be chosen about the Deployment and about how long its steps may take."""

    replicas: int = Field(2, ge=1, le=20, description="Replicas of the Deployment; scaling adds one and removes it.")
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
    """One life of one Deployment."""
    quick_resolver()
    async with Api.connect() as api:
        subject = await plan_subject(api, p, "deployment-lifecycle")
        async with watches(api, subject) as seen:
            await Lifecycle(api, seen, subject, p.replicas, Limits(STEP_SECONDS, p.limits)).run()


@dataclass(frozen=True)
class Seen:
    """What the watches show."""

    deployments: Watch
    pods: Watch
    slices: Watch


@asynccontextmanager
async def watches(api: Api, subject: Subject) -> AsyncIterator[Seen]:
    """One watch for each kind that the steps wait for."""
    namespace = api.config.namespace
    async with AsyncExitStack() as stack:
        yield Seen(
            await stack.enter_async_context(
                Watch.open(api, DEPLOYMENTS, namespace, fields=f"metadata.name={subject.name}")
            ),
            await stack.enter_async_context(Watch.open(api, PODS, namespace, labels=selector(subject))),
            await stack.enter_async_context(
                Watch.open(api, ENDPOINT_SLICES, namespace, labels=f"kubernetes.io/service-name={subject.name}")
            ),
        )


@dataclass(frozen=True)
class Lifecycle:
    """The steps in their order."""

    api: Api
    seen: Seen
    subject: Subject
    wanted: int
    limits: Limits

    async def run(self) -> None:
        """All steps; whatever happens, everything is removed."""
        try:
            with step("create"):
                cluster_ip = await self._asked("create", self._create())
            with step("rollout"):
                await self._rolled_out("rollout", self.wanted)
            with step("endpoints"):
                await self._endpoints()
            await self._use(cluster_ip)
            with step("scale-up"):
                await self._asked("scale-up", self._scale(self.wanted + 1))
                await self._rolled_out("scale-up", self.wanted + 1)
            with step("scale-down"):
                await self._asked("scale-down", self._scale(self.wanted))
                await self._rolled_out("scale-down", self.wanted)
            with step("delete"):
                await self._asked("delete", self._delete())
            with step("gone"):
                await self._gone()
        except BaseException:
            await self._clean_up()
            raise

    async def _asked(self, name: str, request: Awaitable[T]) -> T:
        try:
            return await request
        except ProbeFailure as error:
            raise in_step(name, error) from error

    async def _create(self) -> str:
        """The Service first: DNS and proxies learn of it while the pods start. Returns its address."""
        namespace = self.api.config.namespace
        made = await self.api.create(SERVICES, namespace, owned(service(self.subject, namespace)))
        await self.api.create(DEPLOYMENTS, namespace, owned(deployment(self.subject, namespace, self.wanted)))
        return str(made["spec"]["clusterIP"])

    async def _scale(self, count: int) -> None:
        body = {"spec": {"replicas": count}}
        await self.api.patch(DEPLOYMENTS, self.api.config.namespace, self.subject.name, body, "scale")

    async def _delete(self) -> None:
        for resource in (DEPLOYMENTS, SERVICES):
            await self.api.delete(resource, self.api.config.namespace, self.subject.name)

    def _deployment(self) -> Object | None:
        return self.seen.deployments.objects.get(self.subject.name)

    async def _rolled_out(self, name: str, count: int) -> None:
        """The Deployment's own status says that there are so many replicas and all of them are ready."""

        def done(_: object) -> bool | None:
            deployed = self._deployment()
            return (replicas(deployed, "replicas") == count == replicas(deployed, "readyReplicas")) or None

        allowed = self.limits.allow(name)
        try:
            await self.seen.deployments.until(done, allowed.seconds)
        except TimeoutError:
            raise await self._explain_rollout(name, allowed, count) from None

    async def _explain_rollout(self, name: str, allowed: Allowance, count: int) -> ProbeFailure:
        deployed = await self._asked(name, newest(self.api, DEPLOYMENTS, self.subject.name))
        if deployed is None:
            return ProbeFailure(f"{name}: {GONE_BY}")
        pods = alive(self.seen.pods.objects)
        if held := controllers_hold(deployed, pods, count):
            return late(name, allowed, str(held))
        if behind := most_behind(pods):
            ready = max(replicas(deployed, "readyReplicas"), 0)
            return late(name, allowed, f"{ready} of {count} replicas are ready: {await pod_state(self.api, behind)}")
        stale = Held("all pods are ready, but the Deployment's status does not say so", CONTROLLERS)
        return late(name, allowed, str(stale))

    async def _endpoints(self) -> None:
        """The Service's EndpointSlices hold every replica."""

        def filled(_: object) -> bool | None:
            return len(ready_addresses(self.seen.slices.objects.values())) >= self.wanted or None

        allowed = self.limits.allow("endpoints")
        try:
            await self.seen.slices.until(filled, allowed.seconds)
        except TimeoutError:
            await self._still_heard("endpoints")
            count = len(ready_addresses(self.seen.slices.objects.values()))
            held = Held(f"the EndpointSlices of the Service hold {count} of {self.wanted} ready pods", CONTROLLERS)
            raise late("endpoints", allowed, str(held)) from None

    async def _use(self, cluster_ip: str) -> None:
        """What the Deployment is for: its users find it and get an answer."""
        pod = alive(self.seen.pods.objects)[0]
        ways = Ways(self.subject.name, self.api.config.namespace, cluster_ip, pod, self.subject.port)
        with step("resolve"):
            await ways.resolve(self.limits.allow("resolve").seconds)
        with step("reach"):
            await ways.reach(self.limits.allow("reach").seconds)

    async def _gone(self) -> None:
        """Nothing is left: neither the Deployment nor its pods nor the Service's slices."""
        allowed = self.limits.allow("gone")
        try:
            async with asyncio.timeout(allowed.seconds):
                for watch in (self.seen.deployments, self.seen.pods, self.seen.slices):
                    await watch.until(_nothing_left, allowed.seconds)
        except TimeoutError:
            raise await self._explain_gone(allowed) from None

    async def _explain_gone(self, allowed: Allowance) -> ProbeFailure:
        await self._still_heard("gone")
        seen = self.seen
        if held := remains(seen.deployments.objects, seen.pods.objects, seen.slices.objects):
            return late("gone", allowed, str(held))
        states = [str(await pod_state(self.api, pod)) for pod in list(seen.pods.objects.values())[:1]]
        return late("gone", allowed, "; ".join(states) or "what was deleted is still there")

    async def _still_heard(self, name: str) -> None:
        """Nobody is to be blamed by watches that are cut off from the API."""
        await self._asked(name, newest(self.api, DEPLOYMENTS, self.subject.name))

    async def _clean_up(self) -> None:
        """Remove what is left; where even that fails, the run's ownership lets the garbage collector do it."""
        try:
            async with asyncio.timeout(CLEANUP_SECONDS):
                await self._delete()
                await self._remove_pods()
        except (ProbeFailure, TimeoutError) as error:
            print(f"{self.subject.name} is left to the garbage collector: {error!r}", file=sys.stderr)

    async def _remove_pods(self) -> None:
        """By force where the kubelet has not acknowledged the pod or does not finish: it would stay for ever."""
        try:
            await self.seen.pods.until(_nothing_left, CLEANUP_SECONDS / 2)
        except TimeoutError:
            for name in list(self.seen.pods.objects):
                await self.api.delete(PODS, self.api.config.namespace, name, grace_seconds=0)


def _nothing_left(objects: object) -> bool | None:
    return None if objects else True


if __name__ == "__main__":
    probe.main()
