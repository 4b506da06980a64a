"""Image references: what an operator writes after `docker pull`, read into its parts.

    reference = [ domain "/" ] path [ ":" tag ] [ "@" digest ]      at most 1024 characters
    domain    = host [ ":" port ]                                   at most 255 characters
    host      = label *( "." label ) | "[" 1*( hexdigit | ":" ) "]"
    label     = alnum [ *( alnum | "-" ) alnum ]
    port      = 1*digit
    path      = component *( "/" component )                        at most 255 characters
    component = word *( separator word )
    word      = 1*( lower | digit )
    separator = "." | "_" | "__" | 1*"-"
    tag       = ( alnum | "_" ) *127( alnum | "_" | "." | "-" )
    digest    = algorithm ":" 32*hexdigit                           then as in `digest.py`

Each rule has its quirk:

- domain: only a first part with `.`, `:` or an upper-case letter, or exactly `localhost`, is one;
  else the image is on Docker Hub. Without any `/` there is no domain: `localhost:5000` is a Hub
  image with the tag 5000. `index.docker.io` is read as `docker.io`. Case is kept as written.
- host: no `_`, so `my_host.local/img` is refused (others read it as an image without a registry).
  What is between the brackets is not checked to be an IPv6 address.
- port: any digits; whether one can connect to 750050 is not a question of grammar.
- path: the limit counts the `library/` that a one-part Hub name is given, not the domain.
- component: exactly one separator, `__` being one; any number of `-` is one, too.
- tag: keeps its case, unlike the path.
- digest: `name:tag@digest` is legal and both are kept; `name@digest:tag` is not.

Refused although a looser reader makes a Hub image of it: 64 hex digits (an image id), a bare
digest, and the `<none>` that an engine prints for an image without a name. Nothing is stripped
or repaired; text outside ASCII is refused.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Self

from msgspec import Struct

from imagedrift_schemas.digest import digest_fault, is_digest
from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.registry_name import DOCKER_HUB as DOCKER_HUB  # noqa: PLC0414 - its users find it here
from imagedrift_schemas.registry_name import (
    DOMAIN,
    MAX_DOMAIN,
    canonical_registry,
    is_machine_bound,
    reads_as_domain,
)

_OFFICIAL: Final = "library/"
_DEFAULT_TAG: Final = "latest"
_MAX_TEXT: Final = 1024
_REMEMBERED: Final = 16_384  # references: with the longest texts some 20 MB
_MAX_PATH: Final = 255

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_ALGORITHM: Final = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_DIGEST: Final = re.compile(rf"{_ALGORITHM}:[A-Fa-f0-9]{{32,}}", re.ASCII)
_IMAGE_ID: Final = re.compile(r"[a-f0-9]{64}", re.ASCII)

# What the parts are in canonical form, for the JSON Schemas: text that both Python and ECMAScript
# read as a pattern. A registry is in lower case where it has a dot or a colon, has one where it is
# not `localhost` or a single label in upper case, and is no other name of Docker Hub.
_ONE_CASE: Final = (
    r"(?:(?=[^/]*[.:])(?![^/]*[A-Z])|(?=[^/]*[A-Z])(?![^/]*[.:])"
    r"(?![Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt](?:/|$))|(?=localhost(?:/|$)))"
)
_NO_ALIAS: Final = (
    r"(?!(?:index\.docker\.io|registry-1\.docker\.io|registry\.hub\.docker\.com)(?:/|$))"
)
CANONICAL_REGISTRY: Final = rf"(?=[^/]{{1,255}}(?:/|$)){_ONE_CASE}{_NO_ALIAS}(?:{DOMAIN.pattern})"
CANONICAL_REPOSITORY: Final = rf"(?=[^:@]{{1,255}}(?:[:@]|$)){_PATH.pattern}"
TAG: Final = _TAG.pattern
IN_FULL: Final = r"(?!docker\.io/[^/]*$)"  # a repository of Docker Hub has its `library/`
# Whatever stands before the last `@` may be a password, unless a digest follows.
_CREDENTIALS: Final = re.compile(r".*@(?!sha[0-9]+|md5)", re.DOTALL | re.IGNORECASE)


class ImageReference(Struct, frozen=True):
    """A reference in its parts; `tag` and `digest` are empty when they were not written.

    `domain` and `path` are as the grammar reads them. `registry` and `repository` are the same
    after all names of Docker Hub were made one: use these for cache keys, budgets and subjects.
    Two spellings of one reference differ in `original`; compare their `canonical`.
    """

    domain: str
    path: str
    tag: str
    digest: str
    original: str

    @staticmethod
    def parse(text: str) -> "ImageReference":
        """Read a reference, or raise BadReference naming the rule that it breaks."""
        return _parse(text)

    @property
    def registry(self) -> str:
        """The domain in lower case, every name of Docker Hub being `docker.io`.

        A single upper-case label (`FOO/bar`) keeps its case: in lower case it would no longer
        be a domain, and somebody's own image would become one of Docker Hub's.
        """
        return canonical_registry(self.domain)

    @property
    def repository(self) -> str:
        """The path within `registry`, `library/` added for one-part names on Docker Hub."""
        official = self.registry == DOCKER_HUB and "/" not in self.path
        return _OFFICIAL + self.path if official else self.path

    @property
    def effective_tag(self) -> str:
        """The tag that a registry is asked about: `latest` where none is written."""
        return self.tag or _DEFAULT_TAG

    @property
    def key(self) -> str:
        """`repository:tag` or `repository@digest`: what one asks the registry about.

        With both, the tag stays: the tag is watched, the digest is what it is compared with.
        """
        if self.is_pinned:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.effective_tag}"

    @property
    def canonical(self) -> str:
        """The one spelling of everything that asks the same question, like `docker.io/a/b:1`."""
        return f"{self.registry}/{self.key}"

    @property
    def familiar(self) -> str:
        """The short form in which an engine shows it, as long as that reads back as the same."""
        suffix = (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")
        full = f"{self.domain}/{self.path}{suffix}"
        if self.domain != DOCKER_HUB:
            return full
        official = self.path.startswith(_OFFICIAL) and self.path.count("/") == 1
        short = (self.path.removeprefix(_OFFICIAL) if official else self.path) + suffix
        return short if self._is_written(short) else full

    @property
    def is_pinned(self) -> bool:
        """True when a digest alone identifies the image: there is no tag that could move."""
        return bool(self.digest) and not self.tag

    @property
    def is_machine_bound(self) -> bool:
        """True when the registry's name means another machine on every host.

        `localhost`, a loopback address, and a name of one label are understood by the host that
        wrote them and by nobody else, so such a reference is never asked centrally.
        """
        return is_machine_bound(self.registry)

    def _is_written(self, text: str) -> bool:
        """Tell whether the text reads back as this reference."""
        try:
            other = ImageReference.parse(text)
        except BadReference:
            return False
        return (other.canonical, other.digest) == (self.canonical, self.digest)


class CanonicalParts(NamedTuple):
    """The parts of a canonical reference; a part that is not there is empty."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def of(cls, canonical: str) -> Self:
        """Split a canonical reference, or the beginning of one. Nothing is checked."""
        registry, _, key = canonical.partition("/")
        repository, _, tag = key.partition("@")[0].partition(":")
        return cls(registry, repository, tag)


