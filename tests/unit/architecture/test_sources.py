"""Rules of the sources that no import contract can tell."""

import ast
import subprocess
import sys
from pathlib import Path

import imagedrift_runtime

SOURCES = sorted(Path(imagedrift_runtime.__file__).parent.rglob("*.py"))


PACKAGE = Path(imagedrift_runtime.__file__).parent


def test_nats_py_is_imported_in_one_place() -> None:
    """Elsewhere it would load aiohttp; `service_api` loads a part that only the resolver needs."""
    importers = {
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(n.name.startswith("nats") for n in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nats"))
    }

    assert importers == {"nats_py.py", "service_api.py"}


TRAPS = {"publish_async", "ordered_consumer", "watchall", "object_store", "limit_marker_ttl"}


def test_what_is_broken_in_nats_py_is_called_nowhere() -> None:
    """No name, attribute or argument of any member's source is one of them."""
    root = Path(imagedrift_runtime.__file__).parents[3]
    paths = [path for path in root.glob("**/src/**/*.py") if ".venv" not in path.parts]
    assert len(paths) > 20

    used = {
        f"{path.name}: {name}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        for kind in ("attr", "id", "arg")
        if (name := getattr(node, kind, None)) in TRAPS
    }

    assert used == set()


def test_the_runtime_knows_no_service() -> None:
    """Importing all of it loads none of them."""
    modules = [path.relative_to(PACKAGE.parent).with_suffix("") for path in SOURCES]
    names = ", ".join(".".join(module.parts) for module in modules if module.stem != "__init__")
    assert "imagedrift_runtime.nats.bus" in names
    program = f"import sys, {names}\nprint([m for m in sys.modules if m.startswith('imagedrift_')])"

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    loaded = {name.split(".")[0] for name in ast.literal_eval(shown)}
    assert loaded == {"imagedrift_runtime", "imagedrift_schemas"}
