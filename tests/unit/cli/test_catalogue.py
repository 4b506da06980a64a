"""The demonstration's images: the right verdict of each is known before anything is asked."""

from collections import Counter

from imagedrift_cli.demo import catalogue
from imagedrift_sandbox.registry import SandboxRegistry


def test_every_verdict_is_in_stock() -> None:
    """The demonstration shows each verdict; only what is asked about can be anything else."""
    products = catalogue.stock(SandboxRegistry())

    verdicts = {choice.verdict for product in products for choice in product.choices}
    unasked = {c.verdict for p in products if not p.asked for c in p.choices}
    assert verdicts == {"current", "outdated", "local", "pinned", "missing", "unknown"}
    assert unasked == {"local", "pinned"}


def test_every_host_has_the_star_and_some_of_the_others() -> None:
    """The same ones each time; about a quarter of the replaced images are old."""
    products = catalogue.stock(SandboxRegistry())
    fleet = catalogue.DemoFleet(200, products)

    held = [fleet.images_of(number) for number in range(200)]
    assert held == [catalogue.DemoFleet(200, products).images_of(number) for number in range(200)]
    assert all(catalogue.STAR in host[0].image.reference for host in held)
    count = Counter(choice.verdict for host in held for choice in host)
    assert 0.15 < count["outdated"] / (count["outdated"] + count["current"]) < 0.35


def test_the_stars_new_image_is_another_one() -> None:
    """The tag of the star then points to another image."""
    registry = SandboxRegistry()
    [before] = catalogue.stock(registry)[0].choices

    digest = catalogue.move_the_star(registry)

    assert digest not in before.image.repo_digests
