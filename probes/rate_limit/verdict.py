"""What the answers to a burst say about throttling. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.words import Object
from rate_limit.burst import UNANSWERED, Answer

THROTTLED = 429
FINE = range(200, 300)


@dataclass(frozen=True)
class Names:
    """The names of flow schemas and priority levels by their UIDs, and the specs of the levels."""

    flow_schemas: Mapping[str, Object]
    priority_levels: Mapping[str, Object]

    @classmethod
    def of(cls, flow_schemas: Sequence[Object], priority_levels: Sequence[Object]) -> "Names":
        """Index what the API listed."""
        schemas, levels = (
            {item["metadata"]["uid"]: item for item in items} for items in (flow_schemas, priority_levels)
        )
        return cls(schemas, levels)

    def classified(self, answer: Answer) -> str:
        """Where a request was put, in words."""
        schema = _name(self.flow_schemas.get(answer.flow_schema_uid), answer.flow_schema_uid)
        level = _name(self.priority_levels.get(answer.priority_level_uid), answer.priority_level_uid)
        return f"FlowSchema {schema} of PriorityLevelConfiguration {level}"

    def level_named(self, name: str) -> Object | None:
        """The spec of a level."""
        found = (item for item in self.priority_levels.values() if item["metadata"]["name"] == name)
        return next((item["spec"] for item in found), None)


def _name(item: Object | None, uid: str) -> str:
    return str(item["metadata"]["name"]) if item else f"with the UID {uid}"


def misdirected(answer: Answer, names: Names, schema: str, account: str) -> str | None:
    """Whether requests of the burst's account don't meet the schema that throttles them; None when they do."""
    if answer.status == UNANSWERED:
        return (
            f"throttling does not work: a single request of service account {account} was not answered: it waits in a "
            f"queue instead of being refused; look at {_level_of(schema, names)}"
        )
    if not answer.flow_schema_uid:
        return (
            "throttling does not work: the API server answers without X-Kubernetes-PF-FlowSchema-UID; look at its flag "
            "--enable-priority-and-fairness, and whether a proxy before it takes the header away"
        )
    met = names.flow_schemas.get(answer.flow_schema_uid)
    if met and met["metadata"]["name"] == schema:
        return None
    there = any(item["metadata"]["name"] == schema for item in names.flow_schemas.values())
    state = "is there and does not match" if there else "is missing"
    return (
        f"throttling does not work: a request of service account {account} was put into {names.classified(answer)} "
        f"instead of FlowSchema {schema}, which {state}; look at its subjects and matchingPrecedence, or apply the "
        "case's rbac.yaml"
    )


def judge(answers: Sequence[Answer], names: Names, schema: str) -> str | None:
    """Whether a burst was throttled by the schema that should; None when it was."""
    throttled = [answer for answer in answers if answer.status == THROTTLED]
    if not throttled:
        return f"throttling does not work: {_unthrottled(answers, names, schema)}"
    for answer in throttled:
        met = names.flow_schemas.get(answer.flow_schema_uid)
        if met is None or met["metadata"]["name"] != schema:
            return f"throttling is not by FlowSchema {schema}: a 429 came from {names.classified(answer)}"
        if not answer.retry_after:
            return f"throttling by FlowSchema {schema} is incomplete: a 429 came without Retry-After"
    return _others(answers)


def _unthrottled(answers: Sequence[Answer], names: Names, schema: str) -> str:
    refused = _others(answers)
    return (
        f"{len(answers)} requests at the same time in FlowSchema {schema} brought no 429"
        f"{f' ({refused})' if refused else ''}; look at {_level_of(schema, names)}"
    )


def _level_of(schema: str, names: Names) -> str:
    """The level that a schema leads to, and how it limits."""
    found = (item for item in names.flow_schemas.values() if item["metadata"]["name"] == schema)
    item = next(found, None)
    if item is None:
        return f"FlowSchema {schema}, which is missing"
    level = str(item["spec"]["priorityLevelConfiguration"]["name"])
    return f"PriorityLevelConfiguration {level}{_limits(names.level_named(level))}"


def _limits(spec: Mapping[str, Any] | None) -> str:
    if spec is None:
        return ", which is missing"
    limited = spec.get("limited")
    if not limited:
        return f": its type is {spec.get('type')}, so it limits nothing"
    response = (limited.get("limitResponse") or {}).get("type")
    return (
        f": nominalConcurrencyShares {limited.get('nominalConcurrencyShares', 30)}, limitResponse {response}; "
        "0 and Reject throttle a burst"
    )


def _others(answers: Sequence[Answer]) -> str | None:
    """Answers that are neither a pass nor a 429."""
    if waiting := sum(answer.status == UNANSWERED for answer in answers):
        return f"{waiting} of {len(answers)} requests of the burst were not answered: they wait in a queue"
    odd = sorted({answer.status for answer in answers if answer.status != THROTTLED and answer.status not in FINE})
    if not odd:
        return None
    hint = "; look at the RBAC of the burst's service account" if 403 in odd else ""
    return f"the burst was answered with {', '.join(map(str, odd))}{hint}"
