"""Client certificates, and the authorities trusted, in kubeconfigs: mounted as files or kept in Secrets."""

import glob
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from cert_expiry.certificates import Presented, Source, UnreadableError, parse
from cert_expiry.selection import SecretSelection, name_of, select
from cluster.api import Api
from cluster.words import Object
from probe_sdk import params, step


class KubeconfigSecrets(SecretSelection):
    """Secrets that hold a kubeconfig."""

    key: str = Field("kubeconfig", min_length=1, description="The Secrets' key that holds it (Cluster API: value).")


class Kubeconfigs(params.Model):
    """Where kubeconfigs are."""

    files: list[str] = Field([], description="Files, * and ? allowed, such as /etc/kubeprobe/kubeconfigs/*.")
    secrets: list[KubeconfigSecrets] = Field([], description="Secrets that hold a kubeconfig.")


async def read_selection(api: Api, chosen: KubeconfigSecrets) -> list[Source]:
    """The kubeconfigs in the Secrets of one selection."""
    with step("kubeconfigs"):
        return [_secret(secret, chosen.key) async for secret in select(api, chosen)]


def read_files(pattern: str) -> list[Source]:
    """The kubeconfigs in the files that a pattern names."""
    with step("kubeconfigs"):
        return list(_files(pattern))


def _files(pattern: str) -> Iterator[Source]:
    paths = sorted(path for path in map(Path, glob.glob(pattern)) if path.is_file())  # noqa: PTH207 - absolute patterns
    if not paths:
        yield Source(problems=(f"kubeconfig {pattern}: there is no such file; mount it by podOverrides.volumes",))
    for path in paths:
        yield read(f"kubeconfig {path}", path.read_bytes(), path.parent)


def _secret(secret: Object, key: str) -> Source:
    data = secret.get("data") or {}
    if key not in data:
        return Source(problems=(f"{name_of(secret)}: it has no key {key!r}; look at the selector and at `key`",))
    return read(f"kubeconfig in {name_of(secret)}", b64decode(data[key]), None)


def read(where: str, text: bytes, folder: Path | None) -> Source:
    """One kubeconfig's users and clusters; tokens and plugins have no certificate and are passed by."""
    try:
        document = yaml.safe_load(text)
        users, clusters = _entries(document, "users", "user"), _entries(document, "clusters", "cluster")
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, AttributeError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        return Source(problems=(f"{where} is unparsable: {type(error).__name__}: {said}",))
    parts = [
        *(_part(f"{where}, user {name}", user, "client-certificate", folder) for name, user in users.items()),
        *(_part(f"{where}, cluster {name}", one, "certificate-authority", folder) for name, one in clusters.items()),
    ]
    return Source(
        tuple(presented for part in parts for presented in part.presented),
        tuple(problem for part in parts for problem in part.problems),
    )


def _entries(document: Mapping[str, Any], kind: str, inner: str) -> dict[str, Mapping[str, Any]]:
    return {str(entry["name"]): entry.get(inner) or {} for entry in document.get(kind) or ()}


def _part(where: str, section: Mapping[str, Any], key: str, folder: Path | None) -> Source:
    try:
        pem = _pem(section, key, folder)
        return (
            Source((Presented(where, parse(pem), bundle=key == "certificate-authority"),))
            if pem is not None
            else Source()
        )
    except (UnreadableError, ValueError) as error:
        return Source(problems=(f"{where}: {key} is unparsable: {error}",))
    except OSError as error:
        return Source(problems=(f"{where}: {key} {section[key]}: {(error.strerror or str(error)).lower()}",))


def _pem(section: Mapping[str, Any], key: str, folder: Path | None) -> bytes | None:
    """What is inside wins over a file's name, as it does for kubectl; a Secret's file names lead nowhere."""
    if inline := section.get(f"{key}-data"):
        return b64decode(inline, validate=True)
    if (file := section.get(key)) and folder:
        return (folder / str(file)).read_bytes()
    return None
