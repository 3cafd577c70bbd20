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


def _object(kind: str, name: str, spec: Body, namespace: str | None = "default") -> Body:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def volume(**source: Any) -> Body:
    return template(volumes=[{"name": "v", **source}])


def toleration(**fields: Any) -> Body:
    return config(podOverrides={"tolerations": [fields]})


def sweep(**each_node: Any) -> Body:
    return config(targets={"eachNode": each_node})


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


SECRET = {"secret": {"secretName": "s"}}
CONFIG_MAP = {"configMap": {"name": "c"}}
TOKEN = {"serviceAccountToken": {"path": "token"}}
DOWNWARD = {"downwardAPI": {"items": [{"path": "node", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}
KEY = {"name": "n", "key": "k"}

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
        "missed and attempt go with the kind Schedule only: leave them out",
        "spec.trigger.missed",
        bad=(
            run(configRef={"name": "c"}, trigger={"kind": "Manual", "attempt": 2}),
            run(
                configRef={"name": "c"},
                trigger={"missed": {"count": 1, "since": "2026-01-01T00:00:00Z", "reason": "Late"}},
            ),
        ),
        good=(
            run(
                configRef={"name": "c"},
                trigger={
                    "kind": "Schedule",
                    "slot": "2026-01-01T00:00:00Z",
                    "attempt": 2,
                    "missed": {"count": 1, "since": "2026-01-01T00:00:00Z", "reason": "Busy"},
                },
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
        "mode Periodic needs a schedule, and mode OnDemand has none: add spec.schedule, or set mode to OnDemand",
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

IMMUTABLE = "the spec of a ProbeRun never changes: create another ProbeRun instead"
FINAL = "a ProbeRun with a verdict is a record and never changes: create another ProbeRun instead"
"""The one rule that compares with what was before, and so has no check without an API server."""
TOGETHER = (
    "the phase Completed and a verdict go together: a run that is going has none; create another ProbeRun instead of "
    "writing this one's status"
)
"""A rule of the status, which is not written with the object."""
