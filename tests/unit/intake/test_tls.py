"""Gates asked by TLS: what is in clear text is refused, and a renewed certificate is used without a restart."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from tests.unit.intake.cluster import ec_key
from tests.unit.intake.conftest import HOST, Site, until
from tests.unit.intake.desk import OPEN

from kubeprobe.control.tasks import running
from kubeprobe.intake import tls as room
from kubeprobe.intake.gates.handler import GateDeps
from kubeprobe.intake.server import Intake, Tls, serve
from kubeprobe.intake.tls import Certificate


def write_pair(at: Path, serial: int = 1, key: str = "tls") -> None:
    """A self-signed certificate and its key, as a mounted Secret has them."""
    private = ec_key(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gates")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (at / "tls.crt").write_bytes(certificate.public_bytes(pem))
    (at / "tls.key").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def certificate_in(at: Path) -> Certificate:
    return Certificate(at / "tls.crt", at / "tls.key")


async def test_gates_are_asked_by_tls_and_then_only_so(tmp_path: Path) -> None:
    write_pair(tmp_path)
    site = Site()
    site.gates.set(**OPEN)
    intake = Intake(site.deps(GateDeps(site.gates, secure_only=True)))
    trusted = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    port = free_port()
    async with (
        serve(intake, HOST, 0, Tls(port, certificate_in(tmp_path))) as plain,
        httpx.AsyncClient(verify=trusted) as client,
    ):
        assert (await client.get(f"https://{HOST}:{port}/v1/gates/prod/check")).status_code == 200
        in_clear = await client.get(f"http://{HOST}:{plain}/v1/gates/prod/check")
        assert (in_clear.status_code, in_clear.json()) == (
            403,
            {"error": "gates are asked by TLS here: use https and its port"},
        )
        assert (await client.get(f"http://{HOST}:{plain}/healthz")).status_code == 200


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


async def test_a_renewed_certificate_is_used_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.001)
    write_pair(tmp_path, serial=1)
    certificate, port = certificate_in(tmp_path), free_port()
    async with running(certificate.run()), serve(Intake(Site().deps()), HOST, 0, Tls(port, certificate)):
        assert await serial_at(port) == 1
        with caplog.at_level(logging.INFO):
            write_pair(tmp_path, serial=2)
            await until(lambda: "was renewed" in caplog.text)
        assert await serial_at(port) == 2


async def serial_at(port: int) -> int:
    pem = await asyncio.to_thread(ssl.get_server_certificate, (HOST, port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def test_a_pair_that_does_not_fit_is_told_once_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.001)
    write_pair(tmp_path)
    certificate, port = certificate_in(tmp_path), free_port()
    async with serve(Intake(Site().deps()), HOST, 0, Tls(port, certificate)):
        good = (tmp_path / "tls.key").read_bytes()
        write_pair(tmp_path, serial=2, key="another")
        (tmp_path / "tls.key").write_bytes(good)
        with caplog.at_level(logging.INFO):
            async with running(certificate.run()):
                await until(lambda: "cannot be read, the last one stays" in caplog.text)
                assert await serial_at(port) == 1
                write_pair(tmp_path, serial=3)
                await until(lambda: "was renewed" in caplog.text)
        assert await serial_at(port) == 3
        assert caplog.text.count("cannot be read") == 1


def test_files_that_are_not_there_are_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tls\.crt"):
        certificate_in(tmp_path)


def test_a_pair_that_does_not_fit_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "tls.crt").write_text("no certificate")
    named = f"{tmp_path}/tls.crt and {tmp_path}/tls.key are no certificate with its key: "
    with pytest.raises(OSError, match=re.escape(named)):
        certificate_in(tmp_path)
