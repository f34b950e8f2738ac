"""The property's own certificate authority: broker and device certificates, and the CRL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.bus.credentials import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

# 30 years: longer than a lock lives. What ends a right is the CRL, never a date that nobody watches.
VALID_DAYS = 30 * 365
# A box may have made the certificate while its clock ran ahead of the device's.
BACKDATED_DAYS = 365
# 256 certificates a day for 30 years: the CRL stays below the size a device can bear.
REVOKED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key, both PEM, and the serial number that would revoke it."""

    certificate: bytes
    key: bytes
    serial: int


class Authority:
    """One property's CA: P-256, its key in memory only as long as it issues."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self.certificate = certificate
        self.key = key
        self._certificate = x509.load_pem_x509_certificate(certificate)
        loaded = serialization.load_pem_private_key(key, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError("The CA key is not an EC key. Restore the property's own key.")
        self._key = loaded

    def issue_broker(self, names: Iterable[str], *, now_s: int) -> Issued:
        """Certify the broker under its host names and addresses."""
        alternatives = [_alternative(name) for name in names]
        return self._issue("broker", now_s, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def issue_device(self, name: str, *, now_s: int) -> Issued:
        """Certify a device or process; the common name is its identity on the bus."""
        check_name(name)
        return self._issue(name, now_s, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def revocations(self, serials: Iterable[int], *, now_s: int) -> bytes:
        """Sign the CRL over all serial numbers revoked so far; PEM."""
        now = _moment(now_s)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - timedelta(days=BACKDATED_DAYS))
            .next_update(now + timedelta(days=VALID_DAYS))
        )
        for serial in sorted(set(serials))[:REVOKED_MAX]:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            )
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def _issue(
        self,
        name: str,
        now_s: int,
        usage: x509.ObjectIdentifier,
        alternatives: list[x509.GeneralName],
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self._certificate.subject, key.public_key(), now_s)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Issued(certificate=_pem(signed), key=_key_pem(key), serial=signed.serial_number)


def new_authority(property_id: str, *, now_s: int) -> Authority:
    """Make the CA of a property; keep its key where the master key is kept."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Nightporter property {property_id}")
    builder = _builder(f"Nightporter property {property_id}", subject, key.public_key(), now_s)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
    )
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )
    return Authority(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def revoked_serials(crl: bytes) -> frozenset[int]:
    """Read the serial numbers off a CRL in PEM."""
    return frozenset(entry.serial_number for entry in x509.load_pem_x509_crl(crl))


def serial_of(certificate: bytes) -> int:
    """Read the serial number off a certificate in PEM."""
    return x509.load_pem_x509_certificate(certificate).serial_number


def _builder(
    name: str, issuer: x509.Name, public_key: CertificateIssuerPublicKeyTypes, now_s: int
) -> x509.CertificateBuilder:
    now = _moment(now_s)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=BACKDATED_DAYS))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _moment(now_s: int) -> datetime:
    return datetime.fromtimestamp(now_s, UTC)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
