"""A program that the machine lacks: the test is skipped with a reason, and CI cannot lack it."""

import re
from pathlib import Path

import pytest

from support import postgres, programs
from support.programs import missing, require_program

ROOT = Path(__file__).parents[3]
REASON = "needs the-program: apt-get install its-package"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing in its PATH and no wish of its own; the folder in its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(programs.DEMAND, raising=False)
    return tmp_path


def test_a_missing_program_is_a_skip_that_says_what_to_install() -> None:
    """The summary of a run tells which tests were left out, and why."""
    with pytest.raises(pytest.skip.Exception) as skipped:
        require_program("the-program", "apt-get install its-package")
    assert str(skipped.value) == REASON


def test_a_missing_program_is_a_failure_where_everything_is_demanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CI never leaves out a test without anybody knowing."""
    monkeypatch.setenv(programs.DEMAND, "1")
    with pytest.raises(pytest.fail.Exception) as failed:
        require_program("the-program", "apt-get install its-package")
    assert str(failed.value) == REASON


def test_only_a_one_demands_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set to nothing or to 0 it is as if it were not set."""
    for value in ("", "0"):
        monkeypatch.setenv(programs.DEMAND, value)
        with pytest.raises(pytest.skip.Exception):
            missing("the-program", "apt-get install its-package")


def test_a_program_is_found_where_it_can_be_run(bare_machine: Path) -> None:
    """In a folder of the PATH, once its file is executable."""
    program = bare_machine / "the-program"
    program.touch(mode=0o644)
    with pytest.raises(pytest.skip.Exception):
        require_program("the-program", "apt-get install its-package")
    program.chmod(0o755)
    assert require_program("the-program", "apt-get install its-package") == program


def test_a_missing_postgresql_is_treated_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian keeps its programs out of the PATH, so they are looked for elsewhere."""
    with pytest.raises(pytest.skip.Exception, match="15: apt-get install postgresql-15"):
        postgres.programs(postgres.OLDEST, lambda major: None)
    monkeypatch.setenv(programs.DEMAND, "1")
    with pytest.raises(pytest.fail.Exception, match="15: apt-get install postgresql-15"):
        postgres.programs(postgres.OLDEST, lambda major: None)


def test_ci_installs_every_program_that_a_test_demands() -> None:
    """CI demands them all, so that one it does not install fails on every new machine."""
    call = re.compile(r'require_program\(\s*"([\w-]+)",\s*"apt-get install ([\w.-]+)"')
    engine = re.compile(r'program = "([\w-]+)"\n    package = "([\w.-]+)"')
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    demanded = {
        found for text in sources for rule in (call, engine) for found in rule.findall(text)
    } - {("the-program", "its-package")}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert len(demanded) > 5
    assert [each for each in sorted(demanded) if f"{each[0]}:{each[1]}" not in script] == []
    assert "postgresql-15" in script
