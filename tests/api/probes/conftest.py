"""Two control planes: the session's, and one that may be broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed import ControlPlane
from testbed.pki import Authority, KeyPair
from tests.api.probes.cases import Cluster


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The session's: what is changed in it is put back."""
    return Cluster(control_plane, tmp_path_factory.mktemp("accounts"))


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of the module's own, whose API server has a certificate that expires tomorrow."""
    folder = tmp_path_factory.mktemp("breakable")
    ca = Authority(KeyPair.at(folder / "pki", "ca"))
    here = ["127.0.0.1", "localhost"]
    soon = ca.issue(KeyPair.at(folder / "soon", "apiserver"), "kube-apiserver", names=here, days=1)
    flags = (f"--tls-cert-file={soon.cert}", f"--tls-private-key-file={soon.key}")
    with ControlPlane.start(folder, flags=flags) as plane:
        yield Cluster(plane, tmp_path_factory.mktemp("accounts"))
