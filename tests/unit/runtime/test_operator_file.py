"""The operator's registries.toml, and the faults of a wrong one."""

from pathlib import Path

import pytest

from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import Registries, RegistriesFault, Registry

FULL = """
policy = "deny"
[registry."10.0.0.5:5000"]
scheme = "http"
ca = "/etc/ssl/our-ca.pem"
max_connections = 8
requests_per_second = 5
username = "robot$reader"
password_file = "/run/secrets/reader"
[registry."docker.io"]
lane = "hub"
max_connections = 4
"""


def test_the_documented_file_is_read() -> None:
    """Every key of the documented example has its effect."""
    known = operator_file.parse(FULL)
    assert known.policy == "deny"
    assert known.of("10.0.0.5:5000") == Registry(
        scheme="http",
        ca="/etc/ssl/our-ca.pem",
        max_connections=8,
        requests_per_second=5,
        username="robot$reader",
        password_file="/run/secrets/reader",
    )
    assert known.allowed("docker.io")
    assert not known.allowed("ghcr.io")


@pytest.mark.parametrize(
    ("registry", "lane"),
    [
        ("docker.io", "hub"),
        ("ghcr.io", "ghcr"),
        ("lscr.io", "ghcr"),
        ("quay.io", "quay"),
        ("public.ecr.aws", "ecr"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("registry.example.org", "other"),
        ("not-docker.io", "other"),
        ("docker.io.example.org", "other"),
    ],
)
def test_a_family_of_registries_shares_a_lane(registry: str, lane: str) -> None:
    """Without configuration the family decides, by the whole name and never by a part of it."""
    assert Registries().lane_of(registry) == lane


def test_a_registry_with_a_limit_gets_its_own_lane() -> None:
    """A connection limit needs a lane of its own to be kept by the whole fleet."""
    known = operator_file.parse(FULL)
    assert known.lane_of("10.0.0.5:5000") == "10.0.0.5:5000"
    assert known.lane_of("docker.io") == "hub"
    assert known.lanes() == {
        "hub": 4,
        "ghcr": LANE_SLOTS,
        "quay": LANE_SLOTS,
        "ecr": LANE_SLOTS,
        "other": LANE_SLOTS,
        "10.0.0.5:5000": 8,
    }


def test_registries_in_one_lane_add_their_limits() -> None:
    """A lane shared on purpose has room for the connections of all who share it."""
    known = operator_file.parse(
        '[registry."a.example"]\nlane="ours"\nmax_connections=3\n'
        '[registry."b.example"]\nlane="ours"\nmax_connections=2\n'
    )
    assert known.lanes()["ours"] == 5


def test_names_of_docker_hub_are_one() -> None:
    """`index.docker.io` configures `docker.io`."""
    known = operator_file.parse('[registry."index.docker.io"]\nmax_connections = 2\n')
    assert known.of("docker.io").max_connections == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("policy = \n", "no TOML: Invalid value (at line 1"),
        ("policy = " + "[" * 5000, "no TOML: maximum recursion depth exceeded"),
        ('policy = "maybe"', "f:1: policy: write"),
        ("\ncolour = 1", "f:2: colour: unknown key"),
        ("registry = 3", "f:1: registry: write one table"),
        ('[registry."https://ghcr.io"]', "f:1: registry.https://ghcr.io: write a"),
        ('[registry."short"]', "f:1: registry.short: write a"),
        ('[registry."300.1.1.1"]', "f:1: registry.300.1.1.1: write an IPv4 address"),
        ('[registry."10.1.2:5000"]', "f:1: registry.10.1.2:5000: write an IPv4 address"),
        ('[registry."a.b"]\nendpoint = "010.0.0.1"', "f:2: registry.a.b.endpoint: write a host"),
        ('[registry."a.b"]\nshceme = "http"', "f:2: registry.a.b.shceme: unknown key"),
        (
            '[registry."x.y"]\nscheme="http"\n[registry."a.b"]\nscheme = "ftp"',
            'f:4: registry.a.b.scheme: write "https" or "http"',
        ),
        (
            '[registry."a.b"]\nmax_connections = 0',
            "f:2: registry.a.b.max_connections: write a whole number from 1 to 1000, without",
        ),
        (
            '[registry."a.b"]\nrequests_per_second = 0',
            "registry.a.b.requests_per_second: write a number above 0",
        ),
        ('[registry."a.b"]\nendpoint = "x:0"', "f:2: registry.a.b.endpoint: write a host"),
        ('[registry."a.b"]\nendpoint = "http://x"', "f:2: registry.a.b.endpoint: write a host"),
        ('[registry."a.b"]\nrealms = ["https://x.y"]', "f:2: registry.a.b.realms: write a host"),
        ('[registry."a.b"]\nrealms = ["x.y:8443"]', "f:2: registry.a.b.realms: write a host"),
        ('[registry."a.b"]\nrealms = ["x.y", ""]', "f:2: registry.a.b.realms: write a host"),
        (
            '[registry."a.b"]\nlane = "A B"',
            "f:2: registry.a.b.lane: write it in quotes, of lower-case",
        ),
        ('[registry."a.b"]\nusername = 7', "f:2: registry.a.b.username: write it in quotes"),
        (
            '[registry.docker.io]\nscheme="http"',
            'registry.docker: write the name in quotes: [registry."docker.io"]',
        ),
        ("[registry.10.0.0.5]", 'registry.10: write the name in quotes: [registry."10.0.0.5"]'),
        ('[registry."a.b".scheme]', 'f:1: registry.a.b.scheme: write "https" or "http"'),
        ('[registry."a.b"]\nusername = "u"', "f:2: registry.a.b.username: needs password_file"),
        ('[registry."docker.io"]\n[registry."index.docker.io"]', "f:2: registry.index.docker.io"),
    ],
)
def test_a_fault_names_its_key_and_line(text: str, expected: str) -> None:
    """The operator is told where to look."""
    with pytest.raises(RegistriesFault) as caught:
        operator_file.parse(text, "f")
    assert expected in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    """One start shows everything that is wrong."""
    with pytest.raises(RegistriesFault) as caught:
        operator_file.parse('policy = 1\n[registry."a.b"]\nca = 7\nscheme = 1\n', "f")
    assert len(caught.value.faults) == 3


def test_a_secret_in_the_file_is_refused_and_not_repeated() -> None:
    """A password written into the file is never shown, only its key and line."""
    with pytest.raises(RegistriesFault) as caught:
        operator_file.parse('[registry."a.b"]\npassword = "hunter2"\ntoken = "hunter2"', "f")
    assert "f:2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    """Without configuration every registry may be asked, over https."""
    assert operator_file.load(None) == Registries()
    assert operator_file.load("") == Registries()
    assert Registries().of("ghcr.io").scheme == "https"
    with pytest.raises(RegistriesFault, match="cannot be read: No such file"):
        operator_file.load(str(tmp_path / "none.toml"))


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    """The last line break is not part of a secret; a missing file is told by its path alone."""
    (tmp_path / "s").write_text("hunter2\n")
    assert operator_file.read_secret(str(tmp_path / "s")) == "hunter2"
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "none"):
        with pytest.raises(RegistriesFault, match=name):
            operator_file.read_secret(str(tmp_path / name))
