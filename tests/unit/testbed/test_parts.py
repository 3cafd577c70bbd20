"""The smaller pure parts, one or two tests for each."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from testbed import faults
from testbed.cgroup import Hierarchy, in_use, parse_mountinfo
from testbed.controlplane import Plane
from testbed.errors import TestbedError
from testbed.layout import Layout
from testbed.machine import Need, install, missing, write_if_new
from testbed.native import mounts_below
from testbed.node import cni_config, write_cni_config
from testbed.pki import Authority, KeyPair, ensure_signing_key
from testbed.sandbox import SANDBOX_IMAGE, write_image
from testbed.services import dns_query

V1 = """\
24 23 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
25 24 0:22 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
26 24 0:23 / /sys/fs/cgroup/pids rw,relatime shared:3 - cgroup cgroup rw,pids
27 24 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup rw
"""
V2 = "25 24 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_control_groups_of_version_1_are_used_where_they_are() -> None:
    found = parse_mountinfo(V1)
    assert [each.mount.name for each in found] == ["cpu", "pids", "unified"]
    assert [each.mount.name for each in in_use(found)] == ["cpu", "pids"]
    assert "pids" in found[1].controllers


def test_else_the_unified_ones_are() -> None:
    assert in_use(parse_mountinfo(V2)) == [Hierarchy(Path("/sys/fs/cgroup"), frozenset({"rw", "nsdelegate"}), True)]


def test_mounts_are_taken_away_innermost_first_and_only_ours() -> None:
    points = ["/state/a", "/state/a/b/c", "/state", "/statement", "/run/x y", "/"]
    text = "".join(f"1 2 0:1 / {point.replace(' ', chr(92) + '040')} rw - tmpfs t rw\n" for point in points)
    assert mounts_below(text, [Path("/state"), Path("/run/x y")]) == ["/state/a/b/c", "/run/x y", "/state/a", "/state"]


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "-a", "x" * 33])
def test_a_name_that_would_end_up_in_paths_is_refused(name: str) -> None:
    with pytest.raises(TestbedError, match="lower-case"):
        Layout.of(name)


def test_two_nodes_share_no_name_and_no_address(tmp_path: Path) -> None:
    layout = Layout.of("kubeprobe", tmp_path)
    one, two = layout.node(1), layout.node(2)
    for of in ("name", "netns", "veth", "address", "pod_range", "socket", "cni_config", "address_leases"):
        assert getattr(one, of) != getattr(two, of)
    assert len(str(layout.node(99).veth)) <= 15  # the kernel's limit for an interface's name


def test_addresses_are_taken_and_given_back_but_not_those_of_pods(tmp_path: Path) -> None:
    node = Layout.of("kubeprobe", tmp_path).node(1)
    node.address_leases.mkdir(parents=True)
    (node.address_leases / "10.244.1.7").write_text("a-pod\r\neth0")
    (node.address_leases / "lock").touch()
    assert faults.exhaust_addresses(node) == 253
    assert faults.exhaust_addresses(node) == 0
    assert faults.restore_addresses(node) == 253
    assert sorted(path.name for path in node.address_leases.iterdir()) == ["10.244.1.7", "lock"]


def test_a_removed_cni_configuration_is_written_anew(tmp_path: Path) -> None:
    node = Layout.of("kubeprobe", tmp_path).node(2)
    node.cni_config.parent.mkdir(parents=True)
    write_cni_config(node)
    faults.remove_cni(node)
    faults.remove_cni(node)  # already gone: nothing to do
    assert not node.cni_config.exists()
    faults.restore_cni(node)
    assert json.loads(node.cni_config.read_text()) == cni_config(node)


def test_certificates_are_made_once_and_signed_by_their_authority(tmp_path: Path) -> None:
    authority = Authority(KeyPair.at(tmp_path, "ca"))
    server = authority.issue(KeyPair.at(tmp_path, "server"), "etcd", ["group"], names=["10.0.0.1", "etcd.local"])
    content = server.cert.read_bytes()
    assert Authority(KeyPair.at(tmp_path, "ca")).issue(server, "etcd", names=["10.0.0.1"]).cert.read_bytes() == content
    cert = x509.load_pem_x509_certificate(content)
    cert.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.files.cert.read_bytes()))
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["etcd.local"]
    usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    # Both: etcd's JSON gateway is a client of etcd with the server's certificate.
    assert set(usages) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert server.key.stat().st_mode & 0o077 == 0


def test_a_client_certificate_serves_nobody(tmp_path: Path) -> None:
    client = Authority(KeyPair.at(tmp_path, "ca")).issue(KeyPair.at(tmp_path, "me"), "me")
    cert = x509.load_pem_x509_certificate(client.cert.read_bytes())
    usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_signing_key_is_kept(tmp_path: Path) -> None:
    public = ensure_signing_key(tmp_path / "sa.key")
    content = public.read_bytes()
    assert ensure_signing_key(tmp_path / "sa.key").read_bytes() == content
    assert (tmp_path / "sa.key").stat().st_mode & 0o077 == 0


def test_a_kubeconfig_is_whole_in_itself(tmp_path: Path) -> None:
    plane = Plane(tmp_path, tmp_path / "bin", "127.0.0.1", 1, 2, 3, None)
    config = yaml.safe_load(plane.kubeconfig(tmp_path / "admin", "me", "system:masters").read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:3"
    assert "client-certificate-data" in config["users"][0]["user"]
    assert (tmp_path / "admin").stat().st_mode & 0o077 == 0


def test_etcd_takes_no_client_without_a_certificate(tmp_path: Path) -> None:
    plane = Plane(tmp_path, tmp_path / "bin", "127.0.0.1", 1, 2, 3, None)
    flags = plane.etcd().argv
    assert "--client-cert-auth" in flags
    assert all(url.startswith("https://") for flag in flags if "-urls=" in flag for url in [flag.split("=", 1)[1]])


def test_an_audit_log_is_written_only_where_one_is_asked_for(tmp_path: Path) -> None:
    def audit(path: Path | None) -> list[str]:
        plane = Plane(tmp_path, tmp_path / "bin", "127.0.0.1", 1, 2, 3, path)
        plane.write_pki()
        return [flag for flag in plane.apiserver().argv if flag.startswith("--audit")]

    assert audit(None) == []
    assert f"--audit-log-path={tmp_path / 'audit' / 'a.log'}" in audit(tmp_path / "audit" / "a.log")
    assert yaml.safe_load((tmp_path / "config" / "audit-policy.yaml").read_text())["rules"][-1] == {"level": "Metadata"}


def test_the_sandbox_image_is_an_oci_archive_whose_digests_hold(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"\x7fELF")
    write_image(tmp_path / "pause", tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as tar:

        def read(name: str) -> dict[str, object]:
            member = tar.extractfile(name)
            assert member is not None
            return json.loads(member.read())  # type: ignore[no-any-return]

        entry = read("index.json")["manifests"][0]  # type: ignore[index]
        assert entry["annotations"]["io.containerd.image.name"] == SANDBOX_IMAGE
        manifest = read("blobs/sha256/" + entry["digest"].removeprefix("sha256:"))
        config = read("blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:"))  # type: ignore[index]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]  # type: ignore[index]


def test_a_question_to_dns_is_well_formed() -> None:
    number, query = dns_query("a.bc")
    assert query == number.to_bytes(2, "big") + bytes.fromhex("0100000100000000000001610262630000010001")


def test_a_file_is_not_written_again_with_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_if_new(path, "a")
    stamp = path.stat().st_mtime_ns
    write_if_new(path, "a")
    assert path.stat().st_mtime_ns == stamp
    write_if_new(path, "b")
    assert path.read_text() == "b"


def test_what_is_missing_is_named_with_its_package_and_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [Need("sh", "dash", "there"), Need("/no/such/file", "some-package", "to show this")]
    assert [need.package for need in missing(needs)] == ["some-package"]
    monkeypatch.setattr("testbed.machine.is_root", lambda: False)
    wanted = r"missing: /no/such/file \(some-package: to show this\). As root on Debian: apt-get install some-package"
    with pytest.raises(TestbedError, match=wanted):
        install(needs, lambda _: None)
    install(needs[:1], lambda _: None)
