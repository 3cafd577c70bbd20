"""Reaching the subject as its users do: the name through cluster DNS, then the Service's address.

Either failing is told apart by trying the next way in: name -> ClusterIP -> a pod's own address. The first way that
works names the part before it as the broken one.
"""

import asyncio
from dataclasses import dataclass

from cluster.errors import own_node
from cluster.explain import behind_silence
from cluster.names import NotResolvedError, cluster_domain, nameservers, read_resolv_conf, resolve, resolver_says
from cluster.reach import NotReachedError, fetch, fetch_within
from cluster.words import Object, node_name
from deployment_lifecycle.manifests import SERVICE_PORT
from probe_sdk import ProbeFailure

RETRY_SECONDS = 0.25


@dataclass(frozen=True)
class Ways:
    """The ways in: the Service's name and address, and one of the pods behind it."""

    name: str
    namespace: str
    cluster_ip: str
    pod: Object
    port: int

    async def resolve(self, seconds: float) -> None:
        """The short name, as a neighbour in the namespace uses it, gives the Service's address."""
        try:
            addresses = await self._resolve_within(seconds)
        except NotResolvedError as error:
            raise ProbeFailure(await self._why_no_name(str(error))) from error
        if self.cluster_ip not in addresses:
            raise ProbeFailure(
                f"resolve: the name {self.name} resolves to {', '.join(addresses)} instead of its Service's address "
                f"{self.cluster_ip}; look at CoreDNS"
            )

    async def _resolve_within(self, seconds: float) -> list[str]:
        """CoreDNS learns of a Service by its own watch: not knowing it at once is no fault."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        first: NotResolvedError | None = None
        while True:
            try:
                return await resolve(self.name, max(end - loop.time(), RETRY_SECONDS))
            except NotResolvedError as error:
                first = first or error  # the last try has little time, and then says only that
                if loop.time() + RETRY_SECONDS >= end:
                    raise first from error
            await asyncio.sleep(RETRY_SECONDS)

    async def _why_no_name(self, said: str) -> str:
        resolv_conf = read_resolv_conf()
        full = f"{self.name}.{self.namespace}.svc.{cluster_domain(resolv_conf)}"
        detail, behind = await asyncio.gather(resolver_says(full, resolv_conf), self._behind_the_name())
        works, look_at = behind
        servers = " ".join(nameservers(resolv_conf)) or "none"
        hint = look_at or f"CoreDNS (the resolver behind {servers})"
        return f"resolve: the name {full} does not resolve: {said}; {detail}; {works}; look at {hint}"

    async def _behind_the_name(self) -> tuple[str, str]:
        """What works without the name, and, unless it is only the name, what to look at."""
        try:
            await fetch(self.cluster_ip, SERVICE_PORT)
        except NotReachedError as error:
            works, look_at = await self._behind_the_service()
            return f"its ClusterIP {self.cluster_ip} does not answer either ({error}), {works}", look_at
        return f"its ClusterIP {self.cluster_ip} answers", ""

    async def _behind_the_service(self) -> tuple[str, str]:
        """Whether a pod answers on its own address, and what to look at then."""
        address, node = self.pod["status"]["podIP"], node_name(self.pod)
        try:
            await fetch(address, self.port)
        except NotReachedError as error:
            return f"nor does the pod {address} on {node} ({error})", behind_silence(self.pod, str(error))
        return f"the pod {address} on {node} answers directly", f"kube-proxy on {own_node()}"

    async def reach(self, seconds: float) -> None:
        """The Service's address answers."""
        try:
            await fetch_within(self.cluster_ip, SERVICE_PORT, seconds)
        except NotReachedError as error:
            works, look_at = await self._behind_the_service()
            raise ProbeFailure(
                f"reach: Service {self.name} does not answer on its ClusterIP {self.cluster_ip} from {own_node()}: "
                f"{error}; {works}; look at {look_at}"
            ) from error
