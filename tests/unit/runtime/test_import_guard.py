"""A hidden module cannot be imported meanwhile, and is back afterwards."""

import sys

import pytest

from imagedrift_runtime.import_guard import hide_module


def test_a_hidden_module_is_back_afterwards() -> None:
    """And one that is loaded already is not hidden."""
    with pytest.raises(ModuleNotFoundError), hide_module("this_is_nowhere"):
        __import__("this_is_nowhere")
    with hide_module("json"):
        __import__("json")

    assert "this_is_nowhere" not in sys.modules
    assert sys.modules["json"] is not None
