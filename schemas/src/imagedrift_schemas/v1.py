"""Every message of version 1 of the wire.

Rules:
- Inside version 1 only fields with a default are added; no type and no meaning changes.
- Unknown fields are ignored, so an older reader understands a newer writer.
- Times are UTC, RFC 3339, with Z. Durations are seconds. Digests are ``sha256:<64 hex>`` or
  ``sha512:<128 hex>``.
- The four words: an `Inventory` says what a host has; a `Question` (`Resolve` or `Describe`) asks
  what a reference points to; an `Answer` says what the registry said; a Comparison is made of the
  two and lives in SQL only. `Changed` tells others what the comparisons' verdicts became.
- `List` asks for the tags of a repository, and `Listed` has those that tell newer versions.
"""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Time: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A moment. One without an offset is refused, as nobody knows which moment it means."""

# --- Inventory: what one host has ---------------------------------------------------------------


class LocalImage(Struct, frozen=True, kw_only=True):
    """One image on a host, under one reference.

    An image known by two references is listed twice. `repo_digests` is the set of digests under
    which this repository's registry knows the image, sorted; empty means it was never pulled or
    pushed: a local image.
    """

    reference: str
    image_id: str
    repo_digests: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    tagged: bool = True
    """False when only a container's configuration has the reference: its tag has moved."""
    size: int = 0
    created_at: Time | None = None
    containers: tuple[str, ...] = ()
    """Names of the containers made from this image under this reference, running or not, sorted."""
    running: int = 0
    """How many of them run."""
    manifest_digest: str = ""
    """Digest of this platform's manifest where the engine knows it (containerd image store)."""
    services: tuple[str, ...] = ()
    """The services of those containers, where their labels name one, sorted: `project/service`."""
    digest_lost: bool | UnsetType = UNSET
    """The engine no longer knows under which digest it got the image. Without it, an empty
    `repo_digests` means that the image was never pulled or pushed. Written only where it is true:
    a field that is added later must not change the hash of an unchanged host."""
    by_digest: bool | UnsetType = UNSET
    """The containers were made from `tag@digest`: made anew they are the same image. Written only
    where it is true."""
    version: str | UnsetType = UNSET
    """The version by the image's label `org.opencontainers.image.version`. Written only where the
    image has that label, like the four below."""
    revision: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    """Where its sources are, by the label `.source`: often a URL, and the packager's own."""
    base_name: str | UnsetType = UNSET
    base_digest: str | UnsetType = UNSET
    policy: dict[str, str] | UnsetType = UNSET
    """When it is to be updated, by labels of its containers (`imagedrift.wait` is `wait`). Written
    only where a container has such a label."""


class Host(Struct, frozen=True, kw_only=True):
    """The sender of a report: the part of an inventory about the host, not its images."""

    site: str
    host: str
    hostname: str = ""
    labels: dict[str, str] = {}
    place: str = ""
    """Where the host sits, from the outside in: `dc1/pve-3/lxc-104`."""
    os: str = "linux"
    arch: str = "amd64"
    engine: str = "docker"
    engine_version: str = ""
    agent_version: str = ""
    boot: str = ""
    """Random per start of the agent: tells two machines apart that report under one host id."""
    seq: int = 0
    taken_at: Time
    interval_s: int = 300
    """How often this host says that it lives; silence is measured by it."""
    content: str
    """Hash over `images` in canonical order: equal content means an unchanged host."""
    degraded: str = ""
    """Why the images may be out of date (the engine does not answer). Empty: all is well."""
    skipped: dict[str, int] = {}
    """How many images and containers are not reported in full, by reason."""


class Inventory(Host, frozen=True, kw_only=True, tag="inventory"):
    """Everything one host has. State, not an event: the newest one per host is the truth.

    The whole message may be compressed with gzip, as one member: it then begins with 1F 8B. At most
    32 MiB may come out of it, and at most 32 times what went in.
    """

    images: tuple[LocalImage, ...] = ()


class InventoryEnvelope(Host, frozen=True, kw_only=True, tag="inventory"):
    """An `Inventory` whose images are still bytes: for readers who know `content` already."""

    images: Raw = Raw(b"[]")


class Alive(Struct, frozen=True, kw_only=True, tag="alive"):
    """An unchanged host lives. Sent in place of an inventory that would say nothing new."""

    site: str
    host: str
    content: str
    boot: str = ""
    seq: int = 0
    at: Time
    interval_s: int = 300
    degraded: str = ""


