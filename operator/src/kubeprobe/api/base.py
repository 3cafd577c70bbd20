"""What every object of kubeprobe.io has in common: names on the wire, immutability, and how time is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from kubeprobe.api.rules import Rule, with_validations

GROUP: Final = "kubeprobe.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "kubeprobe.io/v1alpha1"


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A moment in UTC, written as RFC 3339 with Z, with microseconds where there are any."""


class ApiModel(BaseModel):
    """A part of an object: camelCase on the wire, snake_case here, frozen.

    Fields that are not known are passed over, since a newer CRD may bring some; `kubeprobe validate` refuses them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, alias_generator=to_camel)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields: kept by the API server as CEL, and by `broken_rules` without one."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema with the rules as x-kubernetes-validations."""
        schema = handler(core_schema)
        with_validations(handler.resolve_ref_schema(schema), cls.rules)
        return schema


def described(description: str, **kubernetes: Any) -> dict[str, Any]:
    """The keywords of a field with a description and x-kubernetes-* markers, written list_type="map" for short."""
    markers = {f"x-kubernetes-{name.replace('_', '-')}": value for name, value in kubernetes.items()}
    return {"description": description, "json_schema_extra": markers or None}
