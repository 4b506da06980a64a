"""The keys of one registry's table, and what can be wrong with each."""

import pytest

from imagedrift_runtime.registries import operator_file
from imagedrift_runtime.registries.operator_file import RegistriesFault
from imagedrift_runtime.registries.registry import seconds_of


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
