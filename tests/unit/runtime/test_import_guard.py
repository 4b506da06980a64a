"""A module that an import goes without is back afterwards."""

import gc
import ssl
import subprocess
import sys

import pytest

from imagedrift_runtime.import_guard import (
    hide_module,
    without_collecting,
    without_public_authorities,
)


def test_a_hidden_module_is_back_afterwards() -> None:
    """A module is hidden whether it was loaded or not, and is as it was before when all is done."""
    loaded = sys.modules["json"]
    for name in ("this_is_nowhere", "json"):
        with pytest.raises(ModuleNotFoundError), hide_module(name):
            __import__(name)

    assert "this_is_nowhere" not in sys.modules
    assert sys.modules["json"] is loaded


def test_the_rest_of_a_module_stays_unloaded() -> None:
    """A package of which a part is loaded does not load another part while it is hidden."""
    told = """
import sys, xml.dom
from imagedrift_runtime.import_guard import hide_module
try:
    with hide_module("xml"):
        import xml.sax
except ModuleNotFoundError:
    print("xml.sax" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


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


def test_modules_are_passed_over_by_the_collector() -> None:
    """Modules of a start are not looked through by the collector, which works later."""
    told = """
import gc
from imagedrift_runtime.import_guard import without_collecting
with without_collecting():
    import asyncio, json
print(gc.isenabled(), gc.get_freeze_count() > len(vars(asyncio)), gc.get_stats()[2]["collections"])
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert done.stdout == "True True 0\n"


def test_the_collector_works_again_after_an_import_that_failed() -> None:
    """Garbage is collected after an import, however that ends."""
    with pytest.raises(ImportError), without_collecting():
        raise ImportError

    assert gc.isenabled()
