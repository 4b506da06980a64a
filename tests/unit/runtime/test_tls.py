"""Certificates of an authority that an operator made as the manuals say are trusted."""

import ssl
from pathlib import Path

import pytest

from imagedrift_runtime import tls
from support.certificates import Authority


def test_an_authority_without_extensions_is_trusted_and_alone(tmp_path: Path) -> None:
    """Python 3.13's strictness about them is off; hosts' names and signatures are still checked."""
    authority = Authority.made(tmp_path)

    context = tls.context_for(str(authority.certificate))

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    """A wrong file never means that nothing is trusted, or everything."""
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(ssl.SSLError):
        tls.context_for(str(tmp_path / "ca.pem"))
    with pytest.raises(FileNotFoundError):
        tls.context_for(str(tmp_path / "none.pem"))
