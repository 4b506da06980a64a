"""The filters that every list understands, and their SQL."""

from imagedrift_cli.filters import CONDITIONS, OF_A_HOST, Filters, Scope, where

HOSTS = Scope(OF_A_HOST, "(site, host)", texts=("hostname",))
ALL = Filters(
    sites=("a", "b"),
    places=("dc1", "dc2/rack-1"),
    labels=(("env", "prod"),),
    registries=("r.io",),
    running=True,
    verdicts=("outdated",),
)


def test_without_a_filter_everything_passes() -> None:
    """There is no clause at all."""
    assert where(Filters(), Scope()) == ""
    assert Filters().kinds == []


def test_a_list_filters_its_own_columns() -> None:
    """Each filter that is set is one condition, beside those that always hold."""
    clause = where(ALL, Scope(), "silent")

    assert clause.startswith("WHERE silent\n  AND ")
    assert all(condition in clause for condition in CONDITIONS.values())
    assert "SELECT" not in clause


def test_a_filter_of_another_table_asks_for_a_key_there() -> None:
    """All filters hold for one and the same row there."""
    clause = where(Filters(sites=("a",), running=True), HOSTS)

    assert "(site, host) IN (\n    SELECT site, host\n    FROM ops.comparisons" in clause
    inside = clause.partition("IN (")[2]
    assert CONDITIONS["site"] in inside
    assert CONDITIONS["running"] in inside


def test_filters_of_hosts_ask_for_hosts() -> None:
    """A host that has no image any more passes, too, where no filter is of images."""
    scope = Scope(frozenset({"site"}), "(site, host, reference)", "(site, host)")

    of_hosts = where(Filters(sites=("a",), places=("dc1",)), scope)
    of_images = where(Filters(places=("dc1",), running=True), scope)

    assert "(site, host) IN (\n    SELECT site, host\n    FROM ops.hosts" in of_hosts
    assert "(site, host, reference) IN (\n    SELECT site, host, reference" in of_images


def test_a_place_is_a_prefix_of_whole_parts() -> None:
    """Each of several places may be the one."""
    assert ALL.values["places"] == ("dc1/", "dc2/rack-1/")


def test_texts_add_up_and_are_looked_for_in_each_column() -> None:
    """However many there are, each has a parameter of its own."""
    texts = tuple(f"t{number}" for number in range(28))
    filters = Filters(texts=texts)

    clause = where(filters, Scope(texts=("reference", "host")))

    assert clause.count("strpos(lower(reference)") == clause.count("strpos(lower(host)") == 28
    assert {filters.values[f"text_{name}"] for name in ("a", "z", "aa", "bb")} == {
        "t0",
        "t25",
        "t26",
        "t27",
    }
