"""Free ports of 127.0.0.1."""

import socket

from imagedrift_sandbox.free_port import LOOPBACK, free_port, free_ports


def test_ports_that_are_given_together_differ() -> None:
    """Each of them can be listened on."""
    ports = free_ports(20)

    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as listener:
            listener.bind((LOOPBACK, port))


def test_a_port_that_is_in_use_is_not_free() -> None:
    """A port is never given while somebody listens there."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        taken = listener.getsockname()[1]
        assert taken not in {free_port() for _ in range(50)}
