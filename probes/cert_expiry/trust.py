"""Which roots a chain may lead to: a given bundle, or by default the cluster's own CA and the public ones."""

from functools import cache
from pathlib import Path

import certifi
from cryptography import x509

from cert_expiry.certificates import UnreadableError, parse
from probe_sdk import ProbeFailure

CLUSTER_CA = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
Certificates = tuple[x509.Certificate, ...]


class Trust:
    """Roots by the file that they are in, each file read once."""

    def __init__(self, cluster_ca: bytes | None) -> None:
        self._cluster_ca = cluster_ca
        self.roots = cache(self._roots)

    def _roots(self, ca_file: str) -> Certificates:
        if not ca_file:
            return (*(parse(self._cluster_ca) if self._cluster_ca else ()), *public())
        try:
            return parse(Path(ca_file).read_bytes())
        except OSError as error:
            raise ProbeFailure(
                f"caFile {ca_file}: {(error.strerror or str(error)).lower()}; mount it by the ProbeConfig's "
                "podOverrides.volumes and volumeMounts"
            ) from None
        except UnreadableError as error:
            raise ProbeFailure(f"caFile {ca_file}: {error}") from None


@cache
def public() -> Certificates:
    """The authorities of the public web, as Mozilla keeps them."""
    return parse(Path(certifi.where()).read_bytes())
