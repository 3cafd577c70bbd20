"""Baselines in every accepted form come to the same specs, and those that cannot be read say how to write them."""

import pytest
import yaml

from rate_limit.baseline import config_map, render
from rate_limit.objects import FLOW_SCHEMA, PRIORITY_LEVEL, BaselineError, Key, live, read_baseline

SCHEMA = {
    "kind": FLOW_SCHEMA,
    "metadata": {"name": "tenants", "uid": "1", "resourceVersion": "7"},
    "spec": {"matchingPrecedence": 500, "priorityLevelConfiguration": {"name": "tenants"}, "rules": []},
    "status": {"conditions": []},
}
LEVEL = {
    "kind": PRIORITY_LEVEL,
    "metadata": {"name": "tenants"},
    "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}},
}
BOTH = {Key(FLOW_SCHEMA, "tenants"), Key(PRIORITY_LEVEL, "tenants")}


def dumped(*documents: object) -> str:
    return yaml.safe_dump_all(documents)


@pytest.mark.parametrize(
    "data",
    [
        {"all.yaml": dumped(SCHEMA, LEVEL)},
        {"a": dumped(SCHEMA), "b": dumped(LEVEL)},
        {"list": dumped({"kind": "List", "items": [SCHEMA, LEVEL]})},
        {f"{FLOW_SCHEMA}.tenants": dumped(SCHEMA["spec"]), "prioritylevelconfiguration.tenants": dumped(LEVEL["spec"])},
        config_map([(FLOW_SCHEMA, SCHEMA), (PRIORITY_LEVEL, LEVEL)], "baseline", "probes")["data"],
    ],
)
def test_every_form_comes_to_the_same(data: dict[str, str]) -> None:
    found = read_baseline(data)
    assert found.keys() == BOTH
    assert found == {**live(FLOW_SCHEMA, [SCHEMA]), **live(PRIORITY_LEVEL, [LEVEL])}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"x": "{"}, "key 'x' is not YAML"),
        ({"x": "hello"}, "key 'x' holds no object"),
        ({"x": "kind: ConfigMap"}, "key 'x' holds a ConfigMap"),
        ({"x": "kind: FlowSchema"}, "without metadata.name"),
        ({"x": "type: Exempt"}, "call the key FlowSchema.NAME"),
        ({"Role.x": "type: Exempt"}, "call the key FlowSchema.NAME"),
    ],
)
def test_what_cannot_be_read(data: dict[str, str], words: str) -> None:
    with pytest.raises(BaselineError, match=words):
        read_baseline(data)


def test_a_baseline_may_leave_out_what_the_server_fills_in() -> None:
    short = read_baseline({"PriorityLevelConfiguration.x": "{type: Limited, limited: {limitResponse: {type: Queue}}}"})
    assert short[Key(PRIORITY_LEVEL, "x")] == {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 30,
            "lendablePercent": 0,
            "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}},
        },
    }
    exempt = read_baseline({"PriorityLevelConfiguration.x": "type: Exempt"})[Key(PRIORITY_LEVEL, "x")]
    assert exempt["exempt"] == {"nominalConcurrencyShares": 0, "lendablePercent": 0}
    assert read_baseline({"FlowSchema.x": "rules: []"})[Key(FLOW_SCHEMA, "x")]["matchingPrecedence"] == 1000


def test_a_printed_baseline_is_readable_and_leaves_out_what_it_shall() -> None:
    text = render(config_map([(FLOW_SCHEMA, SCHEMA), (PRIORITY_LEVEL, LEVEL)], "baseline", "probes", ["FlowSchema/*"]))
    assert "PriorityLevelConfiguration.tenants: |" in text
    manifest = yaml.safe_load(text)
    assert (manifest["kind"], manifest["metadata"]) == ("ConfigMap", {"name": "baseline", "namespace": "probes"})
    assert read_baseline(manifest["data"]).keys() == {Key(PRIORITY_LEVEL, "tenants")}
    assert "resourceVersion" not in render(config_map([(FLOW_SCHEMA, SCHEMA)], "baseline", "probes"))
