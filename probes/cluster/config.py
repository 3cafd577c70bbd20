"""Where the cluster's API is and who we are there: the pod's service account, or KUBECONFIG outside a cluster."""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe_sdk import Inconclusive
from probe_sdk.wire import ENV_NAMESPACE

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class ApiConfig:
    """One way to one cluster."""

    server: str
    namespace: str
    ca_pem: str | None = None
    verify: bool = True
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    certificate_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)

    def bearer_token(self) -> str | None:
        """The token as it is now: the kubelet renews the file under a pod that lives longer."""
        return self.token_file.read_text().strip() if self.token_file else self.token

    def ssl_context(self) -> ssl.SSLContext:
        """What the connection trusts and, with a client certificate, who it is."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        # Python 3.13 asks for extensions that the certificates of many clusters don't have.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_pem and self.key_pem:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # OpenSSL takes a key from a file only
                pair.write(f"{self.certificate_pem}\n{self.key_pem}\n")
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def load(environ: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> ApiConfig:
    """KUBECONFIG if it is set, otherwise the pod's service account. Raises Inconclusive where neither can be read."""
    try:
        if kubeconfig := environ.get("KUBECONFIG"):
            return from_kubeconfig(Path(kubeconfig), environ.get(ENV_NAMESPACE))
        if (account / "token").exists() and environ.get("KUBERNETES_SERVICE_HOST"):
            return from_service_account(environ, account)
    except OSError as error:
        raise Inconclusive(f"the way to the cluster's API cannot be read: {error}", reason="Files") from None
    raise Inconclusive(
        f"no way to the cluster's API: {account}/token is not mounted and KUBECONFIG is not set; "
        "in a cluster, give the ProbeTemplate or the ProbeConfig's podOverrides a serviceAccountName"
    )


def from_service_account(environ: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> ApiConfig:
    """The API as every pod reaches it: the ClusterIP of the Service `kubernetes`."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return ApiConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=environ.get(ENV_NAMESPACE) or (account / "namespace").read_text().strip(),
        ca_pem=(account / "ca.crt").read_text(),
        token_file=account / "token",
    )


def from_kubeconfig(path: Path, namespace: str | None = None) -> ApiConfig:
    """The current context of a kubeconfig with a token or a client certificate."""
    import yaml  # only a developer's machine pays for it

    document = yaml.safe_load(path.read_text())
    context = _named(document, "contexts", document["current-context"])["context"]
    cluster = _named(document, "clusters", context["cluster"])["cluster"]
    user = _named(document, "users", context["user"])["user"]
    token_file = user.get("tokenFile")
    return ApiConfig(
        server=cluster["server"].rstrip("/"),
        namespace=namespace or context.get("namespace") or "default",
        ca_pem=_pem(path, cluster, "certificate-authority"),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        token_file=path.parent / token_file if token_file else None,
        token=user.get("token"),
        certificate_pem=_pem(path, user, "client-certificate"),
        key_pem=_pem(path, user, "client-key"),
    )


def _named(document: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    for entry in document.get(kind) or ():
        if entry.get("name") == name:
            return dict(entry)
    raise Inconclusive(f"the kubeconfig has no entry {name!r} in {kind}")


def _pem(path: Path, section: Mapping[str, Any], key: str) -> str | None:
    if inline := section.get(f"{key}-data"):
        return base64.b64decode(inline).decode()
    file = section.get(key)
    return (path.parent / str(file)).read_text() if file else None
