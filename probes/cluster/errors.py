"""What goes wrong between a probe and the cluster's API, told so that the reader knows where to look.

Both errors are ProbeFailures: a case that lets them pass has already said what it has to say.
"""

import os
import ssl

from probe_sdk import ProbeFailure
from probe_sdk.wire import ENV_NODE


def own_node() -> str:
    """The node that the probe runs on, in words."""
    node = os.environ.get(ENV_NODE)
    return f"node {node}" if node else "this machine"


class ApiUnreachable(ProbeFailure):
    """No connection to the API server: from inside a cluster, the way there is kube-proxy's."""

    def __init__(self, server: str, what: str, cause: str, waited_seconds: float = 0.0) -> None:
        where = own_node()
        look = f"kube-proxy on {where} (its rules for {server})" if where.startswith("node ") else "the network to it"
        super().__init__(
            f"the API server at {server} cannot be reached from {where} ({what}: {cause}); look at {look}, "
            "then at kube-apiserver itself",
            reason="Connect",
            waited_seconds=waited_seconds,
        )


class ApiUntrusted(ProbeFailure):
    """The way to the API server stands, TLS does not."""

    def __init__(self, server: str, what: str, cause: str) -> None:
        super().__init__(
            f"TLS with the API server at {server} came to nothing ({what}: {cause}); look at its serving certificate, "
            "at the CA that the probe is given, and at what listens there",
            reason="TLS",
        )


class ApiSilent(ProbeFailure):
    """The connection to the API server stands, an answer does not come."""

    def __init__(self, server: str, what: str, cause: str, waited_seconds: float = 0.0) -> None:
        super().__init__(
            f"the API server at {server} took the connection and did not answer ({what}: {cause}); "
            "look at kube-apiserver and at etcd behind it",
            reason="Silent",
            waited_seconds=waited_seconds,
        )


class ApiError(ProbeFailure):
    """The API server answered, with an error; `message` is its own words."""

    def __init__(self, what: str, status: int, reason: str, message: str) -> None:
        self.status = status
        self.message = message
        hint = refusal_hint(status, message)
        text = f"{what}: {status} {reason}: {message}" + (f"; look at {hint}" if hint else "")
        super().__init__(text, reason=reason)


# What an API error's text says about whose fault it is: the first match wins.
_REFUSALS = (
    ("exceeded quota", "the namespace's ResourceQuota: raise it or clean up (kubectl describe quota)"),
    ("status unknown for quota", "kube-controller-manager (it computes the quota)"),
    ("failed calling webhook", "the named webhook's backend: its Service, its pods, its certificate"),
    ("denied the request", "the named admission webhook or policy"),
    ("denied request", "the named ValidatingAdmissionPolicy"),
    ("violates PodSecurity", "the namespace's pod-security.kubernetes.io labels"),
    ("is being terminated", "the namespace: it is being deleted"),
    ("etcdserver:", "etcd (leader, disk, quorum)"),
)


def refusal_hint(status: int, message: str) -> str:
    """Where to look after the API refused a request; empty where its words say it all."""
    for pattern, hint in _REFUSALS:
        if pattern in message:
            return hint
    return {
        401: "the probe's service account token: is it expired, or of another cluster?",
        403: "the RBAC of the probe's service account: the case's rbac.yaml grants what it needs",
        429: "the API server's priority and fairness (kubectl get flowschemas)",
        500: "kube-apiserver's log",
        503: "kube-apiserver and etcd",
        504: "etcd and kube-apiserver's latency",
    }.get(status, "")


def tls_cause(error: BaseException | None) -> str:
    """What TLS said, if it was that. Its errors are OSErrors with numbers of OpenSSL's own."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    if error is None:
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()
