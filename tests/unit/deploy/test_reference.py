"""The generated pages are complete, and every link between pages leads somewhere."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import TypeGuard

import msgspec
import pytest

import imagedrift_agent
import imagedrift_cli
import imagedrift_dashboard
import imagedrift_ingest
import imagedrift_notifier
import imagedrift_resolver
from imagedrift_cli import reference
from imagedrift_runtime.settings import describe
from support.deploy import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def settings_classes() -> set[type[msgspec.Struct]]:
    """Return every class of settings in the services and the command."""
    found: set[type[msgspec.Struct]] = set()
    for package in (
        imagedrift_agent,
        imagedrift_resolver,
        imagedrift_ingest,
        imagedrift_dashboard,
        imagedrift_notifier,
        imagedrift_cli,
    ):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            found |= {
                thing
                for name, thing in vars(importlib.import_module(module.name)).items()
                if not name.startswith("_") and is_settings(thing)
            }
    return found


def is_settings(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    """Tell whether a thing is a Struct whose fields are variables of the environment."""
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return False
    try:
        return bool(describe(kind))
    except TypeError:
        return False


def test_every_class_of_settings_is_described() -> None:
    """Every class of settings of a service or the command is in the settings page."""
    from imagedrift_runtime.common_settings import CommonSettings

    described = {kind for _, kind in reference.READERS} | {CommonSettings}
    assert settings_classes() == described


def test_the_settings_page_has_every_variable_once_per_reader() -> None:
    """Each variable of a reader is under its heading, or under that of every service."""
    page = reference.settings_page()
    common, *sections = page.split("\n## ")[1:]
    for (reader, kind), section in zip(reference.READERS, sections, strict=True):
        assert section.startswith(f"{reader}\n")
        for name, default, meaning in describe(kind):
            place = section if f"| `{name}` |" in section else common
            assert place.count(f"| `{name}` |") == 1
            assert meaning in place
            assert default in place


def test_the_check_names_the_stale_pages_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--check` exits with 1 and names the pages that differ, until they are written."""
    made = {Path("docs/settings.md"): "settings\n", Path("docs/cli.md"): "commands\n"}
    monkeypatch.setattr(reference, "pages", lambda: made)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "cli.md").write_text("of another version\n")
    root = ["--root", str(tmp_path)]

    assert reference.main([*root, "--check"]) == 1
    assert capsys.readouterr().out == "outdated: docs/settings.md\noutdated: docs/cli.md\n"
    assert (docs / "cli.md").read_text() == "of another version\n"

    assert reference.main(root) == 0
    assert capsys.readouterr().out == "written: docs/settings.md\nwritten: docs/cli.md\n"
    assert (docs / "cli.md").read_text() == "commands\n"
    assert reference.main([*root, "--check"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    """Each relative link of a page leads to a file, and to a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in headings}
