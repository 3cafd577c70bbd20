"""Resident probers: gather from the views, plan, apply."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprobe.api import Condition, ProbeConfig
from kubeprobe.control.again import look_again_after
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.discovery import Discovery
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.view import Key
from kubeprobe.kube.port import CONFIGMAPS, CONFIGS, DAEMON_SETS, DEPLOYMENTS, ApiError, Object, Resource
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.found import Surroundings, wanted_kinds
from kubeprobe.plan.owned import Owned, OwnedKind, read_owned
from kubeprobe.plan.resident import ResidentPlan, ResidentSeen, name_taken, plan_resident, refused
from kubeprobe.plan.resolve import Mistake

RESOURCES: Mapping[OwnedKind, Resource] = {
    OwnedKind.CONFIG_MAP: CONFIGMAPS,
    OwnedKind.DEPLOYMENT: DEPLOYMENTS,
    OwnedKind.DAEMON_SET: DAEMON_SETS,
}
PATIENCE_SECONDS = 10.0
"""A listing that takes longer is told of: it may be one that is not allowed."""
AGAIN_SECONDS = 10.0
"""After which a name that was taken is looked at again: nobody tells when it becomes free."""


class NameTakenError(Exception):
    """An object of the prober's name belongs to somebody else."""

    def __init__(self, kind: OwnedKind) -> None:
        super().__init__(kind)
        self.kind = kind


class ResidentReconciler:
    """Keeps the prober of each config in mode Resident, and takes away those that are not wanted any more."""

    def __init__(self, context: Context, discovery: Discovery, heard: ResidentStore) -> None:
        self._ctx = context
        self._discovery = discovery
        self._heard = heard
        self._settled: dict[str, int] = {}

    async def reconcile(self, key: Key) -> None:
        """Bring one config's prober to what it should be now. Raises `ApiError` when a write failed."""
        config = self._ctx.views.configs.get(key)
        kinds = wanted_kinds(config) if config is not None else frozenset()
        self._discovery.want(key, kinds)
        if config is None:
            return
        seen = self._gather(config)
        if seen.around is None and (left := PATIENCE_SECONDS - self._discovery.waiting_seconds(kinds)) > 0:
            self._ctx.queue.add_after((Kind.RESIDENT, key), left)  # unless the listing is complete sooner
            return
        plan = plan_resident(seen, self._ctx.site, self._ctx.now())
        try:
            await self._apply(seen, plan)
        except NameTakenError as taken:
            await self._tell(config, name_taken(config, taken.kind, self._ctx.now()), None)
            self._ctx.queue.add_after((Kind.RESIDENT, key), AGAIN_SECONDS)
            return
        await self._tell(config, plan.conditions, plan.mistake)

    def reset(self) -> None:
        """Forget what was written: another replica may have led meanwhile."""
        self._settled.clear()

    def forget(self, uid: str) -> None:
        """A workload is gone."""
        self._settled.pop(uid, None)

    def _gather(self, config: ProbeConfig) -> ResidentSeen:
        views, meta = self._ctx.views, config.metadata
        known = self._discovery.known(wanted_kinds(config))
        around = None
        if known is not None:
            candidates = {kind: [*view] for kind, view in known.items()}
            around = Surroundings(candidates, {one.name: one.labels for one in views.namespaces})
        return ResidentSeen(
            config=config,
            template=views.templates.get(("", config.spec.template_ref.name)),
            namespace_labels=views.namespace_labels(meta.namespace),
            around=around,
            owned=tuple(one for view in views.owned.values() for one in view.group((meta.namespace, meta.name))),
            settled=self._settled,
            served_share=self._heard.served_share(config),
        )

    async def _apply(self, seen: ResidentSeen, plan: ResidentPlan) -> None:
        uids = {one.kind: one.uid for one in seen.owned if seen.config.metadata.uid in one.owner_uids}
        for kind, manifest in plan.apply:
            try:
                await self._put(seen.config, kind, manifest, uids.get(kind))
            except ApiError as error:
                if error.namespace_terminating:
                    return
                if not (error.passing or error.conflict or error.not_found):
                    await self._tell(seen.config, refused(seen.config, kind, str(error), self._ctx.now()), None)
                raise
        for one in plan.delete:
            await self._ctx.writer.delete(Priority.RUN, RESOURCES[one.kind], one.namespace, one.name, uid=one.uid)
            self._ctx.views.owned[one.kind].drop((one.namespace, one.name), one.uid)
            self.forget(one.uid)

    async def _put(self, config: ProbeConfig, kind: OwnedKind, manifest: Object, uid: str | None) -> None:
        """Apply to the object that is this config's, or create it. Raises `NameTakenError`."""
        name, namespace, resource = manifest["metadata"]["name"], config.metadata.namespace, RESOURCES[kind]
        uid = uid or await self._uid(config, kind, resource, name)
        if uid is not None:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": uid}}
        written = await self._ctx.writer.apply(Priority.RUN, resource, namespace, name, manifest, force=uid is not None)
        owned = read_owned(kind, written)
        self._settled[owned.uid] = owned.generation
        self._ctx.views.owned[kind].put(owned)

    async def _uid(self, config: ProbeConfig, kind: OwnedKind, resource: Resource, name: str) -> str | None:
        """The uid of an object that is there although it was not in view; None if there is none."""
        try:
            there = await self._ctx.api.get(resource, config.metadata.namespace, name)
        except ApiError as error:
            if error.not_found:
                return None
            raise
        found: Owned = read_owned(kind, there)
        if config.metadata.uid not in found.owner_uids:
            raise NameTakenError(kind)
        return found.uid

    async def _tell(
        self, config: ProbeConfig, conditions: tuple[Condition, ...] | None, mistake: Mistake | None
    ) -> None:
        if conditions is None:
            return
        meta = config.metadata
        said = [one.model_dump(by_alias=True, exclude_none=True, mode="json") for one in conditions]
        body = {"metadata": {"resourceVersion": meta.resource_version}, "status": {"conditions": said}}
        try:
            written = await self._ctx.writer.merge_patch(
                Priority.HISTORY, CONFIGS, meta.namespace, meta.name, body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, CONFIGS, (meta.namespace, meta.name))
            raise
        self._ctx.views.configs.put(ProbeConfig.model_validate(written))
        if mistake is not None:
            self._ctx.recorder.record(config, mistake.reason, mistake.message, warning=True)
