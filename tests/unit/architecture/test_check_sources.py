"""The rules of `tools/check_sources.py` hold, and each finds what is planted."""

import ast
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "check_sources.py"


def loaded() -> ModuleType:
    """The tool, which is in no package."""
    spec = importlib.util.spec_from_file_location("check_sources", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_sources: Any = loaded()
Rule = Callable[[dict[PurePosixPath, ast.Module]], Iterator[str]]

LONG = " ".join(["word"] * 26)
DECIDES = "def f(x):\n    return 1 if x else 2"
PLANTED = {
    "two classes of one name": (
        check_sources.type_names,
        {"cli/src/a.py": "class Slots: pass", "runtime/src/b.py": "class Slots: pass"},
        "runtime/src/b.py:1: Slots is at cli/src/a.py:1, too",
    ),
    "an alias with the name of a class": (
        check_sources.type_names,
        {"cli/src/a.py": "class Slots: pass", "runtime/src/b.py": "Slots = dict[str, int]"},
        "runtime/src/b.py:1: Slots is at cli/src/a.py:1, too",
    ),
    "two aliases of one name": (
        check_sources.type_names,
        {"cli/src/a.py": "Key: TypeAlias = str", "runtime/src/b.py": "Key = tuple[str, int]"},
        "runtime/src/b.py:1: Key is at cli/src/a.py:1, too",
    ),
    "a core that asks the calendar": (
        check_sources.clocks,
        {"services/ingest/src/x/core/a.py": "from datetime import datetime\ndatetime.now(None)"},
        "services/ingest/src/x/core/a.py:2: datetime.now",
    ),
    "schemas that ask the clock": (
        check_sources.clocks,
        {"schemas/src/x/a.py": "import datetime\nx = datetime.datetime.today()"},
        "schemas/src/x/a.py:2: datetime.today",
    ),
    "a sentence without an end": (
        check_sources.docstrings,
        {"runtime/src/a.py": f'def f():\n    """{LONG}."""'},
        "runtime/src/a.py:1: more than 25 words",
    ),
    "a clause as the subject": (
        check_sources.docstrings,
        {"runtime/src/a.py": 'class A:\n    """What was said of it."""'},
        "runtime/src/a.py:1: name the subject",
    ),
    "an exception that is gone": (
        check_sources.raised,
        {"runtime/src/a.py": 'class B: pass\ndef f():\n    """Do it. Raises `B`, `Gone`."""'},
        "runtime/src/a.py:2: there is no Gone",
    ),
    "a test's docstring that refers back": (
        check_sources.docstrings,
        {"tests/unit/test_a.py": 'def test_a():\n    """It does it."""'},
        "tests/unit/test_a.py:1: say of what: It does it.",
    ),
    "a long `__main__`": (
        check_sources.lengths,
        {"runtime/src/x/__main__.py": "x = 1\n" * 71},
        "runtime/src/x/__main__.py: 71 lines",
    ),
    "a long function": (
        check_sources.lengths,
        {"tests/unit/test_a.py": "def f():\n" + "    x = 1\n" * 60},
        "tests/unit/test_a.py:1: f has 61 lines",
    ),
    "a test without an assertion": (
        check_sources.assertions,
        {"tests/unit/test_a.py": "def helper(): pass\ndef test_a(): helper()"},
        "tests/unit/test_a.py:2: test_a asserts nothing",
    ),
    "a test that calls a fake which asserts": (
        check_sources.assertions,
        {"tests/unit/test_a.py": "class A:\n def get(self): assert 1 < 2\ndef test_a(): A().get()"},
        "tests/unit/test_a.py:3: test_a asserts nothing",
    ),
    "a test whose helper raises": (
        check_sources.assertions,
        {"tests/unit/test_a.py": "def get(): raise OSError\ndef test_a(): get()"},
        "tests/unit/test_a.py:2: test_a asserts nothing",
    ),
    "an assertion of a constant": (
        check_sources.assertions,
        {"tests/unit/test_a.py": "def test_a():\n assert True"},
        "tests/unit/test_a.py:1: test_a asserts nothing",
    ),
    "a module that decides, with a test of another name": (
        check_sources.own_tests,
        {"cli/src/imagedrift_cli/a.py": DECIDES, "tests/unit/cli/test_b.py": ""},
        "cli/src/imagedrift_cli/a.py: has no test of its own name: test_a or test_cli_a.py",
    ),
    "a module whose test is of another member": (
        check_sources.own_tests,
        {"services/x/src/imagedrift_ingest/core/a.py": DECIDES, "tests/unit/cli/test_a.py": ""},
        "services/x/src/imagedrift_ingest/core/a.py: has no test of its own name",
    ),
    "a package that decides": (
        check_sources.own_tests,
        {"cli/src/imagedrift_cli/scan/__init__.py": DECIDES},
        "cli/src/imagedrift_cli/scan/__init__.py: has no test of its own name: test_scan.py",
    ),
}
GOOD = {
    "a private class of the same name": (
        check_sources.type_names,
        {"cli/src/a.py": "class Slots: pass", "runtime/src/b.py": "class _Slots: pass"},
    ),
    "values and type variables of one name": (
        check_sources.type_names,
        {
            "cli/src/a.py": "T = TypeVar('T')\nMOST = 1",
            "runtime/src/b.py": "T = TypeVar('T')\nMOST = 2",
        },
    ),
    "a shell that asks the clock": (
        check_sources.clocks,
        {"services/ingest/src/x/adapters/a.py": "time.time()"},
    ),
    "a long text of short sentences": (
        check_sources.docstrings,
        {"runtime/src/a.py": f'"""Do it. {LONG}."""'},
    ),
    "a docstring below its class": (
        check_sources.docstrings,
        {"runtime/src/a.py": 'def name():\n    """Its name."""'},
    ),
    "a test whose helper asserts": (
        check_sources.assertions,
        {"tests/a.py": "def deep(): assert f()\ndef helper(): deep()\ndef test_a(): helper()"},
    ),
    "a module that decides nothing": (
        check_sources.own_tests,
        {"cli/src/imagedrift_cli/a.py": "X = [1 for _ in 'ab']\ndef f():\n    return X"},
    ),
    "wiring": (
        check_sources.own_tests,
        {"services/x/src/imagedrift_agent/wiring.py": DECIDES},
    ),
    "a test that is named for the package, too": (
        check_sources.own_tests,
        {
            "sandbox/src/imagedrift_sandbox/registry/auth.py": DECIDES,
            "tests/integration/sandbox/test_registry_auth.py": "",
        },
    ),
    "a test of the whole": (
        check_sources.own_tests,
        {"cli/src/imagedrift_cli/up.py": DECIDES, "tests/e2e/test_up.py": ""},
    ),
}


MEMBERS = {
    *("schemas", "runtime", "sandbox", "cli", "bench"),
    *("services/agent", "services/registry-resolver", "services/ingest", "services/dashboard"),
    "services/notifier",
}


def parsed(files: dict[str, str]) -> dict[PurePosixPath, ast.Module]:
    """Files as the tool reads them."""
    return {PurePosixPath(path): ast.parse(text) for path, text in files.items()}


def test_the_sources_keep_every_rule() -> None:
    """All members, the tests and the tools."""
    files = check_sources.read()
    read = {
        "/".join(path.parts[: path.parts.index("src")]) for path in files if "src" in path.parts
    }
    assert len(files) > 500
    assert read == MEMBERS

    assert [fault for rule in check_sources.RULES for fault in rule(files)] == []


@pytest.mark.parametrize(("rule", "files", "fault"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_told(rule: Rule, files: dict[str, str], fault: str) -> None:
    """With its file and line."""
    [told] = rule(parsed(files))
    assert told.startswith(fault)


@pytest.mark.parametrize(("rule", "files"), GOOD.values(), ids=GOOD)
def test_what_is_right_is_not_told(rule: Rule, files: dict[str, str]) -> None:
    """A rule that finds too much is soon worked around."""
    assert list(rule(parsed(files))) == []
