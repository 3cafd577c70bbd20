"""What a probe creates belongs to its run: when the run goes, Kubernetes takes it away.

An owner reference only holds inside one namespace: for an object elsewhere, or cluster-scoped, the garbage collector
would take the owner for missing. Such an object carries the labels alone, by which the operator finds what was left.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from probe_sdk import wire
from probe_sdk.environment import Environment


def owned(manifest: Mapping[str, Any], environment: Environment | None = None) -> dict[str, Any]:
    """Return a copy of a manifest that belongs to this run: labelled always, and owned in the run's namespace.

    Args:
        manifest: any Kubernetes object; one without `metadata.namespace` counts as cluster-scoped.
        environment: the run; by default the one of this process.
    """
    run = environment or Environment.read(os.environ)
    copy = deepcopy(dict(manifest))
    metadata = copy.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **_labels(run)}
    if run.run_uid and metadata.get("namespace") == run.namespace:
        metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or []), _owner_reference(run)]
    return copy


def _labels(run: Environment) -> dict[str, str]:
    labels = {wire.LABEL_MANAGED: wire.MANAGED_BY, wire.LABEL_RUN: run.run, wire.LABEL_CONFIG: run.config}
    return {key: value for key, value in labels.items() if value}


def _owner_reference(run: Environment) -> dict[str, str]:
    return {"apiVersion": wire.API_VERSION, "kind": wire.KIND_RUN, "name": run.run, "uid": run.run_uid}
