"""Settings: read once, every fault at once, and no secret ever repeated."""

import os
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from imagedrift_runtime import settings
from imagedrift_runtime.settings import SettingsFault, both_or_faults
from support.example_settings import Example, faults

NAMES = [name for name, _, _ in settings.describe(Example)]


def test_defaults_hold_where_nothing_is_set() -> None:
    """Only what is required has to be there; a blank value is none."""
    values = settings.load(Example, {"X_DSN": "dsn", "X_COUNT": "  ", "X_KIND": ""})

    assert (values.count, values.kind, values.names, values.labels) == (3, "a", (), {})
    assert values.nats_url == ("nats://127.0.0.1:4222",)


def test_values_of_every_kind_are_read() -> None:
    """Text becomes what the field holds; space around it does not count."""
    values = settings.load(
        Example,
        {
            "X_DSN": " dsn ",
            "X_COUNT": "7",
            "X_SHARE": "0.25",
            "X_ON": "true",
            "X_KIND": "b",
            "X_NAMES": "a, b,,",
            "X_LABELS": "env=prod, team = web ,empty=",
            "X_LIMIT": "5",
            "NATS_URL": "nats://a:1,nats://b:2",
        },
    )

    assert (values.dsn, values.count, values.share, values.on) == ("dsn", 7, 0.25, True)
    assert (values.kind, values.names, values.limit) == ("b", ("a", "b"), 5)
    assert values.labels == {"env": "prod", "team": "web", "empty": ""}
    assert values.nats_url == ("nats://a:1", "nats://b:2")


def test_every_fault_is_told_at_once_with_its_variable() -> None:
    """One start tells all faults, not the first alone."""
    told = faults(X_COUNT="0", X_KIND="c", X_LABELS="novalue", IMAGEDRIFT_METRICS_PORT="http")

    assert [line.split(":")[0] for line in told] == [
        "IMAGEDRIFT_METRICS_PORT",
        "X_DSN",
        "X_COUNT",
        "X_KIND",
        "X_LABELS",
    ]
    assert "required but not set (the database)" in told[1]
    assert told[2].startswith("X_COUNT: has to be at least 1 (it is '0'; ")
    assert "expected k=v,k=v but found 'novalue'" in told[4]


def test_a_value_of_another_type_is_told_in_words() -> None:
    """No type, path or pattern of the code stands in a fault."""
    told = faults(X_DSN="dsn", X_COUNT="x", X_SHARE="x", X_ON="maybe", X_KIND="c", X_LIMIT="")

    assert [line.partition(" (")[0] for line in told] == [
        "X_COUNT: no whole number",
        "X_SHARE: no number",
        "X_ON: neither true nor false",
        "X_KIND: 'c' is not one of its values",
    ]
    assert "`" not in "".join(told)


def test_a_value_of_another_form_is_told_without_the_pattern() -> None:
    """The form is told in words, as nobody reads a regular expression at night."""
    [told] = faults(X_DSN="dsn", NATS_URL="http://nats.example.org:4222")

    assert told == (
        "NATS_URL: not of the form that it takes (it is 'http://nats.example.org:4222'; "
        "NATS servers, comma-separated: nats://host:4222 or tls://host:4222)"
    )


def test_text_that_is_not_utf_8_is_a_fault() -> None:
    """Bytes of another encoding are refused: no message could carry them."""
    told = faults(X_DSN="dsn", X_LABELS=os.fsdecode(b"env=caf\xe9"), X_COUNT="0")

    assert told[-1] == "X_LABELS: is not UTF-8"
    assert len(told) == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The path and the reason are told, and no text that may be the secret itself."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    (missing,) = faults(X_DSN_FILE=str(tmp_path / "none"))
    (secret,) = faults(X_DSN_FILE="postgresql://u:s3cr3t@db/imagedrift")
    (binary,) = faults(X_DSN_FILE=str(tmp_path / "binary"))

    assert missing == f"X_DSN_FILE: '{tmp_path}/none' cannot be read: No such file or directory"
    assert secret.startswith("X_DSN_FILE: its value is not the path of a file")
    assert "s3cr3t" not in secret
    assert binary.endswith("cannot be read: it is no text")


