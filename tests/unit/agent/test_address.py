"""DOCKER_HOST is read as Docker's own tools read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_agent.core.address import BadAddress, EngineAddress, read_address, usual_sockets


def read(docker_host: str, *, tls: bool = False, there: tuple[str, ...] = ()) -> EngineAddress:
    """Read with certificates in /certs and a runtime folder in /run/user/1000."""
    return read_address(
        docker_host,
        tls=tls,
        certificates="/certs",
        runtime_dir="/run/user/1000",
        exists=lambda path: path in there,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:///run/d.sock", EngineAddress(path="/run/d.sock")),
        ("tcp://10.0.0.7", EngineAddress(host="10.0.0.7", port=2375)),
        ("tcp://10.0.0.7:99", EngineAddress(host="10.0.0.7", port=99)),
        ("http://engine:2375/", EngineAddress(host="engine", port=2375)),
        ("tcp://[::1]:2375", EngineAddress(host="::1", port=2375)),
        (
            "https://engine",
            EngineAddress(host="engine", port=2376, tls=True, certificates="/certs"),
        ),
    ],
)
def test_an_address_is_read(text: str, expected: EngineAddress) -> None:
    """Sockets, TCP and TLS, with the usual ports."""
    assert read(text) == expected


def test_tls_is_asked_for_by_its_own_variable() -> None:
    """With DOCKER_TLS_VERIFY a tcp:// engine is spoken to by TLS, a socket is not."""
    secure = EngineAddress(host="engine", port=2376, tls=True, certificates="/certs")

    assert read("tcp://engine", tls=True) == secure
    assert read("unix:///d.sock", tls=True) == EngineAddress(path="/d.sock")


@pytest.mark.parametrize("place", range(4))
def test_without_an_address_the_first_usual_socket_is_taken(place: int) -> None:
    """Docker before Podman; a rootless engine is found in the user's runtime folder."""
    usual = usual_sockets("/run/user/1000")

    assert read("", there=usual[place:]) == EngineAddress(path=usual[place])


def test_without_any_engine_the_usual_place_is_named() -> None:
    """The error says where an engine was looked for."""
    assert read("") == EngineAddress(path="/var/run/docker.sock")


@pytest.mark.parametrize(
    "text",
    [
        "ssh://host",
        "npipe:////./pipe/docker",
        "host:2375",
        "unix://relative",
        "tcp://",
        "tcp://h:x",
    ],
)
def test_a_wrong_address_is_refused_by_the_variables_name(text: str) -> None:
    """An address that we cannot connect to is a fault of DOCKER_HOST."""
    with pytest.raises(BadAddress, match="DOCKER_HOST"):
        read(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    """Nothing else comes of it."""
    try:
        address = read(text)
    except BadAddress:
        return
    assert address.path or address.host