# --- Question: what does this reference point to now? -------------------------------------------


class Resolve(Struct, frozen=True, kw_only=True, tag="resolve"):
    """Ask for the digest that this tag points to now."""

    registry: str
    repository: str
    tag: str
    asked_at: Time
    fresh_since: Time
    """An answer checked at or after this moment will do; no request is made then."""
    last_digest: str = ""
    hosts: int = 0
    """How many hosts have it: tells what a scarce budget is best spent on."""


class Describe(Struct, frozen=True, kw_only=True, tag="describe"):
    """Ask for the content of this digest: once for ever, as it cannot change."""

    registry: str
    repository: str
    digest: str
    asked_at: Time
    platforms: tuple[str, ...] = ()
    """The platforms that hosts name for their images: their children are read first."""
    image_ids: tuple[str, ...] = ()
    """Image ids of classic engines. Children are read until each is found as a config digest."""
    hosts: int = 0
    facts_of: tuple[str, ...] = ()
    """The platforms whose image is to tell its version: its configuration is read for that. At
    most four."""


Question: TypeAlias = Resolve | Describe


class List(Struct, frozen=True, kw_only=True, tag="list"):
    """Ask for the tags of this repository, to learn of newer versions."""

    registry: str
    repository: str
    asked_at: Time
    fresh_since: Time
    """A list checked at or after this moment will do; no request is made then."""
    tags: tuple[str, ...] = ()
    """The tags that hosts run, those of most hosts first: the names of their tracks are kept
    first."""
    hosts: int = 0


# --- Answer: what the registry said, and when ---------------------------------------------------

Source: TypeAlias = Literal["head", "get", "webhook"]


class Found(Struct, frozen=True, kw_only=True, tag="found"):
    """The tag points to this digest."""

    digest: str
    media_type: str = ""
    source: Source = "head"


class Missing(Struct, frozen=True, kw_only=True, tag="missing"):
    """The registry says there is no such tag or repository."""

    reason: str = ""


class Denied(Struct, frozen=True, kw_only=True, tag="denied"):
    """The registry wants credentials that we lack, or refuses those we have."""

    reason: str = ""


class Limited(Struct, frozen=True, kw_only=True, tag="limited"):
    """The registry's limit, or our own budget for it, is used up until `until`."""

    reason: str = ""
    until: Time | None = None


class Unreachable(Struct, frozen=True, kw_only=True, tag="unreachable"):
    """No usable response: name, connection, TLS, time-out, or a server error."""

    reason: str = ""


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """We did not ask: our own policy forbids this registry or address."""

    reason: str = ""


class Unsupported(Struct, frozen=True, kw_only=True, tag="unsupported"):
    """The registry answered with something that is no manifest we can compare."""

    reason: str = ""


class Invalid(Struct, frozen=True, kw_only=True, tag="invalid"):
    """The registry's response contradicts itself or the protocol."""

    reason: str = ""


Failure: TypeAlias = Missing | Denied | Limited | Unreachable | Refused | Unsupported | Invalid
Outcome: TypeAlias = Found | Failure


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """The answer of a registry about a tag. The newest one per tag is kept in the shared cache."""

    registry: str
    repository: str
    tag: str
    checked_at: Time
    outcome: Outcome
    last_digest: str = ""
    """The digest found last, kept through failures; equal to `outcome.digest` when found."""
    last_found_at: Time | None = None
    credential: str = "anonymous"
    """Name of the credential it was got with; never the credential."""
    failures: int = 0
    """How many checks in a row have failed."""


class ImageFacts(Struct, frozen=True, kw_only=True):
    """The facts in an image's configuration: its labels `org.opencontainers.image.*`, and its age.

    A text is empty where the image has no such label.
    """

    version: str = ""
    revision: str = ""
    source: str = ""
    """Where its sources are, by the label `.source`: often a URL, and the packager's own."""
    base_name: str = ""
    base_digest: str = ""
    built_at: Time | None = None


class Child(Struct, frozen=True, kw_only=True):
    """One platform's manifest inside an index."""

    platform: str
    """The image's platform, `os/architecture[/variant]`; empty where the index names none."""
    digest: str
    config_digest: str = ""
    """The image id that a classic engine shows; empty when it was not read."""
    nested: bool | UnsetType = UNSET
    """This is an index that was not looked into: its children are not known. Written only where
    it is true."""
    facts: ImageFacts | UnsetType = UNSET
    """The facts in its configuration. Absent: that was not read. Present with nothing in it: it was
    read, and says nothing."""


