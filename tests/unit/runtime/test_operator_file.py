"""What operators say about registries, and how a wrong file is told."""

from pathlib import Path

import pytest

from imagedrift_runtime.nats.topology import LANE_SLOTS
from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import Registries, RegistriesFault, Registry
from imagedrift_runtime.registries.registry import seconds_of

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


def test_an_endpoint_is_a_host_with_or_without_a_port() -> None:
    """A name, an address of either kind."""
    for endpoint in ("mirror.lan", "mirror:5000", "10.0.0.5:5000", "[fd00::1]", "[fd00::1]:5000"):
        known = operator_file.parse(f'[registry."docker.io"]\nendpoint = "{endpoint}"\n')
        assert known.of("docker.io").endpoint == endpoint


def test_a_realm_is_a_host_of_any_kind() -> None:
    """Names of one label too: an inner token server may have no other."""
    hosts = ("gitlab.example.org", "auth", "10.0.0.5", "[fd00::1]")
    for host in hosts:
        known = operator_file.parse(f'[registry."a.b"]\nrealms = ["{host}"]\n')
        assert known.of("a.b").realms == (host,)


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
            "f:4: registry.a.b.scheme: Invalid enum value 'ftp'",
        ),
        ('[registry."a.b"]\nmax_connections = 0', "f:2: registry.a.b.max_connections: Expected"),
        ('[registry."a.b"]\nendpoint = "x:0"', "f:2: registry.a.b.endpoint: write a host"),
        ('[registry."a.b"]\nendpoint = "http://x"', "f:2: registry.a.b.endpoint: write a host"),
        ('[registry."a.b"]\nrealms = ["https://x.y"]', "f:2: registry.a.b.realms: write a host"),
        ('[registry."a.b"]\nrealms = ["x.y:8443"]', "f:2: registry.a.b.realms: write a host"),
        ('[registry."a.b"]\nrealms = ["x.y", ""]', "f:2: registry.a.b.realms: write a host"),
        ('[registry."a.b"]\nlane = "A B"', "f:2: registry.a.b.lane: Expected `str` matching"),
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


PATHS = """
[registry."quay.io/org-a"]
username = "org-a+robot"
password_file = "/run/secrets/a"
[registry."quay.io/org-a/team"]
token_file = "/run/secrets/team"
[registry."index.docker.io/org-b"]
username = "b"
password_file = "/run/secrets/b"
[registry."[fd00::1]:5000/org"]
token_file = "/run/secrets/c"
"""


def test_a_path_has_a_credential_of_its_own() -> None:
    """containers/image#1288: the longest path that a repository lies in, by whole components."""
    known = operator_file.parse(PATHS)
    for registry, repository, path in (
        ("quay.io", "org-a", "org-a"),
        ("quay.io", "org-a/x/y", "org-a"),
        ("quay.io", "org-a/team", "org-a/team"),
        ("quay.io", "org-a/team/x", "org-a/team"),
        ("quay.io", "org-a/teams", "org-a"),
        ("docker.io", "org-b/x", "org-b"),
        ("[fd00::1]:5000", "org/x", "org"),
    ):
        found = known.credential_of(registry, repository)
        assert found is not None
        assert found.path == path
    for registry, repository in (
        ("quay.io", "org-ab/x"),
        ("quay.io", "x/org-a"),
        ("quay.io", "org"),
        ("ghcr.io", "org-a/x"),
    ):
        assert known.credential_of(registry, repository) is None


def test_a_registry_that_is_named_with_a_path_is_named() -> None:
    """It is asked under `deny`, and its limits and lane stay what they were."""
    known = operator_file.parse('policy = "deny"\n' + PATHS)
    assert known.allowed("quay.io")
    assert known.is_named("docker.io")
    assert not known.allowed("ghcr.io")
    assert known.of("quay.io") == Registry()
    assert known.lane_of("quay.io") == "quay"
    assert known.owns_lane("quay.io")


