"""Links from one page to another, each written once."""

from htpy import Node

from imagedrift_dashboard.core.location import path_of, url_of
from imagedrift_dashboard.markup import cells


def host(site: str, name: str, hostname: str = "") -> Node:
    """Link to a host, by its site and the name that it has for itself."""
    shown = [cells.text(site), "/", cells.text(hostname or name)]
    return cells.link(path_of("hosts", site, name), shown)


def why(site: str, name: str, reference: str, child: Node) -> Node:
    """Link to all that one verdict rests on."""
    return cells.link(url_of(path_of("hosts", site, name, "why"), reference=reference), child)


def image(reference: str) -> Node:
    """Link to all about one image."""
    return cells.link(url_of("/image", reference=reference), cells.text(reference))


def place(name: str) -> Node:
    """Link to the hosts of a place."""
    return cells.link(url_of("/hosts", place=name), cells.text(name)) if name else cells.nothing()
