"""The patterns and words of the tag grammar.

No pattern repeats a repetition without bound, and a tag has at most 128 characters.
"""

import re
from typing import Final

from imagedrift_schemas import reference

TAG: Final = re.compile(reference.TAG, re.ASCII)
PLAIN: Final = re.compile(r"(v?)([0-9]{1,4}(?:\.[0-9]{1,9}){1,5})((?:-[a-z]{1,40})?)", re.ASCII)
"""The form of most tags: numbers with dots, and a word behind them. Nothing in it is hidden."""
YEAR_FIRST: Final = re.compile(r"20[0-9]{2}\.", re.ASCII)
SIGNED: Final = re.compile(r"sha256-|.*\.(?:sig|att|sbom)\Z", re.ASCII)
NO_VERSION: Final = re.compile(
    r"(?:latest|sha|git|commit|pr|mr|pull|cache|buildcache)(?:[-_.0-9])", re.ASCII | re.IGNORECASE
)
ALONE: Final = r"(?<![A-Za-z0-9])(?:{})(?![A-Za-z0-9])"
COMMIT: Final = re.compile(
    ALONE.format(r"g[0-9a-f]{7,40}|(?=[0-9]{0,63}[a-f])(?=[a-f]{0,63}[0-9])[0-9a-f]{7,64}"),
    re.ASCII,
)
MACHINE: Final = re.compile(
    ALONE.format(
        "amd64|x86[_-]64|x64|i386|i686|arm64v8|arm64|aarch64|arm32v[567]|armv[5678]l?"
        "|ppc64le|s390x|riscv64|mips64le|loong64"
    ),
    re.ASCII,
)
DATE: Final = re.compile(
    r"(?<![0-9])(?<![0-9]\.)(20[0-9]{2})-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])"
    r"(?:T([0-9]{2})-([0-9]{2})-([0-9]{2})Z)?)?(?![0-9.])",
    re.ASCII,
)
COMPACT: Final = re.compile(
    r"(20[0-9]{2})(0[1-9]|1[0-2])(?:(0[1-9]|[12][0-9]|3[01])"
    r"(?:([01][0-9]|2[0-3])(?:([0-5][0-9])([0-5][0-9])?)?)?)?",
    re.ASCII,
)
YEAR: Final = re.compile(r"20[0-9]{2}", re.ASCII)
UNIX: Final = re.compile(r"1[0-9]{9}(?:(?P<ms>[0-9]{3}))?", re.ASCII)
VERSION_FIRST: Final = re.compile(r"(?:v|version-|release-)?[0-9]", re.ASCII | re.IGNORECASE)
_NO_COUNTER = r"(?!(?i:ver|version|rel|release|build|rev)[0-9])"
DOTTED_SECOND: Final = re.compile(
    rf"(?:[A-Za-z0-9#]+|{_NO_COUNTER}[A-Za-z]{{2,}}[0-9]+(?:\.[0-9]+)+)[-_]v?(?=[0-9]+\.[0-9])",
    re.ASCII,
)
NUMBERED_WORD: Final = re.compile(
    rf"{_NO_COUNTER}[A-Za-z]{{2,}}[0-9][A-Za-z0-9]*[-_](?=[0-9])", re.ASCII
)
DIGIT: Final = re.compile(r"[0-9]", re.ASCII)
NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
COUNTER: Final = re.compile(r"(?:.*[-_.])?(?:build|b|r|rev)[-_.]?\Z", re.ASCII | re.IGNORECASE)
PRE_RELEASE: Final = re.compile(
    r"(?:(?P<letter>[ab])(?=[0-9])"
    r"|[-._]?(?P<word>alpha|beta|rc|cr|preview|pre|snapshot|eap|ea)(?![A-Za-z])"
    r"|[-._]?(?P<numbered>dev|nightly|canary|next|m|milestone)(?=[-.]?[0-9]))"
    r"(?:[-.]?(?P<numbers>[0-9]+(?:\.[0-9]+)*))?(?![A-Za-z0-9])",
    re.ASCII | re.IGNORECASE,
)
BUILD: Final = re.compile(
    r"(?:\A[-_]|(?:\A|(?<=[-_.]))(?:k3s|rke2r|eksbuild\.|gke\.|[ce]e\.|ls|rev|r|build[-.]?"
    r"|b|pl|p|post|patch|u|cu|hotfix[-.]?))"
    r"(?P<numbers>20[0-9]{2}-[0-9]{2}(?:-[0-9]{2})?|[0-9]+(?:\.[0-9]+)*)(?![A-Za-z0-9])",
    re.ASCII | re.IGNORECASE,
)
PERHAPS_COMMIT: Final = re.compile(
    r"(?<=[-_])(?!20[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{2}(?![0-9]))[0-9]{7,9}(?![A-Za-z0-9.])", re.ASCII
)
FORMS: Final = ("YYYY", "MM", "DD", "hh", "mm", "ss")
RANKS: Final = {
    word: rank
    for rank, words in enumerate(
        ("dev", "nightly canary next snapshot", "a alpha", "b beta", "m milestone",
         "pre preview ea eap", "cr rc")
    )
    for word in words.split()
}  # fmt: skip
RELEASE: Final = (len(RANKS),)
