"""A module that an import goes without is back afterwards."""

import ssl
import sys

import pytest

from imagedrift_runtime.import_guard import hide_module, without_public_authorities


def test_a_hidden_module_is_back_afterwards() -> None:
    """And one that is loaded already is not hidden."""
    with pytest.raises(ModuleNotFoundError), hide_module("this_is_nowhere"):
        __import__("this_is_nowhere")
    with hide_module("json"):
        __import__("json")

    assert "this_is_nowhere" not in sys.modules
    assert sys.modules["json"] is not None


def test_public_authorities_are_left_out_meanwhile_alone() -> None:
    """A context that a library makes in passing trusts none; ours trust them as ever."""
    with without_public_authorities():
        in_passing = ssl.create_default_context()

    assert in_passing.cert_store_stats()["x509"] == 0
    assert in_passing.verify_mode is ssl.CERT_REQUIRED, "it trusts none, rather than all"
    assert ssl.create_default_context().cert_store_stats()["x509"] > 0


def test_authorities_are_back_after_an_import_that_failed() -> None:
    """The library may have done anything meanwhile."""
    with pytest.raises(ImportError), without_public_authorities():
        raise ImportError

    assert ssl.create_default_context().cert_store_stats()["x509"] > 0
