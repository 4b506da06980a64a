"""The line of each key of a TOML text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.toml_lines import TomlLines

TEXT = '''# [route.ops]
page = "https://drift.example.org"
route.early.zone = "UTC"

[route."Ops Team"] # a name with a space
note = """
[route.inside]
site = 3
"""
site = [
  "fra1",
  # "ber1",
]
"quoted key" = 1
label = { env = "prod" }
[ route . 'late' ]
site = []
[[array]]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("page",), 2),
        (("route",), 3),
        (("route", "early", "zone"), 3),
        (("route", "Ops Team"), 5),
        (("route", "Ops Team", "note"), 6),
        (("route", "Ops Team", "site"), 10),
        (("route", "Ops Team", "quoted key"), 14),
        (("route", "Ops Team", "label", "env"), 15),
        (("route", "late"), 16),
        (("route", "late", "site"), 17),
        (("array",), 18),
        (("route", "late", "not there"), 16),
        (("nowhere",), 1),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_a_key_stands_on_the_line_that_names_it(
    path: tuple[str, ...], line: int, line_break: str
) -> None:
    """Headers, dotted and quoted keys and inline tables are found, and no text that looks so."""
    assert TomlLines(TEXT.replace("\n", line_break)).of(path) == line


@given(st.text(alphabet="ab[]\"'=.#{}\n 1,", max_size=60))
def test_any_toml_has_a_line_for_each_of_its_keys(text: str) -> None:
    """Each key of any TOML has a line of the text, and no text makes it fail."""
    lines = TomlLines(text)
    try:
        keys = tomllib.loads(text)
    except ValueError:
        keys = {}

    for key in keys:
        assert 1 <= lines.of((key,)) <= text.count("\n") + 1
        assert key in text.split("\n")[lines.of((key,)) - 1]
