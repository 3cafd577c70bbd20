"""etcd, API server, controller-manager and scheduler: their keys, their flags, nothing else.

The same functions serve the whole cluster (on the bridge's address) and the control plane alone (on loopback, on
ports of its own), so the API tests run against what the end-to-end tests run against.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.kubeconfig import write_kubeconfig
from testbed.layout import SERVICE_FIRST, SERVICE_RANGE
from testbed.pki import Authority, KeyPair, ensure_signing_key
from testbed.process import ProcessSpec

ETCD = "etcd"
APISERVER = "apiserver"
CONTROLLER_MANAGER = "controller-manager"
SCHEDULER = "scheduler"
ISSUER = "https://kubernetes.default.svc.cluster.local"

# Everything but the noise of leases and health checks by the system itself: enough to count requests by user agent.
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/readyz*", "/livez*", "/healthz*", "/version", "/metrics"]
- level: None
  userGroups: ["system:nodes"]
  resources: [{group: coordination.k8s.io}]
- level: None
  users: ["system:apiserver"]
  resources: [{group: coordination.k8s.io}]
- level: Metadata
"""


@dataclass(frozen=True)
class Plane:
    """The settings of one control plane."""

    state: Path
    bin: Path
    address: str
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    audit_log: Path | None

    @property
    def pki(self) -> Path:
        """Its keys and certificates."""
        return self.state / "pki"

    @property
    def api_url(self) -> str:
        """The API server's address."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd_url(self) -> str:
        """The etcd's address, for clients with a certificate."""
        return f"https://{self.address}:{self.etcd_port}"

    @property
    def authority(self) -> Authority:
        """Signs what talks to the API server and the kubelets."""
        return Authority(KeyPair.at(self.pki, "ca"))

    @property
    def etcd_authority(self) -> Authority:
        """Signs what talks to etcd."""
        return Authority(KeyPair.at(self.pki / "etcd", "ca"))

    def etcd_client(self) -> KeyPair:
        """A client certificate for etcd that is not the API server's: for probes."""
        return self.etcd_authority.issue(KeyPair.at(self.pki / "etcd", "kubeprobe-client"), "kubeprobe-etcd-client")

    def kubeconfig(self, path: Path, user: str, *groups: str, cluster: str = "testbed") -> Path:
        """A kubeconfig of its own for a user; an existing one is kept."""
        if path.exists():
            return path
        client = self.authority.issue(KeyPair.at(self.pki / "users", user.replace(":", "_")), user, groups)
        return write_kubeconfig(
            path, name=cluster, server=self.api_url, authority=self.authority.files.cert, client=client
        )

    def write_pki(self) -> None:
        """Everything that etcd and the API server read at their start."""
        here = [self.address, "127.0.0.1", "localhost"]
        etcd = self.etcd_authority
        # The server's certificate is a client's too: etcd's JSON gateway dials etcd itself with it.
        etcd.issue(KeyPair.at(self.pki / "etcd", "server"), "etcd", names=here)
        etcd.issue(KeyPair.at(self.pki / "etcd", "apiserver-client"), "kube-apiserver")
        self.etcd_client()
        ca = self.authority
        services = [f"kubernetes{tail}" for tail in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        ca.issue(KeyPair.at(self.pki, "apiserver"), "kube-apiserver", names=[*here, SERVICE_FIRST, *services])
        ca.issue(KeyPair.at(self.pki, "kubelet-client"), "kube-apiserver-kubelet-client", ["system:masters"])
        front = Authority(KeyPair.at(self.pki, "front-proxy-ca"))
        front.issue(KeyPair.at(self.pki, "front-proxy-client"), "front-proxy-client")
        ensure_signing_key(self.pki / "service-account.key")

    def etcd(self) -> ProcessSpec:
        """The store, over mutual TLS; nothing is synced to disk, this is a cluster to throw away."""
        pki = self.pki / "etcd"
        server = KeyPair.at(pki, "server")
        peer_url = f"https://{self.address}:{self.etcd_peer_port}"
        argv = (
            str(self.bin / "etcd"),
            "--name=testbed",
            f"--data-dir={self.state / 'etcd'}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=testbed={peer_url}",
            "--client-cert-auth",
            f"--trusted-ca-file={pki / 'ca.crt'}",
            f"--cert-file={server.cert}",
            f"--key-file={server.key}",
            "--peer-client-cert-auth",
            f"--peer-trusted-ca-file={pki / 'ca.crt'}",
            f"--peer-cert-file={server.cert}",
            f"--peer-key-file={server.key}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        return ProcessSpec(ETCD, argv, stop_seconds=5)

    def apiserver(self, *extra: str) -> ProcessSpec:
        """The API server, with `extra` flags last."""
        pki = self.pki
        argv = (
            str(self.bin / "kube-apiserver"),
            f"--bind-address={self.address}",
            f"--secure-port={self.api_port}",
            f"--etcd-servers={self.etcd_url}",
            f"--etcd-cafile={pki / 'etcd' / 'ca.crt'}",
            *_pair("etcd-certfile", "etcd-keyfile", KeyPair.at(pki / "etcd", "apiserver-client")),
            *_pair("tls-cert-file", "tls-private-key-file", KeyPair.at(pki, "apiserver")),
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            *_pair("kubelet-client-certificate", "kubelet-client-key", KeyPair.at(pki, "kubelet-client")),
            "--kubelet-preferred-address-types=InternalIP",
            *_pair("proxy-client-cert-file", "proxy-client-key-file", KeyPair.at(pki, "front-proxy-client")),
            f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={pki / 'service-account.pub'}",
            f"--service-account-signing-key-file={pki / 'service-account.key'}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            *self._audit(),
            *extra,
        )
        return ProcessSpec(APISERVER, argv)

    def controller_manager(self) -> ProcessSpec:
        """Without leader election: there is one, and it must be back at once when it is started again."""
        config = self.kubeconfig(
            self.state / "config" / "controller-manager.kubeconfig", "system:kube-controller-manager"
        )
        argv = (
            str(self.bin / "kube-controller-manager"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--bind-address={self.address}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            "--kube-api-qps=100",  # each controller asks for a token first: at the default of 20 that takes seconds
            "--kube-api-burst=200",
            f"--root-ca-file={self.pki / 'ca.crt'}",
            f"--client-ca-file={self.pki / 'ca.crt'}",
            f"--service-account-private-key-file={self.pki / 'service-account.key'}",
            *_pair("cluster-signing-cert-file", "cluster-signing-key-file", KeyPair.at(self.pki, "ca")),
            f"--service-cluster-ip-range={SERVICE_RANGE}",
        )
        return ProcessSpec(CONTROLLER_MANAGER, argv)

    def scheduler(self) -> ProcessSpec:
        """Without leader election, as above."""
        config = self.kubeconfig(self.state / "config" / "scheduler.kubeconfig", "system:kube-scheduler")
        argv = (
            str(self.bin / "kube-scheduler"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--bind-address={self.address}",
            "--leader-elect=false",
        )
        return ProcessSpec(SCHEDULER, argv)

    def _audit(self) -> tuple[str, ...]:
        if self.audit_log is None:
            return ()
        policy = self.state / "config" / "audit-policy.yaml"
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(_AUDIT_POLICY)
        self.audit_log.parent.mkdir(parents=True, exist_ok=True)
        return (
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=2",
        )


def _pair(cert_flag: str, key_flag: str, files: KeyPair) -> tuple[str, str]:
    return f"--{cert_flag}={files.cert}", f"--{key_flag}={files.key}"