def parents(repository: str) -> Iterator[str]:
    """Yield a repository and every path above it, the longest first: `a/b`, then `a`."""
    while repository:
        yield repository
        repository = repository.rpartition("/")[0]


@lru_cache(maxsize=_REMEMBERED)  # a fleet has few, and tells them with every image of them
def _parse(text: str) -> ImageReference:
    _refuse_what_is_no_name(text)
    domain, remainder = _split_domain(text)
    name, _, _ = remainder.partition(":")
    if name != name.lower():
        raise _refused(text, "uppercase: a repository is written in lower case")
    before, at, digest = remainder.partition("@")
    path, colon, tag = before.partition(":")
    _check_grammar(text, domain, path, tag if colon else None, digest if at else None)
    reference = ImageReference(domain, path, tag, digest, text)
    if len(reference.repository) > _MAX_PATH or len(domain) > MAX_DOMAIN:
        raise _refused(text, "length: repository and host have at most 255 characters each")
    if at and (fault := digest_fault(digest)):
        raise _refused(text, fault)
    return reference


def _refuse_what_is_no_name(text: str) -> None:
    """Refuse texts that the grammar would misread as an image's name, or could not read in time."""
    if len(text) > _MAX_TEXT:
        raise _refused(text, f"length: a reference has at most {_MAX_TEXT} characters")
    if _IMAGE_ID.fullmatch(text):
        raise _refused(text, "64-hex: this is an image id, which no registry knows")
    if is_digest(text):
        raise _refused(text, "bare digest: put the repository and '@' before it")
    if text.startswith("<none>"):
        raise _refused(text, "dangling: the engine shows an image without a name as <none>")


def _split_domain(text: str) -> tuple[str, str]:
    """Split at the first `/`, when a domain stands before it; give Hub's short names in full."""
    first, slash, rest = text.partition("/")
    domain, remainder = (first, rest) if slash and reads_as_domain(first) else (DOCKER_HUB, text)
    if domain == "index.docker.io":
        domain = DOCKER_HUB
    if domain == DOCKER_HUB and "/" not in remainder:
        remainder = _OFFICIAL + remainder
    return domain, remainder


def _check_grammar(text: str, domain: str, path: str, tag: str | None, digest: str | None) -> None:
    """Refuse the first part that breaks its rule; None is a part that was not written."""
    if not DOMAIN.fullmatch(domain):
        if domain != domain.lower() and _PATH.fullmatch(domain.lower()):
            raise _refused(text, "uppercase: neither a host name nor a lower-case repository")
        raise _refused(text, "format: what stands before the first '/' is no host[:port]")
    if not _PATH.fullmatch(path):
        raise _refused(text, "format: the repository is a-z, 0-9, and single . _ __ - between them")
    if tag is not None and not _TAG.fullmatch(tag):
        raise _refused(text, "format: a tag is 1 to 128 letters, digits, . _ -, not first . or -")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise _refused(text, "format: after '@' stands algorithm:hex, and nothing after that")


def _refused(text: str, why: str) -> BadReference:
    """Make the error; it never repeats a possible password before an `@`."""
    told = text[:_MAX_TEXT]
    found = _CREDENTIALS.match(
        told
    )  # at the start alone: looked for anywhere it takes a millisecond
    shown = f"***@{told[found.end() :]}" if found else told
    return BadReference(f"reference {shown[:160]!a}: {why}")
