"""What the operator may do in the cluster that its chart was installed into: what it needs, and no more."""

from __future__ import annotations

import pytest
from tests.lab.kubectl import KubectlError
from tests.lab.lab import NAMESPACE, Lab

FORBIDDEN = [
    ("*", "*"),
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "pods/exec"),
    ("patch", "pods"),
    ("create", "statefulsets.apps"),
    ("create", "services"),
    ("patch", "nodes"),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
    ("create", "serviceaccounts/token"),
    ("create", "probetemplates.kubeprobe.io"),
    ("patch", "probeconfigs.kubeprobe.io"),
    ("delete", "probeconfigs.kubeprobe.io"),
    ("delete", "nodes"),
]


def test_no_rule_of_the_chart_has_a_wildcard(lab: Lab) -> None:
    for kind in ("clusterrole", "role"):
        roles = [role for role in lab.kubectl.list(kind) if ours(role)]
        assert roles
        for role in roles:
            for rule in role["rules"]:
                assert "*" not in [word for words in rule.values() for word in words], rule


@pytest.mark.parametrize(("verb", "resource"), FORBIDDEN)
def test_the_operator_may_not(lab: Lab, verb: str, resource: str) -> None:
    account = f"--as=system:serviceaccount:{NAMESPACE}:kubeprobe"
    kind, _, subresource = resource.partition("/")
    # kubectl ends with an error when the answer is no.
    with pytest.raises(KubectlError, match=r"can-i.*: (no)?$"):
        lab.kubectl("auth", "can-i", verb, kind, f"--subresource={subresource}", account, "-A")


def ours(role: dict[str, dict[str, dict[str, str]]]) -> bool:
    return role["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "kubeprobe"
