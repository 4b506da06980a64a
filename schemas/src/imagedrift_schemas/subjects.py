"""Every name on NATS: streams, buckets, subjects and keys. Nothing spells one elsewhere.

    DRIFT_INVENTORY  drift.v1.inventory.<site>.<host>
    DRIFT_LOOKUP     drift.v1.lookup.<lane>.<registry>.<reference>
                     drift.v1.list.<lane>.<registry>.<repository>
    DRIFT_DEAD       drift.v1.dead.<service>
    DRIFT_CHANGED    drift.v1.changed.<registry>.<reference>
    (core NATS)      drift.v1.alive.<site>.<host>
    (core NATS)      drift.v1.resolver.lookup, a micro service
    drift_digests    key <registry>.<reference>
    drift_tags       key <registry>.<repository>
    drift_registries key <registry>.<credential>

A token is escaped so that any text is one token and can be read back: a byte outside
``[A-Za-z0-9_/-]`` is written ``=XX`` in upper-case hex. ``=`` itself is such a byte, so the
escaping is reversible. The same form is legal in a key of a bucket.
"""

import re
from functools import lru_cache
from typing import Final

from imagedrift_schemas.errors import BadToken
from imagedrift_schemas.v1 import (
    Answer,
    AnyAnswer,
    Describe,
    Described,
    List,
    Listed,
    Question,
    Resolve,
)

PREFIX: Final = "drift.v1"

STREAM_INVENTORY: Final = "DRIFT_INVENTORY"
STREAM_LOOKUP: Final = "DRIFT_LOOKUP"
STREAM_DEAD: Final = "DRIFT_DEAD"
STREAM_CHANGED: Final = "DRIFT_CHANGED"
BUCKET_DIGESTS: Final = "drift_digests"
BUCKET_TAGS: Final = "drift_tags"
BUCKET_REGISTRIES: Final = "drift_registries"

CONSUMER_INGEST: Final = "ingest"
"""Durable consumer of ingest on each stream that it reads, shared by all its replicas."""

CONSUMER_NOTIFIER: Final = "notifier"
"""Durable consumer of the notifier on `DRIFT_CHANGED`, shared by all its replicas."""

INVENTORY_ALL: Final = f"{PREFIX}.inventory.*.*"
LOOKUP_ALL: Final = f"{PREFIX}.lookup.*.*.*"
LIST_ALL: Final = f"{PREFIX}.list.*.*.*"
DEAD_ALL: Final = f"{PREFIX}.dead.*"
CHANGED_ALL: Final = f"{PREFIX}.changed.*.*"
ALIVE_ALL: Final = f"{PREFIX}.alive.*.*"

RESOLVER_LOOKUP: Final = f"{PREFIX}.resolver.lookup"
"""The subject on which `imagedrift-resolver` answers from the shared cache, as a micro service."""

LANES: Final = ("hub", "ghcr", "quay", "ecr", "other")
"""Registry families with a lane of their own without configuration; `other` takes the rest."""

HOST_ID: Final = "[a-z0-9-]{1,63}"
"""The pattern of the ids of sites and hosts."""

_HOST_ID = re.compile(HOST_ID, re.ASCII)
_OTHER = re.compile(rb"[^A-Za-z0-9_/-]")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_/-]|=[0-9A-F]{2})+", re.ASCII)


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """Write `text` as one subject token. Empty text has no token and raises `BadToken`."""
    if not text:
        raise BadToken("an empty text cannot be a subject token")
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise BadToken(f"not writable as UTF-8: {text[:80]!a}") from error
    return _OTHER.sub(lambda match: b"=%02X" % match[0][0], raw).decode()


def unescape(token: str) -> str:
    """Return the text that `escape` was given. Raises `BadToken` for anything else."""
    if not _TOKEN.fullmatch(token):
        raise BadToken(f"not a token of ours: {token[:80]!r}")
    raw = re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), token.encode())
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadToken(f"not UTF-8 inside: {token[:80]!r}") from error
    if escape(text) != token:
        raise BadToken(f"not written by our escaping: {token[:80]!r}")
    return text


