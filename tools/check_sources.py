"""Rules of the sources that no other tool checks: `python tools/check_sources.py`.

- No two public classes, or aliases of types, have one name.
- No core, and nothing in schemas, asks the calendar or the clock: time is a value there.
- The first sentence of a docstring has 25 words at most, and no clause in place of its subject.
- An exception that a docstring says is raised is a class that there is.
- The docstring of a test does not refer back, as by "It" or "Then": its reader sees it alone.
- A test asserts something, by itself or by a helper.
- `__main__` is wiring, of 70 lines at most; no function has more than 60.
- A module that decides something has a test file of its own name. It decides where a function has
  a branch, a loop, a handler of errors or a comprehension. `__main__` and `wiring` only put parts
  together.

Each rule is a function of parsed files that yields what is wrong. None has an exception.
"""

import ast
import builtins
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

Files = Mapping[PurePosixPath, ast.Module]
"""Parsed files, by their path from the root of the repository."""

ROOT: Final = Path(__file__).resolve().parents[1]
MOST_WORDS: Final = 25
LONGEST_MAIN: Final = 70
LONGEST_FUNCTION: Final = 60
_NO_SUBJECT: Final = re.compile(r"(What|Whatever|That which|Who|Whoever|Whichever|Nobody)\b")
_REFERS_BACK: Final = re.compile(
    r"(It|Its|They|Their|Them|Then|Also|And|Nor|Otherwise|Before that|So (is|are|that))\b"
)
_RAISES: Final = re.compile(r"\bRaises ((?:(?:, |,? and |,? or )?`\w+`)+)")
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?:])\s")
_CLOCKS: Final = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"),
    *("time.monotonic", "time.perf_counter", "time.localtime", "time.gmtime"),
}
_ASSERTING: Final = {"raises", "warns", "fail", "until", "sees"}
"""Calls that fail a test by themselves, beside `assert`; `sees` waits for an operator's row."""

