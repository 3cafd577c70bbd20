"""For every rule: objects that it refuses and that it lets pass, for its Python form and for a real API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubeprobe.api import API_VERSION

Body = dict[str, Any]


def template(name: str = "example", **spec: Any) -> Body:
    return _object("ProbeTemplate", name, {"image": "registry.example/probe:1", **spec}, namespace=None)


def config(name: str = "example", **spec: Any) -> Body:
    return _object("ProbeConfig", name, {"templateRef": {"name": "t"}, "schedule": {"every": "60s"}, **spec})


def run(name: str = "example", **spec: Any) -> Body:
    return _object("ProbeRun", name, spec)


def gate(name: str = "example", **spec: Any) -> Body:
    whole = {"scope": {"namespaces": ["*"]}, "probes": {"namespaces": ["probes"]}, **spec}
    return _object("ChangeGate", name, whole, namespace=None)


def _object(kind: str, name: str, spec: Body, namespace: str | None = "default") -> Body:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def volume(**source: Any) -> Body:
    return template(volumes=[{"name": "v", **source}])


def toleration(**fields: Any) -> Body:
    return config(podOverrides={"tolerations": [fields]})


def sweep(**each_node: Any) -> Body:
    return config(targets={"eachNode": each_node})


def resident(**fields: Any) -> Body:
    return config(mode="Resident", schedule=None, resident={"interval": "1s", **fields})


def targets(**fields: Any) -> Body:
    return resident(targets=fields)


def triggered(**trigger: Any) -> Body:
    return config(triggers=[trigger])


def change_run(**trigger: Any) -> Body:
    return run(configRef={"name": "c"}, trigger={"kind": "Change", "changeID": CHANGE_ID, **trigger})


def change(name: str = "", **spec: Any) -> Body:
    moments = dict.fromkeys(("began", "last", "closed"), "2026-01-01T12:00:00Z")
    whole = {"source": "Rollout", "objects": [changed()], "count": 1, **moments, **spec}
    return _object("Change", name or CHANGE_ID, whole, namespace=None)


def changed(name: str = "cart") -> Body:
    return {"kind": "Deployment", "namespace": "shop", "name": name, "type": "Modified", "at": "2026-01-01T12:00:00Z"}


def selector(*requirements: Body) -> Body:
    return template(allowedNamespaces={"matchExpressions": list(requirements)})


@dataclass(frozen=True)
class Example:
    """One rule, known by its message, with objects that it refuses and objects that it lets pass."""

    message: str
    field: str
    """The field that the refusal names."""
    bad: tuple[Body, ...]
    good: tuple[Body, ...]


CHANGE_ID = "chg-01kgk2zq5r8f3v6y9m0c4w7x1b"
SECRET = {"secret": {"secretName": "s"}}
CONFIG_MAP = {"configMap": {"name": "c"}}
TOKEN = {"serviceAccountToken": {"path": "token"}}
DOWNWARD = {"downwardAPI": {"items": [{"path": "node", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}
KEY = {"name": "n", "key": "k"}
STATIC = [{"name": "a"}, {"name": "b"}]
MISSED = {"count": 1, "since": "2026-01-01T00:00:00Z", "reason": "Busy"}
COVERED = {"changeID": CHANGE_ID, "during": "Finished"}

EXAMPLES = (
    Example(
        "set exactly one of every (such as 60s) and cron (such as '*/5 * * * *')",
        "spec.schedule",
        bad=(config(schedule={}), config(schedule={"every": "60s", "cron": "* * * * *"})),
        good=(config(), config(schedule={"cron": "* * * * *"})),
    ),
    Example(
        "a time zone goes with cron only: remove timeZone, or write the schedule as cron",
        "spec.schedule.timeZone",
        bad=(config(schedule={"every": "60s", "timeZone": "UTC"}),),
        good=(config(schedule={"cron": "* * * * *", "timeZone": "Europe/Berlin"}),),
    ),
    Example(
        "mode Resident needs spec.resident, and only it: add spec.resident with an interval, or set mode to Periodic "
        "or OnDemand",
        "spec.resident",
        bad=(config(mode="Resident", schedule=None), config(resident={"interval": "1s"})),
        good=(resident(),),
    ),
    Example(
        "spec.targets is for sweeps: a resident prober has resident.targets, and resident.eachNode for one on each "
        "node",
        "spec.targets",
        bad=(config(mode="Resident", schedule=None, resident={"interval": "1s"}, targets={"eachNode": {}}),),
        good=(resident(eachNode=True),),
    ),
    Example(
        "window and ratio go together: of the last so many probes, which share has to fail",
        "spec.resident.ratio",
        bad=(resident(window=10), resident(ratio=0.5)),
        good=(resident(window=10, ratio=0.5),),
    ),
    Example(
        "a window stands in place of failures and successes: leave these out, or the window and its ratio",
        "spec.resident.window",
        bad=(resident(window=10, ratio=0.5, failures=3), resident(window=10, ratio=0.5, successes=2)),
        good=(resident(failures=3, successes=2),),
    ),
    Example(
        "failWhen Share needs a share, and only it: add share, or set failWhen to Any or All",
        "spec.resident.share",
        bad=(resident(failWhen="Share"), resident(share=0.5), resident(failWhen="All", share=0.5)),
        good=(resident(failWhen="Share", share=1), resident(failWhen="All")),
    ),
    Example(
        "a share is more than 0 and at most 1, such as 0.5 for the half",
        "spec.resident.share",
        bad=(resident(failWhen="Share", share=0), resident(failWhen="Share", share=1.5)),
        good=(resident(failWhen="Share", share=0.01),),
    ),
    Example(
        "must be at least 10ms and at most 1h",
        "spec.resident.interval",
        bad=(resident(interval="9ms"), resident(interval="61m")),
        good=(resident(interval="10ms"), resident(interval="1h")),
    ),
    Example(
        "must be at least 1ms and at most 1m",
        "spec.resident.timeout",
        bad=(resident(timeout="0ms"), resident(timeout="61s")),
        good=(resident(timeout="1ms"), resident(timeout="1m")),
    ),
    Example(
        "list targets in static, have them found by discover, or leave targets out for one target that is told by "
        "spec.params",
        "spec.resident.targets",
        bad=(targets(), targets(static=[])),
        good=(targets(static=STATIC), targets(discover=[{"kind": "Service"}])),
    ),
    Example(
        "names of a target's labels are those of Prometheus: letters, digits and '_', no digit first",
        "spec.resident.targets.static[0].labels",
        bad=(targets(static=[{"name": "a", "labels": {"a-b": "c"}}]),),
        good=(targets(static=[{"name": "a", "labels": {"a_b": "c", "_d1": ""}}]),),
    ),
    Example(
        "nodes are in no namespace: leave namespaces out",
        "spec.resident.targets.discover[0].namespaces",
        bad=(targets(discover=[{"kind": "Node", "namespaces": ["a"]}]),),
        good=(targets(discover=[{"kind": "Node"}, {"kind": "Pod", "namespaces": ["a", "*"]}]),),
    ),
    Example(
        "an Ingress is reached at 443 for hosts with TLS, else at 80: leave port out",
        "spec.resident.targets.discover[0].port",
        bad=(targets(discover=[{"kind": "Ingress", "port": 80}]),),
        good=(targets(discover=[{"kind": "Ingress"}, {"kind": "Service", "port": "http"}]),),
    ),
    Example(
        "not a port: write a number from 1 to 65535, or a port's name such as http",
        "spec.resident.targets.discover[0].port",
        bad=tuple(targets(discover=[{"kind": "Pod", "port": port}]) for port in (0, 65536, "65536", "0", "Http", "")),
        good=tuple(targets(discover=[{"kind": "Pod", "port": port}]) for port in (65535, "8080", "http-2", "9p")),
    ),
    Example(
        "ports of a node have no names: write the port as a number",
        "spec.resident.targets.discover[0].port",
        bad=(targets(discover=[{"kind": "Node", "port": "kubelet"}]),),
        good=(targets(discover=[{"kind": "Node", "port": 10250}, {"kind": "Node", "port": "10250"}]),),
    ),
    Example(
        "jitter must be shorter than every",
        "spec.schedule.jitter",
        bad=(
            config(schedule={"every": "60s", "jitter": "1m"}),
            config(schedule={"every": "1h", "jitter": "1d"}),
            config(schedule={"every": "1500ms", "jitter": "1s500ms"}),
        ),
        good=(
            config(schedule={"every": "60s", "jitter": "59s999ms"}),
            config(schedule={"every": "1d", "jitter": "1h"}),
            config(schedule={"every": "2m", "jitter": "119s"}),
            config(schedule={"cron": "* * * * *", "jitter": "30s"}),
        ),
    ),
    Example(
        "adaptive goes with every, which must lie between adaptive.fastest and adaptive.slowest",
        "spec.schedule.adaptive",
        bad=(
            config(schedule={"cron": "* * * * *", "adaptive": {"fastest": "10s", "slowest": "5m"}}),
            config(schedule={"every": "5s", "adaptive": {"fastest": "10s", "slowest": "5m"}}),
            config(schedule={"every": "10m", "adaptive": {"fastest": "10s", "slowest": "5m"}}),
        ),
        good=(
            config(schedule={"every": "60s", "adaptive": {"fastest": "10s", "slowest": "5m"}}),
            config(schedule={"every": "60s", "adaptive": {"fastest": "1m", "slowest": "60s"}}),
        ),
    ),
    Example(
        "missed goes with the kind Schedule only: leave it out",
        "spec.trigger.missed",
        bad=(
            run(configRef={"name": "c"}, trigger={"missed": MISSED}),
            change_run(missed=MISSED),
        ),
        good=(
            run(
                configRef={"name": "c"},
                trigger={"kind": "Schedule", "slot": "2026-01-01T00:00:00Z", "attempt": 2, "missed": MISSED},
            ),
        ),
    ),
    Example(
        "attempt goes with the kinds Schedule and Change only: leave it out",
        "spec.trigger.attempt",
        bad=(
            run(configRef={"name": "c"}, trigger={"kind": "Manual", "attempt": 2}),
            run(configRef={"name": "c"}, trigger={"attempt": 2}),
            run(configRef={"name": "c"}, trigger={"kind": "Gate", "attempt": 2}),
        ),
        good=(change_run(attempt=2),),
    ),
    Example(
        "a changeID goes with the kind Change, which needs one, and with Gate; leave the trigger out for a manual run",
        "spec.trigger.changeID",
        bad=(
            run(configRef={"name": "c"}, trigger={"kind": "Change"}),
            run(configRef={"name": "c"}, trigger={"changeID": CHANGE_ID}),
        ),
        good=(
            change_run(),
            run(configRef={"name": "c"}, trigger={"kind": "Gate"}),
            run(configRef={"name": "c"}, trigger={"kind": "Gate", "changeID": CHANGE_ID}),
        ),
    ),
    Example(
        "during, part and covers go with the kind Change only: leave them out",
        "spec.trigger.during",
        bad=(
            run(configRef={"name": "c"}, trigger={"during": "Started"}),
            run(configRef={"name": "c"}, trigger={"part": 1}),
            run(configRef={"name": "c"}, trigger={"covers": [COVERED]}),
        ),
        good=(
            change_run(during="Progressing", part=1, covers=[COVERED]),
            run(configRef={"name": "c"}, trigger={"covers": []}),
        ),
    ),
    Example(
        "set exactly one of rollout, node, object and announced; a trigger of its own for each",
        "spec.triggers[0]",
        bad=(triggered(), triggered(rollout={}, node={})),
        good=(
            triggered(rollout={}),
            triggered(node={}),
            triggered(object={"kinds": ["CustomResourceDefinition"]}),
            triggered(announced={}),
            config(mode="OnDemand", schedule=None, triggers=[{"announced": {"gates": ["prod"]}}]),
        ),
    ),
    Example(
        "pinToNodes probes node by node while the rollout goes on: leave during out, or write another trigger for it",
        "spec.triggers[0].rollout.during",
        bad=(triggered(rollout={"pinToNodes": True, "during": ["Finished"]}),),
        good=(
            triggered(rollout={"pinToNodes": True, "kinds": ["DaemonSet", "Rollout.argoproj.io"]}),
            triggered(rollout={"pinToNodes": True, "during": []}),
            triggered(rollout={"during": ["Started", "Progressing", "Finished"], "namespaceSelector": {}}),
        ),
    ),
    Example(
        "ConfigMaps and Secrets are chosen by their labels, since a cluster has so many: add a selector",
        "spec.triggers[0].object.selector",
        bad=(
            triggered(object={"kinds": ["ConfigMap"]}),
            triggered(object={"kinds": ["CustomResourceDefinition", "Secret"], "selector": {}}),
            triggered(object={"kinds": ["ConfigMap"], "selector": {"matchLabels": {}, "matchExpressions": []}}),
        ),
        good=(
            triggered(object={"kinds": ["ConfigMap"], "selector": {"matchLabels": {"app": "a"}}}),
            triggered(
                object={"kinds": ["Secret"], "selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
            ),
            triggered(object={"kinds": ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]}),
        ),
    ),
    Example(
        "must be at least 1s and at most 1m",
        "spec.triggers[0].node.quiet",
        bad=(triggered(node={"quiet": "0s"}), triggered(node={"quiet": "61s"})),
        good=(
            triggered(node={"quiet": "1s", "facts": ["Kubelet", "Added"], "pinToNodes": True}),
            triggered(rollout={"quiet": "1m"}),
        ),
    ),
    Example(
        "must be at least 1m and at most 24h",
        "spec.triggers[0].rollout.timeout",
        bad=(triggered(rollout={"timeout": "59s"}), triggered(rollout={"timeout": "2d"})),
        good=(triggered(rollout={"timeout": "1m"}), triggered(rollout={"timeout": "1d"})),
    ),
    Example(
        "a resident prober probes all the time and has no runs: leave spec.triggers out, or set mode to Periodic or "
        "OnDemand",
        "spec.triggers",
        bad=(config(mode="Resident", schedule=None, resident={"interval": "1s"}, triggers=[{"node": {}}]),),
        good=(config(mode="Resident", schedule=None, resident={"interval": "1s"}, triggers=[]),),
    ),
    Example(
        "count is of all objects, those that are listed among them",
        "spec.count",
        bad=(change(objects=[changed("a"), changed("b")], count=1),),
        good=(
            change(),
            change(objects=[changed("a"), changed("b")], count=3, others="AAAA", gates=["prod"]),
            change(
                probes=[{"namespace": "probes", "name": "cart", "during": ["Finished"], "pinToNodes": True}], leftOut=1
            ),
        ),
    ),
    Example(
        "must be at least 0s and at most 1h",
        "spec.retries.delay",
        bad=(config(retries={"limit": 1, "delay": "61m"}),),
        good=(config(retries={"limit": 1, "delay": "0s"}), config(retries={"limit": 1, "delay": "1h"})),
    ),
    Example(
        "must be at least 1m and at most 31d",
        "spec.maintenance[0].duration",
        bad=(
            config(maintenance=[{"cron": "0 2 * * 0", "duration": "59s"}]),
            config(maintenance=[{"cron": "0 2 * * 0", "duration": "32d"}]),
        ),
        good=(config(maintenance=[{"cron": "0 2 * * 0", "duration": "2h", "runs": "Pause"}]),),
    ),
    Example(
        "must be at least 1m and at most 366d",
        "spec.history.ttl",
        bad=(config(history={"ttl": "30s"}), config(history={"ttl": "367d"})),
        good=(config(history={"ttl": "24h"}),),
    ),
    Example(
        "must be at least 1s and at most 366d",
        "spec.schedule.every",
        bad=(
            config(schedule={"every": "0s"}),
            config(schedule={"every": "999ms"}),
            config(schedule={"every": "367d"}),
            config(schedule={"every": "999999999d999999999d999999999d"}),
        ),
        good=(
            config(schedule={"every": "1s"}),
            config(schedule={"every": "1000ms"}),
            config(schedule={"every": "366d"}),
            config(schedule={"every": "1d2h3m4s5ms"}),
        ),
    ),
    Example(
        "must be at least 0s and at most 24h",
        "spec.schedule.jitter",
        bad=(config(schedule={"cron": "* * * * *", "jitter": "24h1ms"}),),
        good=(config(schedule={"every": "60s", "jitter": "0s"}), config(schedule={"every": "2d", "jitter": "24h"})),
    ),
    Example(
        "must be at least 1s and at most 24h",
        "spec.timeout",
        bad=(
            config(timeout="500ms"),
            config(timeout="25h"),
            template(timeout="0s"),
            run(templateRef={"name": "t"}, timeout="2d"),
        ),
        good=(
            config(timeout="1s"),
            config(timeout="1d"),
            template(timeout="1m30s"),
            run(templateRef={"name": "t"}, timeout="30s"),
        ),
    ),
    Example(
        "mode Periodic needs a schedule, and the other modes have none: add spec.schedule, or set mode to OnDemand or "
        "Resident",
        "spec.schedule",
        bad=(
            _object("ProbeConfig", "example", {"templateRef": {"name": "t"}}),
            _object("ProbeConfig", "example", {"templateRef": {"name": "t"}, "mode": "Periodic"}),
            config(mode="OnDemand"),
        ),
        good=(
            _object("ProbeConfig", "example", {"templateRef": {"name": "t"}, "mode": "OnDemand"}),
            config(mode="Periodic"),
        ),
    ),
    Example(
        "a ProbeConfig's name may have at most 52 characters, since its runs are named after it: choose a shorter one",
        "",
        bad=(config(name="n" * 53),),
        good=(config(name="n" * 52), config(name="a.b-c")),
    ),
    Example(
        "a ProbeRun's name may have at most 63 characters, since it is a label of its pod: choose a shorter one",
        "",
        bad=(run(name="n" * 64, configRef={"name": "c"}),),
        good=(run(name="n" * 63, configRef={"name": "c"}),),
    ),
    Example(
        "set exactly one of configRef (a run of a ProbeConfig) and templateRef (a run for itself)",
        "spec",
        bad=(run(), run(configRef={"name": "c"}, templateRef={"name": "t"})),
        good=(run(configRef={"name": "c"}), run(templateRef={"name": "t"})),
    ),
    Example(
        "params, timeout, podOverrides and deliveryFailure go with templateRef only: "
        "a run of a ProbeConfig takes them from there",
        "spec",
        bad=(
            run(configRef={"name": "c"}, params={}),
            run(configRef={"name": "c"}, params={"a": 1}),
            run(configRef={"name": "c"}, timeout="30s"),
            run(configRef={"name": "c"}, podOverrides={}),
            run(configRef={"name": "c"}, deliveryFailure="Failed"),
        ),
        good=(
            run(templateRef={"name": "t"}, params={"a": 1}, timeout="30s", podOverrides={}, deliveryFailure="Failed"),
        ),
    ),
    Example(
        "a slot goes with the kind Schedule, and only with it; leave the trigger out for a manual run",
        "spec.trigger.slot",
        bad=(
            run(configRef={"name": "c"}, trigger={"kind": "Schedule"}),
            run(configRef={"name": "c"}, trigger={"kind": "Manual", "slot": "2026-01-01T00:00:00Z"}),
            run(configRef={"name": "c"}, trigger={"slot": "2026-01-01T00:00:00Z"}),
        ),
        good=(
            run(configRef={"name": "c"}, trigger={"kind": "Schedule", "slot": "2026-01-01T00:00:00.123Z"}),
            run(configRef={"name": "c"}, trigger={"kind": "Manual"}),
            run(configRef={"name": "c"}, trigger={}),
        ),
    ),
    Example(
        "a target goes with configRef only: leave it out, or name the ProbeConfig to run on these nodes",
        "spec.target",
        bad=(run(templateRef={"name": "t"}, target={"nodes": ["n"]}),),
        good=(
            run(configRef={"name": "c"}, target={"nodes": ["n"]}),
            run(configRef={"name": "c"}, target={"sweep": "c-1", "wave": 1, "waves": 2, "nodes": ["n"] * 50}),
        ),
    ),
    Example(
        "must be at least 1 and at most 50: so many nodes are probed at the same time, and with 0 none ever would be; "
        "leave it out for 10",
        "spec.targets.eachNode.maxConcurrent",
        bad=(sweep(maxConcurrent=0), sweep(maxConcurrent=-1), sweep(maxConcurrent=51)),
        good=(sweep(maxConcurrent=1), sweep(maxConcurrent=50), sweep(), sweep(sample=1, selector={})),
    ),
    Example(
        "every volumeMount must name one of spec.volumes: add the volume, or correct the mount's name",
        "spec.volumeMounts",
        bad=(
            template(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            template(volumes=[{"name": "w", **SECRET}], volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        ),
        good=(template(volumes=[{"name": "v", **SECRET}], volumeMounts=[{"name": "v", "mountPath": "/v"}]),),
    ),
    Example(
        "set exactly one of configMap, secret, emptyDir and projected: probes get no other kinds of volume",
        "spec.volumes[0]",
        bad=(volume(), volume(**SECRET, **CONFIG_MAP)),
        good=(
            volume(**SECRET),
            volume(**CONFIG_MAP),
            volume(emptyDir={}),
            volume(emptyDir={"medium": "Memory", "sizeLimit": "1Mi"}),
        ),
    ),
    Example(
        "kubeprobe-token and tmp are volumes that every probe pod has already: choose another name",
        "spec.volumes[0].name",
        bad=(volume(name="tmp", **SECRET), volume(name="kubeprobe-token", **SECRET)),
        good=(volume(name="certificates", **SECRET),),
    ),
    Example(
        "every probe pod has its own /tmp and /var/run/secrets/kubeprobe already: choose another path",
        "spec.podOverrides.volumeMounts[0].mountPath",
        bad=tuple(
            config(podOverrides={"volumeMounts": [{"name": "v", "mountPath": path}]})
            for path in ("/tmp", "/var/run/secrets/kubeprobe")
        ),
        good=(config(podOverrides={"volumeMounts": [{"name": "v", "mountPath": "/tmp/v"}]}),),
    ),
    Example(
        "set exactly one of configMap, secret, downwardAPI and serviceAccountToken",
        "spec.volumes[0].projected.sources[0]",
        bad=(
            volume(projected={"sources": [{}]}),
            volume(projected={"sources": [{**TOKEN, **DOWNWARD}]}),
        ),
        good=(
            volume(projected={"sources": [TOKEN, DOWNWARD, {"secret": {"name": "s"}}, {"configMap": {"name": "c"}}]}),
        ),
    ),
    Example(
        "set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        "spec.env[0].valueFrom",
        bad=(
            template(env=[{"name": "A", "valueFrom": {}}]),
            template(env=[{"name": "A", "valueFrom": {"secretKeyRef": KEY, "configMapKeyRef": KEY}}]),
        ),
        good=(
            template(env=[{"name": "A", "valueFrom": {"secretKeyRef": KEY}}]),
            template(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
        ),
    ),
    Example(
        "names that begin with KUBEPROBE_ are set by kubeprobe itself: choose another name",
        "spec.env[0].name",
        bad=(template(env=[{"name": "KUBEPROBE_URL", "value": "http://else"}]),),
        good=(template(env=[{"name": "MY_KUBEPROBE_URL", "value": ""}]),),
    ),
    Example(
        "set value or valueFrom, not both",
        "spec.env[0]",
        bad=(template(env=[{"name": "A", "value": "", "valueFrom": {"secretKeyRef": KEY}}]),),
        good=(template(env=[{"name": "A"}]), template(env=[{"name": "A", "value": "$(PARAM_HOST)"}])),
    ),
    Example(
        "the operator Exists takes no value: leave value out, or use the operator Equal",
        "spec.podOverrides.tolerations[0].value",
        bad=(toleration(key="k", operator="Exists", value="v"),),
        good=(toleration(key="k", operator="Exists", value=""), toleration(key="k", value="v")),
    ),
    Example(
        "without a key the operator must be Exists, which tolerates every taint",
        "spec.podOverrides.tolerations[0].key",
        bad=(toleration(), toleration(key="", operator="Equal"), toleration(value="v")),
        good=(toleration(operator="Exists"), toleration(key="k")),
    ),
    Example(
        "tolerationSeconds goes with the effect NoExecute only",
        "spec.podOverrides.tolerations[0].tolerationSeconds",
        bad=(toleration(key="k", tolerationSeconds=5), toleration(key="k", effect="NoSchedule", tolerationSeconds=5)),
        good=(toleration(key="k", effect="NoExecute", tolerationSeconds=5), toleration(key="k", effect="NoSchedule")),
    ),
    Example(
        "longestQuiet must not be shorter than quiet",
        "spec.longestQuiet",
        bad=(gate(quiet="2m"), gate(longestQuiet="9999ms")),
        good=(gate(), gate(quiet="60s"), gate(quiet="2m", longestQuiet="1h")),
    ),
    Example(
        "'*' stands for all namespaces: leave the other names out, or leave it out",
        "spec.scope.namespaces",
        bad=(gate(scope={"namespaces": ["*", "shop"]}), gate(scope={"namespaces": ["shop", "*"]})),
        good=(gate(scope={"namespaces": ["shop", "pay"]}),),
    ),
    Example(
        "'*' stands for all namespaces: leave the other names out, or leave it out",
        "spec.probes.namespaces",
        bad=(gate(probes={"namespaces": ["*", "shop"]}),),
        good=(gate(probes={"namespaces": ["*"]}),),
    ),
    Example(
        "must be at least 10s and at most 30d",
        "spec.freshness",
        bad=(gate(freshness="9999ms"), gate(freshness="31d")),
        good=(gate(freshness="10s"), gate(freshness="30d")),
    ),
    Example(
        "must be at least 1s and at most 10m",
        "spec.quiet",
        bad=(gate(quiet="999ms"), gate(quiet="601s", longestQuiet="1h")),
        good=(gate(quiet="1s"), gate(quiet="10m", longestQuiet="10m")),
    ),
    Example(
        "must be at least 1s and at most 1h",
        "spec.longestQuiet",
        bad=(gate(longestQuiet="61m"),),
        good=(gate(quiet="1s", longestQuiet="1s"), gate(longestQuiet="1h")),
    ),
    Example(
        "must be at least 10s and at most 24h",
        "spec.timeout",
        bad=(gate(timeout="9s"), gate(timeout="25h")),
        good=(gate(timeout="10s"), gate(timeout="24h")),
    ),
    Example(
        "values go with the operators In and NotIn, and only with them",
        "spec.allowedNamespaces.matchExpressions[0].values",
        bad=(
            selector({"key": "k", "operator": "In"}),
            selector({"key": "k", "operator": "NotIn", "values": []}),
            selector({"key": "k", "operator": "Exists", "values": ["v"]}),
        ),
        good=(
            selector({"key": "k", "operator": "In", "values": ["v"]}),
            selector({"key": "k", "operator": "Exists"}, {"key": "k", "operator": "DoesNotExist", "values": []}),
        ),
    ),
)

RECORD = "the spec of a Change never changes: it is the operator's record of what happened"
"""As IMMUTABLE below, of a Change."""
IMMUTABLE = "the spec of a ProbeRun never changes: create another ProbeRun instead"
FINAL = "a ProbeRun with a verdict is a record and never changes: create another ProbeRun instead"
"""The one rule that compares with what was before, and so has no check without an API server."""
TOGETHER = (
    "the phase Completed and a verdict go together: a run that is going has none; create another ProbeRun instead of "
    "writing this one's status"
)
"""A rule of the status, which is not written with the object."""
CLOSURE = (
    "a closed gate has a closureID and an open one has none: set spec.override or spec.hold instead of writing the "
    "status"
)
"""Likewise."""
