"""A plan as other tools read it: a table, JSON, an inventory of Ansible, overrides of compose.

Rules:
- A ring is a share of all hosts: `1%,10%,rest`. The shares are at most 100 % together; without
  `rest`, the hosts beyond the last ring are in no plan.
- An image is written as `name:tag@digest`: a container made from that is still followed by its tag.
- A group of Ansible is a ring. Where hosts share a name, each is called by its id and site.
- Ansible runs what a text has in braces, ranges of brackets are many hosts, and a name that begins
  with a dash is an option of ssh. Names come from hosts: so such a text is marked as unsafe, and a
  host whose name is none is called by its id and site.
- An override of compose names a service as its container is called, as no more is known of it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import accumulate, groupby
from typing import Final, Literal, assert_never

from imagedrift_cli import cells, forms, tables
from imagedrift_cli.cells import Row
from imagedrift_cli.display import Display
from imagedrift_cli.failures import BadUsage

PlanFormat = Literal["table", "json", "ansible", "compose"]
FORMATS: Final[tuple[PlanFormat, ...]] = ("table", "json", "ansible", "compose")
COLUMNS: Final = (
    "ring",
    "site",
    "host",
    "hostname",
    "reference",
    "digest",
    "running",
    "containers",
)
BRIEF: Final = ("ring", "site", "hostname", "host?", "reference", "running", "digest")
MOST_RINGS: Final = 20
TEMPLATE: Final = re.compile(r"\{[{%#]")
HOSTNAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


class UntrustedText(str):
    """A text that a host tells of itself."""

    __slots__ = ()


def shares_of(rings: str) -> list[Decimal]:
    """Read the shares of rings, as `1%,10%,rest`. Raises `BadUsage`."""
    shares: list[Decimal] = []
    for part in map(str.strip, rings.split(",")):
        share = 1 - sum(shares, Decimal(0)) if part == "rest" else _share(part)
        if share <= 0 or sum(shares) + share > 1:
            raise BadUsage(f"--ring {rings}: the shares are above 0 %, and at most 100 % together")
        shares.append(share)
    if len(shares) > MOST_RINGS:
        raise BadUsage(f"--ring: a plan has at most {MOST_RINGS} rings")
    return shares


def ends_of(shares: Sequence[Decimal]) -> list[Decimal]:
    """Say where each ring ends between 0 and 1."""
    return list(accumulate(shares))


def written(rows: Sequence[Row], form: PlanFormat, display: Display, rings: int = 0) -> str:
    """Write a plan of so many rings in a format."""
    match form:
        case "table":
            brief = tables.chosen(BRIEF, rows, display)
            return forms.render(rows, "table", display, columns=COLUMNS, brief=brief)
        case "json":
            return forms.render(rows, "json", display, columns=COLUMNS)
        case "ansible":
            return as_ansible(rows, rings)
        case "compose":
            return as_compose(rows)
        case _:
            assert_never(form)


def as_ansible(rows: Sequence[Row], rings: int = 0) -> str:
    """Write an inventory: a group for each ring, and the images of each host in its variables.

    A ring without a host is an empty group: Ansible fails on a group that is not there.
    """
    names = _names(rows)
    groups: dict[str, dict[str, dict[str, dict[str, object]]]] = {
        f"ring_{ring}": {"hosts": {}} for ring in range(1, rings + 1)
    }
    for row in rows:
        hosts = groups.setdefault(f"ring_{row['ring']}", {"hosts": {}})["hosts"]
        name = names[row["site"], row["host"]]
        told = hosts.setdefault(name, _variables(row, name))
        images = told["imagedrift_images"]
        assert isinstance(images, list)
        containers = [UntrustedText(each) for each in row["containers"] or ()]
        told_of = {"reference": row["reference"], "digest": row["digest"]}
        images.append({**told_of, "containers": containers})
    return _for_ansible({"all": {"children": groups}})


def as_compose(rows: Sequence[Row]) -> str:
    """Write a document for each host that has containers to be made anew."""
    documents = []
    for (ring, site, host), images in groupby(
        rows, lambda row: (row["ring"], row["site"], row["host"])
    ):
        services = {
            container: {"image": f"{row['reference']}@{row['digest']}"}
            for row in images
            for container in row["containers"] or ()
        }
        if services:
            documents.append(
                f"# ring {ring}: {cells.exact(f'{site}/{host}')}\n"
                + forms.as_yaml({"services": services})
            )
    return "---\n".join(documents)


def _share(part: str) -> Decimal:
    """Read one share. Raises `BadUsage`."""
    try:
        share = Decimal(part.removesuffix("%")) / 100
    except InvalidOperation:
        share = Decimal("NaN")
    if not part.endswith("%") or not share.is_finite():
        raise BadUsage(f"--ring {part}: write shares as 1%,10%,rest")
    return share


def _for_ansible(inventory: object) -> str:
    """Write YAML in which no text from a host is a template."""
    import yaml  # noqa: PLC0415 - as in `forms.as_yaml`

    class Dumper(yaml.SafeDumper):
        """Writes texts from hosts."""

        def ignore_aliases(self, _data: object) -> bool:
            """Write a value that is there twice in full."""
            return True

    def write(dumper: Dumper, text: UntrustedText) -> yaml.Node:
        tag = "!unsafe" if TEMPLATE.search(text) else "tag:yaml.org,2002:str"
        return dumper.represent_scalar(tag, str(text))

    Dumper.add_representer(UntrustedText, write)
    return str(yaml.dump(inventory, Dumper=Dumper, sort_keys=False, width=1_000_000))


def _names(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Name each host as Ansible reaches it, and where that is not unique, by its id and site."""
    hosts = {(row["site"], row["host"]): _reached(row) for row in rows}
    times = Counter(hosts.values())
    return {
        (site, host): name if name and times[name] == 1 else f"{host}.{site}"
        for (site, host), name in hosts.items()
    }


def _variables(row: Row, name: str) -> dict[str, object]:
    reached = _reached(row)
    told: dict[str, object] = {} if reached in ("", name) else {"ansible_host": reached}
    return told | {"imagedrift_site": row["site"], "imagedrift_images": []}


def _reached(row: Row) -> str:
    """Return the name by which Ansible reaches a host; empty where it calls itself by none."""
    name = str(row["hostname"] or row["host"])
    return name if HOSTNAME.fullmatch(name) else ""
