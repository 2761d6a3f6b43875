"""A new certificate for 127.0.0.1, for each simulator that serves TLS."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

VALID_FOR: Final = timedelta(days=1)


def write_certificate(folder: Path) -> Path:
    """Write a self-signed certificate and its key. Return the certificate's path.

    Clients that are to trust it have the path in ``REQUESTS_CA_BUNDLE``.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Airtable simulator")])
    # Valid since an hour ago, so that a client whose clock is behind accepts it.
    begin = datetime.now(timezone.utc) - timedelta(hours=1)
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _key_of(path).write_bytes(private)
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    """The server side of TLS, with a certificate of `write_certificate`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, _key_of(certificate))
    return context


def _key_of(certificate: Path) -> Path:
    return certificate.with_name("key.pem")
