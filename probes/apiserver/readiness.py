"""What an API server says of its own checks. Pure."""

from __future__ import annotations

import re
from typing import Final

NAMED: Final = 8
_CHECK: Final = re.compile(r"^\[(?P<sign>[+-])\](?P<name>\S+)(?: failed: (?P<why>.*))?", re.MULTILINE)
WITHHELD: Final = "reason withheld"


def failing(text: str) -> list[str]:
    """The checks that fail, each with its reason where the server tells it."""
    return [
        f"{found['name']} ({found['why']})" if found["why"] and found["why"] != WITHHELD else found["name"]
        for found in _CHECK.finditer(text)
        if found["sign"] == "-"
    ]


def not_ready(path: str, status: int, text: str) -> str:
    """One sentence for an answer that is not well."""
    names = failing(text)
    if not names:
        return f"{path} answered {status}: {' '.join(text.split())[:200] or 'nothing'}"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    of = len(_CHECK.findall(text))
    return f"{path} answered {status}, {len(names)} of {of} checks fail: {', '.join(names[:NAMED])}{more}"
