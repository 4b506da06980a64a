"""`imagedrift versions`: which references have a newer version, and how far each is behind."""

import click

from imagedrift_cli import listing
from imagedrift_cli.filter_options import filtered
from imagedrift_cli.filters import Filters, Scope, where
from imagedrift_cli.listing import ListQuery
from imagedrift_cli.output import Output, shown

BEHIND = "behind > 0"
OF_VERSIONS = Scope(frozenset({"registry"}), "reference", texts=("reference",))


@click.command()
@click.option("--behind", is_flag=True, help="Only what has a newer version.")
@shown()
@filtered()
def versions(filters: Filters, output: Output, behind: bool) -> None:
    """Newer versions of the images of hosts, by the tags of each repository; most hosts first.

    A version is shown as newer once its registry has told that it is another image. A reference is
    behind by at least as many versions as are told. TEXT has to be in the reference.
    """
    asked = ListQuery(
        statement="versions",
        values=filters.values,
        clauses={"where": where(filters, OF_VERSIONS, *([BEHIND] if behind else []))},
        brief=("reference", "newest_patch=patch", "newest_minor=minor", "newest_major=major",
               "behind=behind>=", "running_hosts=running", "hosts", "truncated?",
               "listed_at=listed"),
        noun="versions",
        filters=filters,
    )  # fmt: skip
    listing.answer(asked, output)
