"""The property's CA: what it signs verifies, what it revokes is on its list."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.bus.certificates import Authority, new_authority, revoked_serials, serial_of
from appliance.bus.credentials import CredentialsError

NOW_S = 1_767_225_600


def test_a_device_certificate_is_signed_by_the_property_and_for_clients_only() -> None:
    authority = new_authority("prop-1", now_s=NOW_S)
    issued = authority.issue_device("lock-1", now_s=NOW_S)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert serial_of(issued.certificate) == issued.serial


def test_an_authority_comes_back_from_its_pem() -> None:
    made = new_authority("prop-1", now_s=NOW_S)
    again = Authority(made.certificate, made.key)
    again.issue_broker(["localhost", "192.0.2.1"], now_s=NOW_S)


def test_the_list_holds_exactly_what_was_revoked() -> None:
    authority = new_authority("prop-1", now_s=NOW_S)
    serials = [authority.issue_device(name, now_s=NOW_S).serial for name in ("a", "b", "c")]
    assert revoked_serials(authority.revocations(serials[:2], now_s=NOW_S)) == set(serials[:2])
    assert revoked_serials(authority.revocations([], now_s=NOW_S)) == frozenset()


def test_a_name_that_means_something_in_a_topic_gets_no_certificate() -> None:
    with pytest.raises(CredentialsError):
        new_authority("prop-1", now_s=NOW_S).issue_device("lock/+", now_s=NOW_S)
