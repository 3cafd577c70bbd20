"""Kinds of texts that several probes take as parameters."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
        re.compile(pattern.encode())  # bodies are searched as the bytes that they are
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_compiles)]
Host = Annotated[str, StringConstraints(pattern=r"^[^\s/\[\]@?#%]+$", max_length=253)]
"""A name or an address, an IPv6 one without brackets."""


def authority(host: str, port: int) -> str:
    """A host and its port as they are written together."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