def test_one_user_name_with_two_secrets_has_two_labels() -> None:
    """Budgets and answers are kept by a credential's name."""
    known = operator_file.parse(
        '[registry."a.b"]\nusername="robot"\npassword_file="/1"\n'
        '[registry."a.b/x"]\nusername="robot"\npassword_file="/2"\n'
        '[registry."a.b/y"]\nusername="robot-y"\npassword_file="/2"\n'
        '[registry."a.b/v"]\ntoken_file="/3"\n'
        '[registry."a.b/w"]\ntoken_file="/4"\n'
    )
    labels = {path: each.label for path, each in known.paths["a.b"].items()}
    assert labels == {
        "x": "robot (x)",
        "y": "",
        "v": "identity-token (v)",
        "w": "identity-token (w)",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[registry."a.b/x"]\nscheme="http"\ntoken_file="t"', "f:2: registry.a.b/x.scheme: a path"),
        ('[registry."a.b/x"]\nproxy=""\ntoken_file="t"', 'put it into [registry."a.b"]'),
        (
            '[registry."a.b/x"]\nshceme="http"\ntoken_file="t"',
            "f:2: registry.a.b/x.shceme: unknown",
        ),
        ('[registry."a.b/x"]\nlabel="l"\ntoken_file="t"', "f:2: registry.a.b/x.label: unknown"),
        ('[registry."a.b/x"]\nusername="u"', "f:2: registry.a.b/x.username: needs password_file"),
        ('[registry."a.b/x"]\npassword="hunter2"', "f:2: registry.a.b/x.password: a secret"),
        ('[registry."a.b/x"]\ntoken_file=7', "f:2: registry.a.b/x.token_file: Expected `str`"),
        ('\n[registry."a.b/x"]', "f:2: registry.a.b/x: name a credential"),
        ('[registry."a.b/X"]\ntoken_file="t"', "f:1: registry.a.b/X: write lower-case"),
        ('[registry."a.b/"]\ntoken_file="t"', "f:1: registry.a.b/: write lower-case"),
        ('[registry."a.b/x/"]\ntoken_file="t"', "f:1: registry.a.b/x/: write lower-case"),
        ('[registry."a.b/x:1"]\ntoken_file="t"', "f:1: registry.a.b/x:1: write lower-case"),
        ('[registry."org/x"]\ntoken_file="t"', "f:1: registry.org/x: write a registry's host"),
        (
            '[registry."docker.io/x"]\ntoken_file="t"\n[registry."index.docker.io/x"]\ntoken_file="t"',
            "f:3: registry.index.docker.io/x: named twice",
        ),
    ],
)
def test_a_fault_of_a_path_names_its_key_and_line(text: str, expected: str) -> None:
    """Only what says who we are has a place in its table."""
    with pytest.raises(RegistriesFault) as caught:
        operator_file.parse(text, "f")
    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    """The last line break is not part of a secret; a missing file is told by its path alone."""
    (tmp_path / "s").write_text("hunter2\n")
    assert operator_file.read_secret(str(tmp_path / "s")) == "hunter2"
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "none"):
        with pytest.raises(RegistriesFault, match=name):
            operator_file.read_secret(str(tmp_path / name))


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1.5s", 1.5), ("100ms", 0.1), ("5m", 300)],
)
def test_a_duration_is_read_as_go_writes_it(duration: str, seconds: float) -> None:
    """A number and a unit."""
    assert seconds_of(duration) == pytest.approx(seconds)
    assert operator_file.parse(f'[registry."a.b"]\ntimeout = "{duration}"').of("a.b").timeout


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        *(
            (f'timeout = "{text}"', "timeout", "write a duration from 100ms to 5m")
            for text in ("30", "99ms", "6m", "-1s", "1h", "s", "1e3s", "١s", "nans")
        ),
        ('proxy = "http://me:hunter2@proxy:1"', "proxy", "a secret has no place here"),
        ('proxy = "socks5://proxy:1"', "proxy", "write http://host:port"),
        ('proxy = "https://proxy:1"', "proxy", "write http://host:port"),
        ('proxy = "http://proxy:0"', "proxy", "write http://host:port"),
        ('proxy = "http://proxy:1/x"', "proxy", "write http://host:port"),
        ('client_cert = "/c"', "client_cert", "needs client_key"),
        ('client_key = "/k"', "client_key", "needs client_cert"),
        ('endpoint = "a.b/UP"', "endpoint", "write a host"),
        ('endpoint = "a.b/"', "endpoint", "write a host"),
        ('endpoint = "a.b/x?y"', "endpoint", "write a host"),
        ('endpoint = "a.b/../x"', "endpoint", "write a host"),
        ('endpoint = "a.b:0/x"', "endpoint", "write a host"),
        ('storage_hosts = ["https://minio"]', "storage_hosts", "write a host"),
        ('storage_hosts = ["minio:0"]', "storage_hosts", "write a host"),
        ('storage_hosts = ["minio/x"]', "storage_hosts", "write a host"),
        ('storage_hosts = "minio"', "storage_hosts", "write a list of hosts"),
    ],
)
def test_a_wrong_way_to_a_registry_is_named(line: str, key: str, words: str) -> None:
    """With its key and line, and without a secret."""
    with pytest.raises(RegistriesFault) as fault:
        operator_file.parse(f'[registry."a.b"]\n{line}\n', "f")
    assert f"f:2: registry.a.b.{key}: " in str(fault.value)
    assert words in str(fault.value)
    assert "hunter2" not in str(fault.value)


def test_a_client_certificate_needs_tls() -> None:
    """A registry in plain text could never see it."""
    table = 'scheme = "http"\nclient_cert = "/c"\nclient_key = "/k"\n'
    with pytest.raises(RegistriesFault, match="client_cert: is shown over TLS alone"):
        operator_file.parse(f'[registry."a.b"]\n{table}')


@pytest.mark.parametrize(
    "line",
    [
        'endpoint = "harbor.example.org/hub-proxy"',
        'endpoint = "harbor.example.org:8443/a/b_c"',
        'proxy = "none"',
        'proxy = "http://proxy:3128"',
        'proxy = "http://[fd00::1]:3128/"',
        'proxy = "/run/secrets/proxy"',
        'storage_hosts = ["minio", "minio:9000", "10.0.0.5:9000", "[fd00::1]:9000", "S3.lan"]',
        'client_cert = "/c"\nclient_key = "/k"',
    ],
)
def test_every_way_to_a_registry_can_be_written(line: str) -> None:
    """Mirrors behind a path, proxies, storage and client certificates."""
    assert operator_file.parse(f'[registry."a.b"]\n{line}\n').is_named("a.b")


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("timeout = 30", "write a duration from 100ms to 5m, as 500ms, 30s or 2m, in quotes"),
        ('storage_hosts = "minio.lan"', "write a list of hosts, each in quotes"),
        ('realms = "gitlab.example.org"', "write a list of hosts, each in quotes"),
        ("proxy = false", "write it in quotes"),
        ("client_cert = 1", "write it in quotes"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_with_what_to_write(line: str, fix: str) -> None:
    """A number, truth value or text in place of what a key takes is refused with the right form."""
    with pytest.raises(operator_file.RegistriesFault, match=line.split(maxsplit=1)[0]) as refused:
        operator_file.parse(f'[registry."a.b"]\n{line}')
    assert fix in str(refused.value)
