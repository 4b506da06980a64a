"""How image references are read, row by row. Their laws are in test_reference_laws."""

import json
import time
from pathlib import Path

import pytest

from imagedrift_schemas.errors import BadReference
from imagedrift_schemas.reference import CanonicalParts, ImageReference

Row = dict[str, str]

ROWS: list[Row] = json.loads(Path(__file__).with_name("reference_cases.json").read_text("utf-8"))
READ = [row for row in ROWS if "error" not in row]
REFUSED = [row for row in ROWS if "error" in row]

SHA = "sha256:" + "a" * 64


def named(row: Row) -> str:
    """Name a row by the start of its input."""
    return ascii(row["input"][:40])


@pytest.mark.parametrize("row", READ, ids=named)
def test_a_reference_is_read_into_its_parts(row: Row) -> None:
    """Domain, path, tag and digest come out as the table says, and the original is kept."""
    reference = ImageReference.parse(row["input"])

    assert reference.domain == row["domain"]
    assert reference.path == row["path"]
    assert reference.tag == row["tag"]
    assert reference.digest == row["digest"]
    assert reference.original == row["input"]


@pytest.mark.parametrize("row", READ, ids=named)
def test_a_reference_is_shown_as_an_engine_shows_it(row: Row) -> None:
    """The familiar form leaves out what every operator takes for granted."""
    assert ImageReference.parse(row["input"]).familiar == row["familiar"]


@pytest.mark.parametrize("row", READ, ids=named)
def test_the_canonical_form_names_what_an_engine_would_pull(row: Row) -> None:
    """Pulling the canonical form is pulling the reference, except for our three differences.

    Hosts are in lower case, all names of Docker Hub are one, and a tag beside a digest is kept.
    """
    reference = ImageReference.parse(row["input"])

    pulled = row["pulled"].replace(reference.domain, reference.registry, 1)
    pulled = pulled.replace(reference.path, reference.repository, 1)
    if reference.tag and reference.digest:
        pulled = pulled.replace(f"@{reference.digest}", f":{reference.tag}")

    assert reference.canonical == pulled


@pytest.mark.parametrize("row", REFUSED, ids=named)
def test_what_breaks_a_rule_is_refused_and_told_which(row: Row) -> None:
    """The message has the kind of the fault right after the reference."""
    with pytest.raises(BadReference) as refusal:
        ImageReference.parse(row["input"])

    assert f": {row['error']}" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sha512:" + "a" * 128, "bare digest"),
        ("<none>", "dangling"),
        ("x" * 254 + ".example/app", "length"),
        ("registry.hub.docker.com/" + "x" * 248, "length"),
        ("a" * 1025, "length"),
        ("a" * 1_000_000, "length"),
        ("ubuntu\r\n", "format"),
        ("ubuntu\u2028", "format"),
        ("ubuntu:1\n", "format"),
        (f"ubuntu@{SHA}\n", "format"),
        ("r.io:5000\n/a", "format"),
        ("r.io:٥٠٠٠/a", "format"),
        ("ubuntu:٣", "format"),
        ("ubuntu\0", "format"),
        ("ubuntu%20", "format"),
        ("Ünited/x", "format"),
        ("a@sha256:" + "g" * 64, "format"),
        (f"a@{SHA}@{SHA}", "format"),
        ("My_Host.local/img", "uppercase"),
    ],
)
def test_further_texts_are_refused_with_their_kind(text: str, kind: str) -> None:
    """Line ends, foreign digits, control characters and excess length have no way in."""
    with pytest.raises(BadReference) as refusal:
        ImageReference.parse(text)

    assert f": {kind}" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "robot:hunter2@registry.example/app",
        "https://robot:hunter2@registry.example/app",
        "https://robot:hun/ter2/hunter2@registry.example/app",
        "robot:hunter2@registry.example",
        f"robot:hunter2@registry.example/app@{SHA}",
    ],
)
def test_a_password_in_a_reference_is_not_repeated_in_the_error(text: str) -> None:
    """An operator who pastes credentials does not find them in the log."""
    with pytest.raises(BadReference) as refusal:
        ImageReference.parse(text)

    assert "hunter2" not in str(refusal.value)
    assert "robot" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("registry.hub.docker.com/nginx:1", "docker.io/library/nginx:1"),
        ("registry.hub.docker.com/grafana/loki", "docker.io/grafana/loki:latest"),
        ("Docker.IO/nginx", "docker.io/library/nginx:latest"),
        ("docker.io:443/nginx", "docker.io:443/nginx:latest"),
        ("Quay.IO/foo", "quay.io/foo:latest"),
        ("quay.io/foo:TAG", "quay.io/foo:TAG"),
        (f"nginx@{SHA}", f"docker.io/library/nginx@{SHA}"),
        (f"nginx:1.27@{SHA}", "docker.io/library/nginx:1.27"),
        ("LOCALHOST/foo", "localhost/foo:latest"),
        ("FOO/bar", "FOO/bar:latest"),
    ],
)
def test_everything_that_asks_the_same_question_has_one_canonical_form(
    text: str, canonical: str
) -> None:
    """Aliases of Docker Hub, case of the host, and the default tag are all resolved."""
    assert ImageReference.parse(text).canonical == canonical


