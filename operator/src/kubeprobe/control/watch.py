"""What the watches tell, turned into views and work: one small sink for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubeprobe.api import Change, ChangeGate, Phase, ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.control.changes import Changes
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.resident import RESOURCES as PROBER_RESOURCES
from kubeprobe.control.resident import ResidentReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.view import Key, read_namespace, read_result
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.kube.port import (
    CHANGES,
    CONFIGS,
    GATES,
    NAMESPACES,
    PODS,
    RESULTS,
    RUNS,
    TEMPLATES,
    Object,
    Resource,
)
from kubeprobe.kube.reflector import Feed
from kubeprobe.plan.due import changes_of
from kubeprobe.plan.found import LABEL_RESIDENT, wanted_kinds
from kubeprobe.plan.owned import OwnedKind, read_owned
from kubeprobe.plan.pod_view import read_pod
from kubeprobe.plan.resident_pod import read_resident_pod
from probe_sdk.wire import LABEL_RUN


@dataclass(frozen=True, slots=True)
class KindSink:
    """`kubeprobe.kube.reflector.Sink` of one kind."""

    observe: Callable[[Object], None]
    forget: Callable[[Key, str], None]


class Watcher:
    """Puts what was seen into the views, and what follows from it into the queue."""

    def __init__(
        self,
        context: Context,
        runs: RunReconciler,
        waves: WaveReconciler,
        residents: ResidentReconciler,
        changes: Changes,
    ) -> None:
        self._ctx = context
        self._views = context.views
        self._runs = runs
        self._waves = waves
        self._residents = residents
        self._changes = changes

    def feeds(self) -> tuple[Feed, ...]:
        """All that the operator watches: its own kinds, pods of probes and probers, and namespaces for their labels."""
        views = self._views
        return (
            Feed(NAMESPACES, KindSink(self.namespace, self.namespace_gone), held=views.namespaces.held),
            Feed(TEMPLATES, KindSink(self.template, self.template_gone), held=views.templates.held),
            Feed(CONFIGS, KindSink(self.config, self.config_gone), held=views.configs.held),
            Feed(RUNS, KindSink(self.run, self.run_gone), held=views.runs.held),
            Feed(RESULTS, KindSink(self.result, self.result_gone), held=views.results.held),
            Feed(CHANGES, KindSink(self.change, self.change_gone), held=views.changes.held),
            Feed(GATES, KindSink(self.gate, self.gate_gone), held=views.gates.held),
            Feed(
                PODS,
                KindSink(self.resident_pod, self.resident_pod_gone),
                label_selector=LABEL_RESIDENT,
                held=views.resident_pods.held,
            ),
            Feed(PODS, KindSink(self.pod, self.pod_gone), label_selector=LABEL_RUN, held=views.pods.held),
            *(self._probers(kind, resource) for kind, resource in PROBER_RESOURCES.items()),
        )

    def _probers(self, kind: OwnedKind, resource: Resource) -> Feed:
        """What resident probers are made of: whoever changes it, their configs have it put right."""
        view = self._views.owned[kind]

        def observe(body: Object) -> None:
            owned = read_owned(kind, body)
            if view.put(owned):
                self._add(Kind.RESIDENT, (owned.namespace, owned.config))

        def forget(key: Key, uid: str) -> None:
            owned = view.get(key)
            view.drop(key, uid)
            if owned is not None:
                self._residents.forget(uid)
                self._add(Kind.RESIDENT, (owned.namespace, owned.config))

        return Feed(resource, KindSink(observe, forget), label_selector=LABEL_RESIDENT, held=view.held)

    def template(self, body: Object) -> None:
        """A template changes what its configs' next runs do."""
        template = ProbeTemplate.model_validate(body)
        if self._views.templates.put(template):
            self._add(Kind.TEMPLATE, ("", template.metadata.name))
            self._template_users(template.metadata.name)

    def template_gone(self, key: Key, uid: str) -> None:
        """Its configs cannot work any more."""
        self._views.templates.drop(key, uid)
        self._template_users(key[1])

    def config(self, body: Object) -> None:
        """A config is to be reconciled."""
        config = ProbeConfig.model_validate(body)
        if self._views.configs.put(config):
            self._add(Kind.CONFIG, (config.metadata.namespace, config.metadata.name))

    def config_gone(self, key: Key, uid: str) -> None:
        """Its runs go with it by ownership; nothing is planned for it any more."""
        self._views.configs.drop(key, uid)
        self._ctx.queue.forget((Kind.CONFIG, key))
        self._add(Kind.RESIDENT, key)
        self._add(Kind.RESULT, key)
        self._changes.let_go(key)

    def run(self, body: Object) -> None:
        """A run is to be brought forward; a completed one counts in its config's answer."""
        run = ProbeRun.model_validate(body)
        if not self._views.runs.put(run):
            return
        namespace = run.metadata.namespace
        self._add(Kind.RUN, (namespace, run.metadata.name))
        if run.status.phase is Phase.COMPLETED and run.spec.config_ref is not None:
            self._add(Kind.CONFIG, (namespace, run.spec.config_ref.name))
            self._sweep_of(run)
        self._changes_of(run)

    def run_gone(self, key: Key, uid: str) -> None:
        """The config may start another one."""
        run = self._views.runs.get(key)
        self._views.runs.drop(key, uid)
        self._runs.forget(uid)
        self._waves.forget(uid)
        if run is not None:
            self._changes_of(run)
        if run is not None and run.spec.config_ref is not None and run.status.phase is not Phase.COMPLETED:
            self._add(Kind.CONFIG, (key[0], run.spec.config_ref.name))
            self._sweep_of(run)

    def result(self, body: Object) -> None:
        """An answer was written, perhaps by somebody else's hand."""
        result = read_result(body)
        if self._views.results.put(result):
            self._add(Kind.RESULT, (result.namespace, result.name))

    def result_gone(self, key: Key, uid: str) -> None:
        """An answer that was deleted by hand is written anew."""
        self._views.results.drop(key, uid)
        self._add(Kind.RESULT, key)

    def change(self, body: Object) -> None:
        """A change is to be followed until it is over."""
        change = Change.model_validate(body)
        if self._views.changes.put(change):
            self._add(Kind.CHANGE, ("", change.metadata.name))

    def change_gone(self, key: Key, uid: str) -> None:
        """Nothing is asked for it any more."""
        self._views.changes.drop(key, uid)
        self._add(Kind.CHANGE, key)

    def gate(self, body: Object) -> None:
        """A gate is to be opened or closed."""
        gate = ChangeGate.model_validate(body)
        if self._views.gates.put(gate):
            self._add(Kind.GATE, ("", gate.metadata.name))

    def gate_gone(self, key: Key, uid: str) -> None:
        """It holds nothing any more."""
        self._views.gates.drop(key, uid)
        self._add(Kind.GATE, key)

    def pod(self, body: Object) -> None:
        """A run's pod came further."""
        pod = read_pod(body)
        if self._views.pods.put(pod):
            self._add(Kind.RUN, (pod.namespace, pod.run))

    def pod_gone(self, key: Key, uid: str) -> None:
        """A run lost its pod, or its name is free."""
        pod = self._views.pods.get(key)
        self._views.pods.drop(key, uid)
        if pod is not None:
            self._add(Kind.RUN, (pod.namespace, pod.run))

    def resident_pod(self, body: Object) -> None:
        """A resident prober has a pod, and may be heard from now on."""
        pod = read_resident_pod(body)
        known = self._views.resident_pods.get((pod.namespace, pod.name))
        if self._views.resident_pods.put(pod) and (known is None or known.uid != pod.uid):
            self._add(Kind.RESULT, pod.key)

    def resident_pod_gone(self, key: Key, uid: str) -> None:
        """What it told counts; its targets are others' now."""
        pod = self._views.resident_pods.get(key)
        self._views.resident_pods.drop(key, uid)
        if pod is not None:
            self._add(Kind.RESULT, pod.key)

    def namespace(self, body: Object) -> None:
        """A namespace's labels decide which templates may be used in it."""
        seen = read_namespace(body)
        before = self._views.namespaces.get(("", seen.name))
        if self._views.namespaces.put(seen) and (before is None or before.labels != seen.labels):
            for config in self._views.configs:
                if config.metadata.namespace == seen.name:
                    self._add(Kind.CONFIG, (seen.name, config.metadata.name))
                else:
                    self._targets_of(config)

    def namespace_gone(self, key: Key, uid: str) -> None:
        """All in it is gone too, and told by its own events; but there may be configs that name it."""
        self._views.namespaces.drop(key, uid)
        for config in self._views.configs:
            self._targets_of(config)

    def _targets_of(self, config: ProbeConfig) -> None:
        """A namespace has changed: a prober's targets may be looked for there now, or not any more."""
        if wanted_kinds(config):
            self._add(Kind.RESIDENT, (config.metadata.namespace, config.metadata.name))

    def _changes_of(self, run: ProbeRun) -> None:
        """What it comes to is part of what the Changes come to that it is for."""
        for change in changes_of(run):
            self._add(Kind.CHANGE, ("", change))

    def _sweep_of(self, run: ProbeRun) -> None:
        """When a wave is over, or gone, its sweep goes on."""
        if run.spec.target is not None and run.spec.target.sweep:
            self._add(Kind.RUN, (run.metadata.namespace, run.spec.target.sweep))

    def _template_users(self, name: str) -> None:
        for config in self._views.configs.group(("", name)):
            self._add(Kind.CONFIG, (config.metadata.namespace, config.metadata.name))

    def _add(self, kind: Kind, key: Key) -> None:
        self._ctx.queue.add((kind, key))