class Described(Struct, frozen=True, kw_only=True, tag="described"):
    """The content of a digest. True for ever; `failure` says what could not be read this time."""

    registry: str
    repository: str
    digest: str
    checked_at: Time
    children: tuple[Child, ...] = ()
    """Every manifest in it, those of indexes inside it included; an image alone is its own child.
    A list whose children all have a `config_digest` is whole, and is never asked for again: a
    manifest that it lacks makes its images outdated for ever."""
    failure: Failure | None = None
    credential: str = "anonymous"


AnyAnswer: TypeAlias = Answer | Described

Truncated: TypeAlias = Literal["", "pages", "bytes", "time", "failed"]
"""Why a list ended before its end; empty where it did not."""


class TagTrack(Struct, frozen=True, kw_only=True):
    """Tags that differ in their version numbers alone: the newest, and the newest of each step."""

    names: tuple[str, ...]
    """The tags, those first that tell most about newer versions."""
    whole: bool = True
    """No name lacks that could be the newest of a step. Where one may, a step without a newer name
    here is not known."""


class Listed(Struct, frozen=True, kw_only=True, tag="listed"):
    """The tags of a repository that tell versions, by track: at most 32 KiB of them.

    A list that is `truncated`, or `cut`, says of no version that nothing is newer: of a step
    without a newer name nothing is known.
    """

    registry: str
    repository: str
    checked_at: Time
    tracks: tuple[TagTrack, ...] = ()
    """The tracks of tags that hosts run come first. A failed check keeps the tracks of the list
    before."""
    count: int = 0
    """How many tags were seen, also those that tell no version."""
    cut: bool = False
    """Tracks were left out for room."""
    truncated: Truncated = ""
    """Why the list was not read to its end; empty when it was."""
    failure: Failure | None = None
    """Why the list could not be read, or not to its end; null when nothing failed."""
    listed_at: Time | None = None
    """When the tracks were read from the registry; null before the first time."""
    credential: str = "anonymous"
    failures: int = 0
    """How many checks in a row have failed."""
    grammar: int = 1
    """The number of the tag grammar by which names were kept. Who reads tags by another one takes
    the list as one that is `cut`, and none of its tracks as whole."""


# --- What is known of a registry's limits -------------------------------------------------------


class RegistryState(Struct, frozen=True, kw_only=True, tag="registry"):
    """The budget of one (registry, credential), learnt from its responses and shared."""

    registry: str
    credential: str = "anonymous"
    rate_limit: int | None = None
    rate_remaining: int | None = None
    rate_window_s: int | None = None
    rate_reset_at: Time | None = None
    blocked_until: Time | None = None
    """Nothing is asked before this moment."""
    get_blocked_until: Time | None = None
    """Nothing that counts against a pull limit is asked before this moment; HEAD may be."""
    requests_per_second: float | None = None
    """The pace found for a registry that publishes no limit."""
    slowed_at: Time | None = None
    """When that pace was last lowered; it rises again from then on."""
    paced_until: Time | None = None
    """Requests at that pace are promised up to this moment; the next one may go after it."""
    last_status: int | None = None
    last_error: str = ""
    observed_at: Time


# --- What others may follow ---------------------------------------------------------------------


class Changed(Struct, frozen=True, kw_only=True, tag="changed"):
    """The verdict of one distinct local image changed, on all hosts that have it."""

    registry: str
    repository: str
    tag: str
    platform: str
    image_id: str
    from_verdict: str
    from_reason: str
    to_verdict: str
    to_reason: str
    remote_digest: str = ""
    changed_at: Time
    hosts: int = 0
    running_hosts: int = 0


class DeadLetter(Struct, frozen=True, kw_only=True, tag="dead"):
    """A message that was refused, with the reason and, up to a cap, the message itself."""

    service: str
    subject: str
    stream: str = ""
    stream_seq: int = 0
    reason: str
    error: str = ""
    received_at: Time
    payload: bytes = b""
    """At most the first 64 KiB, base64 on the wire; empty where an earlier letter has it."""
    times: int = 1
    """How many refused messages of this subject, for this reason, it tells of."""
