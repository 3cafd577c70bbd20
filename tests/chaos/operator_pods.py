"""The operator's pods as the suite needs them: with a clock that can be set, and a token that expires every 10 minutes.

Both are put on by a patch of the Deployment, not by anything in the operator: a `sitecustomize` that the interpreter
loads replaces the one function that tells the time, and reads the offset from a file in the pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.lab.lab import NAMESPACE, RELEASE, Lab

OFFSET_FILE = "/clock/offset-seconds"
TOKEN_SECONDS = 600
"""The shortest that the API server grants."""
SITE = f"""
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kubeprobe.control.operator as operator


def utc_now():
    try:
        offset_seconds = float(Path("{OFFSET_FILE}").read_text() or 0)
    except FileNotFoundError:
        offset_seconds = 0.0
    return datetime.now(UTC) + timedelta(seconds=offset_seconds)


operator.utc_now = utc_now
"""
PATCH = f"""
spec:
  template:
    spec:
      automountServiceAccountToken: false
      containers:
      - name: operator
        env:
        - {{name: PYTHONPATH, value: /site}}
        volumeMounts:
        - {{name: site, mountPath: /site}}
        - {{name: clock, mountPath: /clock}}
        - {{name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}}
      volumes:
      - name: site
        configMap: {{name: chaos-site}}
      - name: clock
        emptyDir: {{}}
      - name: api-access
        projected:
          sources:
          - serviceAccountToken: {{path: token, expirationSeconds: {TOKEN_SECONDS}}}
          - configMap: {{name: kube-root-ca.crt, items: [{{key: ca.crt, path: ca.crt}}]}}
          - downwardAPI: {{items: [{{path: namespace, fieldRef: {{fieldPath: metadata.namespace}}}}]}}
"""


@contextmanager
def prepared(lab: Lab) -> Iterator[None]:
    """The operator so, while the block lasts; afterwards it is what the chart makes of it."""
    metadata = {"name": "chaos-site", "namespace": NAMESPACE}
    data = {"sitecustomize.py": SITE}
    lab.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    try:
        patch = yaml.safe_dump(yaml.safe_load(PATCH))
        lab.kubectl("patch", "deployment", RELEASE, "-n", NAMESPACE, "--type=strategic", "-p", patch)
        _rolled_out(lab)
        yield
    finally:
        lab.kubectl.delete("deployment", RELEASE, NAMESPACE)
        lab.kubectl.delete("configmap", "chaos-site", NAMESPACE)
        lab.install()


def _rolled_out(lab: Lab) -> None:
    lab.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=180s", timeout_seconds=200)


def set_clock(pid: int, offset_seconds: float) -> None:
    """Set the clock of the operator that runs with a pid on this machine so far ahead; behind, if negative."""
    Path(f"/proc/{pid}/root{OFFSET_FILE}").write_text(f"{offset_seconds}\n")
