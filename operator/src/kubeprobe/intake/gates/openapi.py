"""The HTTP gate's part of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from kubeprobe.intake.gates.announced import Announced
from kubeprobe.intake.gates.handler import LONGEST_WAIT, PATH
from kubeprobe.intake.gates.metrics import CODES, Call
from kubeprobe.intake.gates.word import GateBody
from probe_sdk.wire import MAX_BODY_BYTES

SECURITY: list[dict[str, list[str]]] = [{}, {"clusterToken": []}, {"clusterTokenAsPassword": []}]
SCHEMES = {
    "clusterToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the cluster, where the operator is told to ask for one.",
    },
    "clusterTokenAsPassword": {
        "type": "http",
        "scheme": "basic",
        "description": "The same token as a password, for tools that can be given nothing but an address.",
    },
}
TEXTS: Mapping[int, str] = {
    400: "wait is no duration or too long, or change not the name of a Change, or the body is not an announcement",
    401: "no token, or one that the cluster does not know",
    403: "the caller may not ask this, or not in clear text",
    404: "there is no such ChangeGate",
    408: "the body did not arrive in time",
    413: f"the body is longer than {MAX_BODY_BYTES} bytes",
    415: "the body has a Content-Encoding",
    429: "too many calls",
    500: "a bug of the operator",
    503: "the operator has just begun, or cannot find out now who may ask",
}
NOT_WRITTEN = "this replica does not lead, or the change could not be written now"


class Gates(BaseModel):
    """All gates."""

    gates: tuple[GateBody, ...] = Field(description="All gates, in the order of their names.")


class AnnouncedChange(BaseModel):
    """The Change that an announcement became part of."""

    id: str = Field(description="Name of the Change; ask the gate with ?change=… for the verdict on it.")


class Accepted(BaseModel):
    """What became of an announcement."""

    name: str = Field(description="Name of the ChangeGate.")
    change: AnnouncedChange = Field(description="The Change.")


ANSWERED: tuple[type[BaseModel], ...] = (GateBody, Gates, Accepted)
MODELS: tuple[type[BaseModel], ...] = (*ANSWERED, Announced)
NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "Name of the ChangeGate.",
    "schema": {"type": "string"},
}
WAITING = [
    {
        "name": "wait",
        "in": "query",
        "description": f"How long to wait until the verdict is no longer Pending, such as 8s; {LONGEST_WAIT} at most.",
        "schema": {"type": "string"},
    },
    {
        "name": "change",
        "in": "query",
        "description": "Full name of a Change: as long as the gate has not come to it, or a newer one, its verdict is "
        "told as Pending.",
        "schema": {"type": "string"},
    },
]


def paths() -> dict[str, Any]:
    """The paths."""
    closed = {403: ("it is closed (or the caller may not ask this)", "GateBody")}
    not_now = {403: ("not now (or the caller may not ask this)", "GateBody")}
    gate = f"{PATH}/{{name}}"

    def check(operation: str) -> dict[str, Any]:
        return _operation(Call.CHECK, operation, "Whether changes may pass", "it is open", closed, WAITING)

    read = _operation(Call.GATE, "gate", "What a gate says", "what it says, whether it is open or closed", {}, WAITING)
    rollback = _operation(
        Call.ROLLBACK, "rollback", "Whether to roll back", "roll back: the change in progress has failed", not_now
    )
    changes = _operation(
        Call.CHANGES, "announce", "Announce a change", "the Change is written", {503: (NOT_WRITTEN, "Error")}
    )
    changes["requestBody"] = {"required": False, "content": _json("Announced")}
    return {
        PATH: {"get": _operation(Call.LIST, "gates", "What all gates say", "all gates", {})},
        gate: {"parameters": [NAME], "get": read},
        f"{gate}/check": {"parameters": [NAME], "get": check("check"), "post": check("checkByPost")},
        f"{gate}/rollback": {"parameters": [NAME], "post": rollback},
        f"{gate}/changes": {"parameters": [NAME], "post": changes},
    }


def _operation(
    call: Call,
    operation: str,
    summary: str,
    well: str,
    others: Mapping[int, tuple[str, str]],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    schema = {Call.LIST: "Gates", Call.CHANGES: "Accepted"}.get(call, "GateBody")
    answers = {int(code): (TEXTS.get(code, well), "Error") for code in CODES[call]} | dict(others)
    answers |= {code: (well, schema) for code in (HTTPStatus.OK, HTTPStatus.ACCEPTED) if code in answers}
    told = {str(int(code)): {"description": text, "content": _json(name)} for code, (text, name) in answers.items()}
    asked = {"parameters": parameters} if parameters else {}
    return {"operationId": operation, "summary": summary, "security": SECURITY, **asked, "responses": told}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
