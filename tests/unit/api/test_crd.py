"""The CRDs as files and as a reference manual."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kubeprobe.api import CHANGES, CONFIGS, GATES, GROUP, KINDS, RESULTS, RUNS, TEMPLATES, ChangeGate
from kubeprobe.api.crd import custom_resource_definition, object_schema
from kubeprobe.cli.crds import crd_files

FOLDER = Path(__file__).parents[3] / "crds"


def test_the_files_are_what_the_models_say() -> None:
    """Run `make generate` when this fails."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == crd_files()


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from fields(part, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from fields(schema[inner], f"{path}[]")


FIELDS = [item for kind in KINDS for item in fields(object_schema(kind), kind.__name__)]


@pytest.mark.parametrize(("path", "schema"), FIELDS, ids=[path for path, _ in FIELDS])
def test_every_field_is_described(path: str, schema: dict[str, Any]) -> None:
    plain_item = path.endswith("[]") and schema.get("type") != "object"
    if plain_item or path.endswith(".metadata"):
        return  # its list describes it; the API server does
    assert schema["description"][-1] in ".…"
    assert not schema["description"][0].islower()


def test_defaults_fit_their_own_schemas() -> None:
    found = [(path, schema) for path, schema in FIELDS if "default" in schema]
    assert found
    for path, schema in found:
        assert list(Draft202012Validator(schema).iter_errors(schema["default"])) == [], path


def test_lists_with_keys_have_them_required() -> None:
    for path, schema in FIELDS:
        if schema.get("x-kubernetes-list-type") == "map":
            assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path


@pytest.mark.parametrize("kind", KINDS)
def test_names_scope_and_status(kind: Any) -> None:
    crd = custom_resource_definition(kind, kind.crd)
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    assert crd["metadata"]["name"] == f"{names['plural']}.{GROUP}"
    assert (names["kind"], names["listKind"]) == (kind.__name__, f"{kind.__name__}List")
    assert names["categories"] == ["kubeprobe"]
    assert version["subresources"] == {"status": {}}
    cluster_wide = ("ProbeTemplate", "ChangeGate", "Change")
    assert crd["spec"]["scope"] == ("Cluster" if kind.__name__ in cluster_wide else "Namespaced")
    assert all(column["jsonPath"].startswith(".") for column in version["additionalPrinterColumns"])


def test_plurals_and_short_names() -> None:
    plurals = ("probetemplates", "probeconfigs", "proberuns", "proberesults", "changegates", "changes")
    assert plurals == (TEMPLATES, CONFIGS, RUNS, RESULTS, GATES, CHANGES)
    assert [kind.crd.short_names for kind in KINDS] == [("pt",), ("pcfg",), ("pr",), ("pres",), ("cg",), ("chg",)]


def test_conditions_are_keyed_by_type() -> None:
    found = [(path, schema) for path, schema in FIELDS if path.endswith(".conditions")]
    assert len(found) == len(KINDS)
    assert all(schema["x-kubernetes-list-map-keys"] == ["type"] for _, schema in found)


def test_a_gate_has_a_status_from_the_start() -> None:
    """Flux's has() does not guard a status that is not there at all."""
    status = object_schema(ChangeGate)["properties"]["status"]
    assert status["default"]["phase"] == "Open"
    assert status["properties"]["phase"]["default"] == "Open"


def test_columns_say_more_where_there_is_more_to_say() -> None:
    columns = custom_resource_definition(KINDS[1], KINDS[1].crd)["spec"]["versions"][0]["additionalPrinterColumns"]
    assert {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"} in columns
    assert [column["name"] for column in columns if column.get("priority")] == ["Interval", "Reason"]