_DECISIONS: Final = (
    *(ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.For, ast.AsyncFor, ast.While, ast.Try),
    ast.comprehension,
)
_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_COMPOSED: Final = {"__main__", "wiring"}
"""Modules that put parts together: every test of the whole goes through them."""
_MEMBERS: Final = {
    *("schemas", "runtime", "agent", "resolver", "ingest", "dashboard", "notifier"),
    *("sandbox", "cli", "bench"),
}
"""The folders of a member's tests."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def type_names(files: Files) -> Iterator[str]:
    """Find public classes, and aliases of types, of one name."""
    found_at: dict[str, list[str]] = defaultdict(list)
    for path, tree in files.items():
        if "src" in path.parts:
            for name, line in [*_classes(tree), *_aliases(tree)]:
                if not name.startswith("_"):
                    found_at[name].append(f"{path}:{line}")
    for name, found in found_at.items():
        if len(found) > 1:
            yield f"{found[-1]}: {name} is at {', '.join(found[:-1])}, too"


def clocks(files: Files) -> Iterator[str]:
    """Find calls of a clock where time is a value."""
    for path, tree in files.items():
        if "core" in path.parts or path.parts[0] == "schemas":
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _dotted(node.func) in _CLOCKS:
                    yield f"{path}:{node.lineno}: {_dotted(node.func)}: take the time as a value"


def docstrings(files: Files) -> Iterator[str]:
    """Find docstrings whose first sentence is long, or begins with a clause."""
    for path, tree in files.items():
        for node in ast.walk(tree):
            if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
                sentence = _first_sentence(text)
                line = f"{path}:{getattr(node, 'lineno', 1)}"
                if len(sentence.split()) > MOST_WORDS:
                    yield f"{line}: more than {MOST_WORDS} words: {sentence}"
                if _NO_SUBJECT.match(sentence):
                    yield f"{line}: name the subject: {sentence}"
                if _is_test(node) and _REFERS_BACK.match(sentence):
                    yield f"{line}: say of what: {sentence}"


def raised(files: Files) -> Iterator[str]:
    """Find docstrings whose exceptions are no class that is defined or imported anywhere."""
    nodes = [(path, node) for path, tree in files.items() for node in ast.walk(tree)]
    there = {node.name for _, node in nodes if isinstance(node, ast.ClassDef)} | set(dir(builtins))
    there |= {
        each.name for _, node in nodes if isinstance(node, ast.ImportFrom) for each in node.names
    }
    there |= {node.attr for _, node in nodes if isinstance(node, ast.Attribute)}
    for path, node in nodes:
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            for named in _RAISES.findall(" ".join(text.split())):
                for name in re.findall(r"\w+", named.replace(" and ", " ").replace(" or ", " ")):
                    if name not in there:
                        yield f"{path}:{getattr(node, 'lineno', 1)}: there is no {name}"


def assertions(files: Files) -> Iterator[str]:
    """Find tests that assert nothing."""
    tests = {path: tree for path, tree in files.items() if path.parts[0] == "tests"}
    # A fake may assert in a method of any name, as `publish`: to call one checks no result.
    functions = [
        (path, node)
        for path, tree in tests.items()
        for parent in ast.walk(tree)
        if not isinstance(parent, ast.ClassDef)
        for node in ast.iter_child_nodes(parent)
        if isinstance(node, Function)
    ]
    asserting = {node.name for _, node in functions if _asserts(node)} | _ASSERTING
    while found := {
        node.name
        for _, node in functions
        if node.name not in asserting and not asserting.isdisjoint(_calls(node))
    }:
        asserting |= found
    for path, node in functions:
        if node.name.startswith("test_") and node.name not in asserting:
            yield f"{path}:{node.lineno}: {node.name} asserts nothing"


def lengths(files: Files) -> Iterator[str]:
    """Find long functions, and modules `__main__` that do more than put parts together."""
    for path, tree in files.items():
        last = max((node.end_lineno or 0 for node in tree.body), default=0)
        if path.stem == "__main__" and last > LONGEST_MAIN:
            yield f"{path}: {last} lines: the longer parts go to wiring.py"
        for node in ast.walk(tree):
            if isinstance(node, Function) and _lines(node) > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {_lines(node)} lines"


def own_tests(files: Files) -> Iterator[str]:
    """Find modules that decide something and have no test of their own name.

    It is `test_<module>.py`, or `test_<package>_<module>.py`, in a folder of the member's tests, or
    in one of the whole.
    """
    tests: dict[str, set[str]] = defaultdict(set)
    for path in files:
        if path.parts[0] == "tests" and path.name.startswith("test_"):
            for member in _MEMBERS & {*path.parts[1:-1]} or _MEMBERS:
                tests[member].add(path.stem)
    for path, tree in files.items():
        if "src" not in path.parts or path.stem in _COMPOSED or not _decides(tree):
            continue
        member, *packages = path.parts[path.parts.index("src") + 1 : -1]
        names = [path.stem] if path.stem != "__init__" else []
        *_, package = (member.removeprefix("imagedrift_"), *packages)
        wanted = {f"test_{name}" for name in (*names, "_".join((package, *names)))}
        if not wanted & tests[member.removeprefix("imagedrift_")]:
            yield f"{path}: has no test of its own name: {' or '.join(sorted(wanted))}.py"


RULES: Final = (type_names, clocks, docstrings, raised, assertions, lengths, own_tests)


def read(root: Path = ROOT) -> dict[PurePosixPath, ast.Module]:
    """Parse every member's sources, the tests and the tools."""
    members = [*root.glob("*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]
    folders = [*(member.parent / "src" for member in members), root / "tests", root / "tools"]
    paths = sorted(
        path
        for folder in folders
        for path in folder.rglob("*.py")
        if "node_modules" not in path.parts
    )
    return {
        PurePosixPath(path.relative_to(root).as_posix()): ast.parse(path.read_text("utf-8"))
        for path in paths
    }


def main() -> int:
    """Tell everything that is wrong and return the exit code."""
    files = read()
    faults = [fault for rule in RULES for fault in rule(files)]
    for fault in faults:
        print(fault)
    return bool(faults)


def _classes(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno


def _aliases(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Find the aliases of a module: a capital, then small letters, and no call."""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                yield name, node.lineno
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if re.match("[A-Z].*[a-z]", name) and not isinstance(value, ast.Call):
                    yield name, node.lineno


def _first_sentence(text: str) -> str:
    paragraph = text.split("\n\n", maxsplit=1)[0]
    return _SENTENCE_ENDS.split(" ".join(paragraph.split()), maxsplit=1)[0]


def _dotted(node: ast.expr) -> str:
    """Write `a.b` for an attribute of a name, or of a module's name."""
    if not isinstance(node, ast.Attribute):
        return ""
    value = node.value
    owner = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
    return f"{owner}.{node.attr}"


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, Function) and node.name.startswith("test_")


def _lines(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def _asserts(function: Function) -> bool:
    """Tell whether a function has an assertion that can fail; to raise is what fakes do."""
    return any(
        isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant)
        for node in ast.walk(function)
    )


def _decides(tree: ast.Module) -> bool:
    """Tell whether any function of a module decides something."""
    return any(
        isinstance(node, _DECISIONS)
        for function in ast.walk(tree)
        if isinstance(function, Function)
        for node in ast.walk(function)
    )


def _calls(function: Function) -> set[str]:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {str(getattr(each, "attr", getattr(each, "id", ""))) for each in called}


if __name__ == "__main__":
    sys.exit(main())
