"""Every page is reached by the navigation or by another page, and its queries are consistent."""

import re

import pytest

from imagedrift_dashboard.core.location import Location
from imagedrift_dashboard.markup.layout import NAVIGATION
from imagedrift_dashboard.pages.catalogue import PAGES
from imagedrift_dashboard.pages.page import Page, PageKind
from imagedrift_dashboard.queries import statements

ABOUT_ONE = {"/hosts/{site}/{host}", "/hosts/{site}/{host}/why", "/image"}


def page_of(kind: PageKind) -> Page:
    """Make a page of that kind, for some address of it."""
    names = {"site": "fra1", "host": "web-1"}
    parameters = {"reference": "docker.io/library/nginx:1.27"} if kind.path in ABOUT_ONE else {}
    return kind.make(Location(path=kind.path, names=names, parameters=parameters))


def test_every_page_without_a_name_stands_in_the_navigation() -> None:
    """The navigation has every page, but those about one thing."""
    assert {url for url, _ in NAVIGATION} == {kind.path for kind in PAGES} - ABOUT_ONE


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.path)
def test_a_page_has_the_filters_that_its_address_may_have(kind: PageKind) -> None:
    """Every filter that is shown is a parameter of the page."""
    assert set(page_of(kind).filters) <= set(kind.parameters)


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.path)
def test_the_sections_of_a_page_have_names_of_their_own(kind: PageKind) -> None:
    """No two sections of a page have one name, which is in the address of the CSV."""
    names = [each.name for each in page_of(kind).sections]
    assert names
    assert len(set(names)) == len(names)


def test_every_statement_reads_the_views_alone() -> None:
    """The pages' SQL reads nothing but `ops`, and every statement belongs to a page."""
    used = {each.query.sql for kind in PAGES for each in page_of(kind).sections}
    for name, sql in statements().items():
        tables = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_.]+)", sql)
        assert tables, name
        assert all(each.startswith("ops.") for each in tables), name
        assert any(_begins_alike(sql, each) for each in used), name


def _begins_alike(statement: str, sql: str) -> bool:
    return sql.split()[:8] == statement.split()[:8]
