"""An OCI registry over HTTP that real clients can use, that counts, and that can misbehave."""

from imagedrift_sandbox.registry.auth import Auth, IssuedTokens, Scheme
from imagedrift_sandbox.registry.budgets import Budget, Dialect, Wait
from imagedrift_sandbox.registry.control import SyntheticImage
from imagedrift_sandbox.registry.counts import SeenRequest, Totals
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.images import PushedImage, Shape
from imagedrift_sandbox.registry.process import RegistryProcess
from imagedrift_sandbox.registry.routes import RouteKind
from imagedrift_sandbox.registry.server import SandboxRegistry
from imagedrift_sandbox.registry.store import RegistryContent
from imagedrift_sandbox.registry.tag_pages import TagPaging
from imagedrift_sandbox.registry.vendors import Vendor, imitate

__all__ = [
    "Auth",
    "Budget",
    "Dialect",
    "Fault",
    "IssuedTokens",
    "PushedImage",
    "RegistryContent",
    "RegistryProcess",
    "RouteKind",
    "SandboxRegistry",
    "Scheme",
    "SeenRequest",
    "Shape",
    "SyntheticImage",
    "TagPaging",
    "Totals",
    "Vendor",
    "Wait",
    "imitate",
]