def is_host_id(text: str) -> bool:
    """Tell whether `text` may name a site or a host: ``[a-z0-9-]{1,63}``."""
    return _HOST_ID.fullmatch(text) is not None


def inventory(site: str, host: str) -> str:
    """Subject of a host's inventory."""
    return f"{PREFIX}.inventory.{_host_id('site', site)}.{_host_id('host', host)}"


def alive(site: str, host: str) -> str:
    """Subject of a host's heartbeat (core NATS, not stored)."""
    return f"{PREFIX}.alive.{_host_id('site', site)}.{_host_id('host', host)}"


def inbox(site: str, host: str) -> str:
    """Prefix of the subjects on which a host is answered: its credentials hear no other's."""
    return f"_INBOX_{_host_id('site', site)}.{_host_id('host', host)}"


def lookup(lane: str, question: Question) -> str:
    """Subject of a question: the same question has the same subject, so it is asked once."""
    return f"{PREFIX}.lookup.{escape(lane)}.{answer_key(question)}"


def lookup_lane(lane: str) -> str:
    """Filter for all questions of one lane."""
    return f"{PREFIX}.lookup.{escape(lane)}.*.*"


def lane_consumer(lane: str) -> str:
    """Durable consumer of one lane, shared by all resolvers."""
    return f"lane-{_consumer_word(lane)}"


def list_question(lane: str, question: List) -> str:
    """Subject of a question for a repository's tags: one at a time is asked of a repository."""
    return f"{PREFIX}.list.{escape(lane)}.{list_key(question)}"


def list_lane(lane: str) -> str:
    """Filter for all questions for tags of one lane."""
    return f"{PREFIX}.list.{escape(lane)}.*.*"


def list_consumer(lane: str) -> str:
    """Durable consumer of one lane's questions for tags: none waits in it for another question."""
    return f"list-{_consumer_word(lane)}"


def dead(service: str) -> str:
    """Subject under which `service` reports messages that it refused."""
    return f"{PREFIX}.dead.{escape(service)}"


def changed(registry: str, repository: str, tag: str) -> str:
    """Subject of changed verdicts of one reference."""
    return f"{PREFIX}.changed.{escape(registry)}.{escape(f'{repository}:{tag}')}"


def answer_key(about: Question | AnyAnswer | List | Listed) -> str:
    """Key in the shared cache of the answer to a question: ``<registry>.<reference>``.

    One about tags has `list_key`.
    """
    match about:
        case Resolve() | Answer():
            reference = f"{about.repository}:{about.tag}"
        case Describe() | Described():
            reference = f"{about.repository}@{about.digest}"
        case List() | Listed():
            return list_key(about)
    return f"{escape(about.registry)}.{escape(reference)}"


def list_key(about: List | Listed) -> str:
    """Key of the tags of a repository: ``<registry>.<repository>``."""
    return f"{escape(about.registry)}.{escape(about.repository)}"


def registry_key(registry: str, credential: str) -> str:
    """Key of the budget of one (registry, credential)."""
    return f"{escape(registry)}.{escape(credential)}"


def host_of(subject: str) -> tuple[str, str]:
    """Read (site, host) from the subject of an inventory or a heartbeat. Raises `BadToken`."""
    match subject.split("."):
        case ["drift", "v1", "inventory" | "alive", site, host] if is_host_id(site) and is_host_id(
            host
        ):
            return site, host
        case _:
            raise BadToken(f"no subject of a host: {subject[:120]!a}")


def _consumer_word(lane: str) -> str:
    return escape(lane).replace("=", "_").replace("/", "_")


def _host_id(field: str, text: str) -> str:
    if not is_host_id(text):
        raise BadToken(f"{field}: {text[:80]!r} is not of the form [a-z0-9-]{{1,63}}")
    return text
