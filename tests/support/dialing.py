"""The resolver's HTTP client on this machine's sockets, with names that a test resolves."""

from imagedrift_resolver.adapters.dialer import system_dialer
from imagedrift_resolver.adapters.host_names import LookUp, look_up
from imagedrift_resolver.adapters.http_client import HttpClient
from imagedrift_resolver.adapters.routes import ConnectionRoutes
from imagedrift_runtime.clock import SystemClock


def http_client(routes: ConnectionRoutes, look_up: LookUp = look_up) -> HttpClient:
    """Make a client."""
    return HttpClient(routes, system_dialer(look_up, SystemClock()))
