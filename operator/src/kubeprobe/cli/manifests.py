"""Objects read from files, folders and standard input, as kubectl would read them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUFFIXES = (".yaml", ".yml", ".json")
TIMESTAMP = "tag:yaml.org,2002:timestamp"
MERGE = "tag:yaml.org,2002:merge"
STDIN = "-"


class UnreadableError(Exception):
    """An input that cannot be read, or is no YAML; the message names it and the way out."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, or one item of a List in it."""

    source: str
    number: int
    """Its place in the source, from 1."""
    body: Any

    @property
    def place(self) -> str:
        """Where to look."""
        return f"{self.source}: document {self.number}"

    @property
    def title(self) -> str:
        """Kind, namespace and name, as far as they are given."""
        body = self.body if isinstance(self.body, dict) else {}
        metadata = body.get("metadata")
        meta = metadata if isinstance(metadata, dict) else {}
        name = "/".join(str(meta[key]) for key in ("namespace", "name") if meta.get(key)) or "without a name"
        return f"{body.get('kind') or 'object without a kind'} {name}"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes takes it: dates stay text, and a key that stands twice is a mistake."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - declared as an instance's by its base
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are text and differ."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text: put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice: remove one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def sources(path: str) -> list[str]:
    """The files behind one argument: a folder's files, sorted, with those of its folders.

    Raises:
        UnreadableError: there is nothing.
    """
    if path == STDIN or not Path(path).is_dir():
        return [path]
    found = sorted(str(one) for one in Path(path).rglob("*") if one.suffix in SUFFIXES and one.is_file())
    if not found:
        raise UnreadableError(f"{path}: no {', '.join(SUFFIXES)} files in this folder; name another one")
    return found


def read(source: str) -> list[Document]:
    """The documents of one file or of standard input.

    Raises:
        UnreadableError: it cannot be read, or is not YAML.
    """
    name = "<stdin>" if source == STDIN else source
    try:
        text = sys.stdin.read() if source == STDIN else Path(source).read_text(encoding="utf-8")
        return list(_documents(name, text))
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror or error}; check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise UnreadableError(f"{name}: not YAML: {' '.join(str(error).split())}") from error


def _documents(name: str, text: str) -> Iterator[Document]:
    for number, body in enumerate(yaml.load_all(text, Loader=_Loader), start=1):
        if isinstance(body, dict) and body.get("kind") == "List" and isinstance(body.get("items"), list):
            yield from (Document(name, number, item) for item in body["items"])
        elif body is not None:
            yield Document(name, number, body)