@pytest.mark.parametrize("row", READ, ids=named)
def test_a_canonical_reference_is_split_into_its_parts(row: Row) -> None:
    """Registry, repository and tag of the canonical form are those that were read."""
    reference = ImageReference.parse(row["input"])
    tag = "" if reference.is_pinned else reference.effective_tag

    parts = CanonicalParts.of(reference.canonical)

    assert parts == (reference.registry, reference.repository, tag)


@pytest.mark.parametrize(
    ("beginning", "parts"),
    [("", ("", "", "")), ("ghcr.io/a", ("ghcr.io", "a", "")), ("ghcr.io", ("ghcr.io", "", ""))],
)
def test_the_beginning_of_a_reference_is_split_as_far_as_it_goes(
    beginning: str, parts: tuple[str, str, str]
) -> None:
    """A part that is not there is empty."""
    assert CanonicalParts.of(beginning) == parts


def test_a_single_upper_case_label_never_becomes_an_image_of_docker_hub() -> None:
    """Lower-casing `FOO/bar` would turn a private host into a stranger's account."""
    reference = ImageReference.parse(ImageReference.parse("FOO/bar").canonical)

    assert reference.registry == "FOO"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("nginx", "library/nginx:latest"),
        ("ghcr.io/a/b:1", "a/b:1"),
        (f"ghcr.io/a/b@{SHA}", f"a/b@{SHA}"),
        (f"ghcr.io/a/b:1@{SHA}", "a/b:1"),
    ],
)
def test_the_key_is_what_a_registry_is_asked_about(text: str, key: str) -> None:
    """The key is the canonical form without the registry."""
    assert ImageReference.parse(text).key == key


@pytest.mark.parametrize(
    ("text", "pinned"),
    [("nginx", False), ("nginx:1", False), (f"nginx@{SHA}", True), (f"nginx:1@{SHA}", False)],
)
def test_only_a_digest_without_a_tag_is_pinned(text: str, pinned: bool) -> None:
    """A tag beside the digest can still move, so it is watched."""
    assert ImageReference.parse(text).is_pinned is pinned


@pytest.mark.parametrize(
    "text",
    [
        "localhost/app",
        "LOCALHOST/app",
        "localhost:5000/app",
        "registry:5000/app",
        "REGISTRY/app",
        "cache.localhost/app",
        "127.0.0.1/app",
        "127.0.0.1:5000/app",
        "127.8.9.10:5000/app",
        "127.1/app",
        "0x7f.0.0.1/app",
        "0177.0.0.1/app",
        "2130706433:80/app",
        "127.0.0.0x1/app",
        "1.2.3.4.5/app",
        "0.0.0.0:5000/app",
        "[::1]/app",
        "[::1]:5000/app",
        "[0:0:0:0:0:0:0:1]/app",
        "[::ffff:7f00:1]:5000/app",
        "[::]:5000/app",
    ],
)
def test_a_name_that_only_its_own_host_understands_is_machine_bound(text: str) -> None:
    """Loopback, addresses in odd spellings, and names of one label are never asked centrally."""
    assert ImageReference.parse(text).is_machine_bound


@pytest.mark.parametrize(
    "text",
    [
        "nginx",
        "localhost",
        "localhost:5000",
        "user/app",
        "ghcr.io/a/b",
        "ghcr.io:443/a/b",
        "10.0.0.5:5000/app",
        "[2001:db8::1]:5000/app",
        "[:]/app",
        "localhost.example/app",
        "notlocalhost.io/app",
    ],
)
def test_a_name_that_every_host_understands_alike_is_not_machine_bound(text: str) -> None:
    """Private addresses, too, may be named in the configuration and asked centrally."""
    assert not ImageReference.parse(text).is_machine_bound


@pytest.mark.parametrize(
    "text", ["docker.io/localhost/app", "docker.io/foo.bar/app", f"docker.io/library/{'a' * 64}"]
)
def test_the_familiar_form_stays_long_where_the_short_one_means_something_else(text: str) -> None:
    """The shown text can be pasted back."""
    assert ImageReference.parse(text).familiar == text


def test_long_texts_that_are_no_references_are_refused_quickly() -> None:
    """A host may name twenty thousand images wrongly: the error costs little, however long."""
    began = time.process_time()
    for n in range(2_000):
        with pytest.raises(BadReference):
            ImageReference.parse("A" * 900 + f"/{n}")
    assert time.process_time() - began < 0.5
