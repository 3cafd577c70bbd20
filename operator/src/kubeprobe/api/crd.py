"""CustomResourceDefinitions, generated from the models: schema with descriptions and rules, names, printer columns."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from kubeprobe.api.base import GROUP, VERSION, ApiModel
from kubeprobe.api.duration import Duration
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.structural import structural

CATEGORY = "kubeprobe"
OBJECT_FIELDS = {
    "apiVersion": {"type": "string", "description": f"Always {GROUP}/{VERSION}."},
    "kind": {"type": "string", "description": "The object's kind."},
    "metadata": {"type": "object"},
}
"""What the API server itself defines, and lets a schema say no more about."""


def custom_resource_definition(kind: type[ApiModel], crd: Crd) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind.

    Raises:
        NotStructuralError: its model says something that a structural schema cannot.
    """
    name = kind.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{crd.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "kubeprobe"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if crd.namespaced else "Cluster",
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": crd.plural,
                "singular": name.lower(),
                "shortNames": list(crd.short_names),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in crd.columns],
                    "schema": {"openAPIV3Schema": object_schema(kind)},
                }
            ],
        },
    }


def object_schema(kind: type[ApiModel]) -> dict[str, Any]:
    """The structural schema of a whole object of a kind."""
    whole = kind.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    own = {name: part for name, part in whole["properties"].items() if name not in OBJECT_FIELDS}
    required = [name for name in whole.get("required", ()) if name in own]
    schema = structural({**whole, "properties": own, "required": required}, kind.__name__)
    schema["properties"] = {**OBJECT_FIELDS, **schema["properties"]}
    if not required:
        del schema["required"]
    return schema


class _Generator(GenerateJsonSchema):
    """Pydantic's, with durations among the defaults as they are written."""

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON."""
        return str(dft) if isinstance(dft, Duration) else super().encode_default(dft)


def _column(column: Column) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        written["description"] = column.description
    if column.priority:
        written["priority"] = column.priority
    return written
