"""What a found target is called, and what of it is put into its parameters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from kubeprobe.api import DiscoverKind
from kubeprobe.plan.candidates import Candidate, Port, Spot

NAME_LENGTH = 253
MARK_LENGTH = 9
VARIABLE = re.compile(r"\$\$|\$\(([A-Z]+)\)")


def target_name(one: Candidate, spot: Spot, port: Port) -> str:
    """What a found target is called: the same for as long as it is the same thing."""
    inside = one.name
    if one.kind is DiscoverKind.ENDPOINT_SLICE:
        inside = f"{dict(spot.about).get('service', one.name)}/{_host(spot.address)}"
    elif one.kind is DiscoverKind.INGRESS:
        inside = f"{one.name}/{spot.address}"
    return fitting(
        "/".join(part for part in (one.namespace, inside) if part) + (f":{port.number}" if port.number else "")
    )


def fitting(name: str) -> str:
    """A name within what a name may have; of one that is longer, the end is told by a hash."""
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - MARK_LENGTH]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _host(address: str) -> str:
    """The address as a URL has it: one of IPv6, and nothing else, has colons."""
    return f"[{address}]" if ":" in address else address


def variables_of(one: Candidate, spot: Spot, port: Port) -> Mapping[str, str]:
    """What may stand in the parameters as $(NAME), with its value; empty where the target has none."""
    return {
        "ADDRESS": spot.address,
        "HOST": _host(spot.address),
        "PORT": str(port.number or ""),
        "SCHEME": "https" if port.tls else "http",
        "PATH": spot.path,
        "NAME": one.name,
        "NAMESPACE": one.namespace,
    }


def expanded(params: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with what stands for the target's own put in. Raises ValueError where there is nothing to put."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        if name not in variables:
            raise ValueError(f"params: there is no $({name}): write one of {', '.join(variables)}, or $$ for a $")
        if not variables[name]:
            raise ValueError(f"params: it has no {name}: write port in this entry, or leave $({name}) out")
        return variables[name]

    return {name: _within(part, lambda text: VARIABLE.sub(value, text)) for name, part in params.items()}


def _within(part: Any, expand: Callable[[str], str]) -> Any:
    if isinstance(part, str):
        return int(expand(part)) if part == "$(PORT)" else expand(part)
    if isinstance(part, Mapping):
        return {name: _within(inner, expand) for name, inner in part.items()}
    if isinstance(part, list | tuple):
        return [_within(inner, expand) for inner in part]
    return part
