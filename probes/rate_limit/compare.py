"""What differs between a baseline and the cluster, field by field. Pure."""

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rate_limit.objects import Key, Specs

ABSENT = object()
SHOWN_CHARACTERS = 160


def differences(wanted: Specs, found: Specs, ignored: Sequence[str]) -> list[str]:
    """One sentence for each missing object, each changed field, and each extra object that is not ignored."""
    return [*_missing(wanted, found), *_changed(wanted, found), *_extra(wanted, found, ignored)]


def _missing(wanted: Specs, found: Specs) -> Iterator[str]:
    for key in sorted(wanted.keys() - found.keys()):
        yield f"{key} is missing: the baseline has it, the cluster does not; look at who deleted it (audit log)"


def _changed(wanted: Specs, found: Specs) -> Iterator[str]:
    for key in sorted(wanted.keys() & found.keys()):
        for path, want, have in walk("spec", wanted[key], found[key]):
            yield f"{key} is changed: {path} is {_shown(have)}, the baseline says {_shown(want)}"


def _extra(wanted: Specs, found: Specs, ignored: Sequence[str]) -> Iterator[str]:
    for key in sorted(found.keys() - wanted.keys()):
        if not is_ignored(key, ignored):
            yield f"{key} is extra: the cluster has it, the baseline does not; add it there, or to `ignoreExtra`"


def is_ignored(key: Key, patterns: Sequence[str]) -> bool:
    """Whether a pattern `NAME` or `KIND/NAME`, with * and ?, names an object."""
    return any(fnmatchcase(f"{key.kind}/{key.name}" if "/" in pattern else key.name, pattern) for pattern in patterns)


def walk(path: str, wanted: object, found: object) -> Iterator[tuple[str, object, object]]:
    """The paths at which two values differ, as deep as they can be told apart; lists of words have no order."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in sorted(wanted.keys() | found.keys()):
            yield from walk(f"{path}.{name}", wanted.get(name, ABSENT), found.get(name, ABSENT))
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _lists(path, wanted, found)
    elif wanted != found and not (_nothing(wanted) and _nothing(found)):
        yield path, wanted, found


def _lists(path: str, wanted: list[Any], found: list[Any]) -> Iterator[tuple[str, object, object]]:
    if all(isinstance(value, str) for value in (*wanted, *found)):
        if sorted(wanted) != sorted(found):
            yield path, wanted, found
        return
    for index in range(max(len(wanted), len(found))):
        want, have = (values[index] if index < len(values) else ABSENT for values in (wanted, found))
        yield from walk(f"{path}[{index}]", want, have)


def _nothing(value: object) -> bool:
    """The API leaves out what is empty or false; somebody who writes a baseline may not."""
    return value is ABSENT or value is None or value is False or value in ("", [], {})


def _shown(value: object) -> str:
    if value is ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