def test_description_names_defaults_and_no_secret() -> None:
    """The list of `--help`: the variable, its default, a sentence."""
    rows = {name: (default, text) for name, default, text in settings.describe(Example)}

    assert rows["X_DSN"] == (
        "required",
        "the database; or X_DSN_FILE, the path of a file that holds it",
    )
    assert rows["X_COUNT"] == ("3", "how many")
    assert rows["X_ON"] == ("False", "whether")
    assert rows["X_NAMES"][0] == rows["X_LABELS"][0] == rows["X_LIMIT"][0] == "none"
    assert rows["NATS_URL"][0] == "nats://127.0.0.1:4222"


def test_a_field_without_a_variable_is_a_defect() -> None:
    """A field without a variable could never be set."""

    class Wrong(Struct, frozen=True):
        field: int = 0

    with pytest.raises(TypeError, match="a setting without a Variable"):
        settings.load(Wrong, {})


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_any_environment_gives_settings_or_faults(environ: dict[str, str]) -> None:
    """There is no text that ends in anything else, and every fault names its variable once."""
    try:
        settings.load(Example, environ)
    except SettingsFault as fault:
        named = [line.partition(":")[0] for line in fault.faults]
        assert len(named) == len(set(named))
        assert set(named) <= set(NAMES)
        str(fault).encode()  # it can be written to any terminal


LABEL = st.text(alphabet=string.ascii_letters + string.digits + "-_./:", min_size=1, max_size=20)


@given(st.dictionaries(LABEL, LABEL), st.lists(LABEL), st.integers(1, 9))
def test_what_is_written_is_read_back(labels: dict[str, str], names: list[str], count: int) -> None:
    """Joined by commas and read again, everything is as it was."""
    values = settings.load(
        Example,
        {
            "X_DSN": "dsn",
            "X_LABELS": ",".join(f"{key}={value}" for key, value in labels.items()),
            "X_NAMES": ",".join(names),
            "X_COUNT": str(count),
        },
    )

    assert (values.labels, values.names, values.count) == (labels, tuple(names), count)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    """A credentials file or CA that cannot be read is a wrong setting, told at the start."""
    there = tmp_path / "ca.pem"
    there.write_text("-----BEGIN CERTIFICATE-----\n")

    assert settings.load(Example, {"X_DSN": "dsn", "NATS_CA": str(there)}).nats_ca == str(there)
    told = faults(X_DSN="dsn", NATS_CREDS=str(tmp_path), NATS_CA=f"{there}.old")
    assert told == [
        f"NATS_CREDS: '{tmp_path}' cannot be read: Is a directory",
        f"NATS_CA: '{there}.old' cannot be read: No such file or directory",
    ]


def test_a_file_of_another_kind_is_told_at_the_start(tmp_path: Path) -> None:
    """A server would only say that it lets nobody in, and TLS that there is no certificate."""
    other = tmp_path / "notes.txt"
    other.write_text("remember the milk")

    told = faults(X_DSN="dsn", NATS_CREDS=str(other), NATS_CA=str(other))

    assert [line.partition(" (")[0] for line in told] == [
        f"NATS_CREDS: '{other}' has no 'BEGIN NATS USER JWT' in it",
        f"NATS_CA: '{other}' has no 'CERTIFICATE---' in it",
    ]


def test_the_faults_of_two_things_are_told_together() -> None:
    """Either may be right: what is made of both needs both."""

    def wrong(*told: str) -> Callable[[], int]:
        def make() -> int:
            raise SettingsFault(list(told))

        return make

    assert both_or_faults(lambda: 1, lambda: "a") == (1, "a")
    for first, second, told in (
        (wrong("a"), wrong("b", "c"), ["a", "b", "c"]),
        (wrong("a"), lambda: 1, ["a"]),
        (lambda: 1, wrong("b"), ["b"]),
    ):
        with pytest.raises(SettingsFault) as error:
            both_or_faults(first, second)
        assert error.value.faults == told
