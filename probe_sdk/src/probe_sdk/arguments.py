"""Parameters of a run, from the pod's environment or from the command line of somebody who tries a probe out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from probe_sdk.failure import ProbeFailure
from probe_sdk.params import openapi_schema
from probe_sdk.wire import ENV_PARAMS

if TYPE_CHECKING:
    from argparse import Namespace

P = TypeVar("P", bound=BaseModel)


def read_params(model: type[P], environment: str, arguments: Sequence[str]) -> P:
    """Return the parameters: `--set` over `--params` over the environment's JSON.

    Raises ProbeFailure with a sentence for each parameter that is missing, unknown or wrong.
    """
    if not arguments:  # a pod's usual case, which then need not import argparse
        return checked(model, _object(environment or "{}", ENV_PARAMS))
    given = _parsed(model, arguments)
    source = _object(*_params_text(given.params, environment))
    types = {name: each.get("type") for name, each in openapi_schema(model)["properties"].items()}
    return checked(model, source | dict(_assignment(text, types) for text in given.set))


def _parsed(model: type[BaseModel], arguments: Sequence[str]) -> Namespace:
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    parser = ArgumentParser(formatter_class=RawDescriptionHelpFormatter, epilog=_help(model))
    parser.add_argument("--params", metavar="JSON|@FILE", help=f"all parameters as JSON (default: ${ENV_PARAMS})")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="one parameter; repeatable")
    return parser.parse_args(arguments)


def _params_text(given: str | None, environment: str) -> tuple[str, str]:
    """Return the JSON and where it is from."""
    if given is None:
        return environment or "{}", ENV_PARAMS
    if not given.startswith("@"):
        return given, "--params"
    try:
        return Path(given[1:]).read_text(encoding="utf-8"), given[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise ProbeFailure(f"--params {given}: {error}") from error


def _object(text: str, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ProbeFailure(f'{source} is not JSON: {error}; write an object such as {{"name": "value"}}') from error
    if not isinstance(value, dict):
        raise ProbeFailure(f'{source} is not a JSON object: write one such as {{"name": "value"}}')
    return value


def _assignment(text: str, types: dict[str, str | None]) -> tuple[str, Any]:
    """Read NAME=VALUE; a value is JSON where it can be, unless the parameter is a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ProbeFailure(f"--set {text}: write NAME=VALUE")
    if types.get(name) == "string":
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def checked(model: type[P], values: dict[str, Any]) -> P:
    """Return values as the model. Raises ProbeFailure with a sentence for each one that is wrong."""
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise ProbeFailure(*(_sentence(each["loc"], each["msg"]) for each in error.errors())) from None


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    return f"parameter {'.'.join(map(str, where))}: {message}" if where else f"parameters: {message}"


def _help(model: type[BaseModel]) -> str:
    schema = openapi_schema(model)
    lines = [_help_line(name, each, name in schema.get("required", ())) for name, each in schema["properties"].items()]
    return "\n".join(["parameters:", *lines] if lines else ["This probe takes no parameters."])


def _help_line(name: str, schema: dict[str, Any], required: bool) -> str:
    default = f"default {json.dumps(schema['default'])}" if "default" in schema else "optional"
    facts = f"{schema.get('type', 'any')}, {'required' if required else default}"
    return f"  {name} ({facts})" + (f": {schema['description']}" if "description" in schema else "")
