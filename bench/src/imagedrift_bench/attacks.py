"""The attacks of one bad host: each is an endless stream of messages about itself.

The server's permissions allow every message: it is on the host's own subjects. Costly parts are
prepared once, the rest is composed from pieces.

As a program it attacks until it is stopped:
`python -m imagedrift_bench.attacks NATS_URL ATTACK HEALTHY_REGISTRY HANGING_REGISTRY...`
"""

import asyncio
import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus
from imagedrift_schemas import subjects
from imagedrift_schemas.compression import compressed

SITE: Final = "bench"
HOST: Final = "bad"
INVENTORY: Final = subjects.inventory(SITE, HOST)
ALIVE: Final = subjects.alive(SITE, HOST)
LARGE: Final = 2_500
"""Images that fit into the largest message that a server takes by default."""

AttackMessage = tuple[str, bytes, dict[str, str] | None]


class Surroundings(Struct, frozen=True, kw_only=True):
    """The registries that an attack may name."""

    healthy: str
    hanging: tuple[str, ...]
    """They accept every connection and never answer."""
    slow: tuple[str, ...]
    """They answer every request, each after most of a second."""


def digest(text: object) -> str:
    """Make up a digest."""
    return f"sha256:{hashlib.sha256(str(text).encode()).hexdigest()}"


def image(reference: str, number: object, **facts: Any) -> dict[str, Any]:
    """Make up an image."""
    told = {"reference": reference, "image_id": digest(("id", number)), "running": 1}
    return {**told, "repo_digests": [digest(number)], "containers": ["app"]} | facts


def inventory(images: list[dict[str, Any]], **facts: Any) -> bytes:
    """Return an inventory that no agent of ours would publish."""
    head = {"type": "inventory", "site": SITE, "host": HOST, "taken_at": now().isoformat()}
    content = hashlib.sha256(json.dumps(images).encode()).hexdigest()
    return json.dumps(head | {"content": f"sha256:{content}", "images": images} | facts).encode()


def odd_texts(around: Surroundings) -> Iterator[AttackMessage]:
    """Control characters, right-to-left marks and hundreds of labels, different each time."""
    for turn in itertools.count():
        odd = f"\x00\x1b[2J\u202e{turn}\r\n=HYPERLINK(1)" + "\ud83d\ude00" * 50
        labels = {f"{odd}{number}": odd for number in range(300)}
        names = {"hostname": odd, "degraded": odd, "engine_version": odd, "labels": labels}
        images = [image(f"{around.healthy}/a:1", "odd", containers=["", odd])]
        yield INVENTORY, inventory(images, **names), None


def many_digests(around: Surroundings) -> Iterator[AttackMessage]:
    """Images with hundreds of repo digests each, others each time."""
    for turn in itertools.count():
        images = [
            image(
                f"{around.healthy}/many:{number}",
                number,
                repo_digests=[digest((turn, number, each)) for each in range(300)],
            )
            for number in range(30)
        ]
        yield INVENTORY, inventory(images), None


def malformed(_: Surroundings) -> Iterator[AttackMessage]:
    """Payloads that are no messages, as inventory and as heartbeat."""
    for turn in itertools.count():
        yield INVENTORY, b"{" * 1000 + str(turn).encode(), None
        yield ALIVE, b'{"type":"alive","interval_s":%d}' % -turn, None
        yield INVENTORY, inventory([], content=f"md5:{turn}"), None


def bad_images(around: Surroundings) -> Iterator[AttackMessage]:
    """Large inventories in which every other image is bad."""
    for turn in itertools.count():
        images = [
            image(f"{around.healthy}/bad:{number}" if number % 2 else f"BAD {turn}", number)
            for number in range(1000)
        ]
        yield INVENTORY, inventory(images), None


def new_images(around: Surroundings) -> Iterator[AttackMessage]:
    """As many images as a message holds, new ones each time."""
    for turn in itertools.count():
        images = [image(f"{around.healthy}/same:1", (turn, each)) for each in range(LARGE)]
        yield INVENTORY, inventory(images), None


def new_references(around: Surroundings) -> Iterator[AttackMessage]:
    """References that no other host has, of a registry that others need."""
    for turn in itertools.count():
        names = (f"{around.healthy}/made-up/{turn}-{each}:1" for each in range(LARGE))
        yield INVENTORY, inventory([image(name, name) for name in names]), None


def there_and_gone(around: Surroundings) -> Iterator[AttackMessage]:
    """Thousands of references, then none, in turn."""
    for turn in itertools.count():
        names = (f"{around.healthy}/gone/{turn}-{each}:1" for each in range(LARGE))
        yield INVENTORY, inventory([image(name, name) for name in names]), None
        yield INVENTORY, inventory([]), None


def new_registries(_: Surroundings) -> Iterator[AttackMessage]:
    """Registries that do not exist, with long names."""
    for turn in itertools.count():
        label = "x" * 40
        names = (f"r{turn}-{n}.{label}.{label}.invalid/a:1" for n in range(LARGE // 2))
        yield INVENTORY, inventory([image(name, name) for name in names]), None


def hanging_registries(around: Surroundings) -> Iterator[AttackMessage]:
    """Registries that accept every connection and never answer."""
    for turn in itertools.count():
        names = [f"{host}/t{turn}/{n}:1" for host in around.hanging for n in range(10)]
        yield INVENTORY, inventory([image(name, name) for name in names]), None


def slow_registries(around: Surroundings) -> Iterator[AttackMessage]:
    """Registries that answer with another digest than the host has, after most of a second."""
    for turn in itertools.count():
        names = [f"{host}/t{turn}/{n}:1" for host in around.slow for n in range(100)]
        yield INVENTORY, inventory([image(name, name) for name in names]), None


def claims(around: Surroundings) -> Iterator[AttackMessage]:
    """False facts, other ones each time, of the images that all others have."""
    for turn in itertools.count():
        names = [f"{around.healthy}/app/{n}:1" for n in range(100)]
        facts = {"manifest_digest": digest(turn), "size": turn, "platform": "odd/odd"}
        yield INVENTORY, inventory([image(name, (name, turn), **facts) for name in names]), None


def made_up_platforms(around: Surroundings) -> Iterator[AttackMessage]:
    """Images of tags that all others have, each of a platform that does not exist."""
    for turn in itertools.count():
        images = [
            image(f"{around.healthy}/app/{n % 100}:1", (turn, n), platform=f"a{turn}/b{n}")
            for n in range(LARGE)
        ]
        yield INVENTORY, inventory(images), None


def back_and_forth(around: Surroundings) -> Iterator[AttackMessage]:
    """The largest inventory, and the same with every container stopped."""
    for state in itertools.cycle((1, 0)):
        images = [image(f"{around.healthy}/b:{n}", n, running=state) for n in range(LARGE)]
        yield INVENTORY, inventory(images), None


def bombs(_: Surroundings) -> Iterator[AttackMessage]:
    """Compressed bodies: one of a hundred megabytes, and the largest that a reader takes."""
    beyond = compressed(b" " * 100_000_000)
    noise = "".join(digest(number) for number in range(22_000))
    allowed = compressed(inventory([], degraded=noise) + b" " * 25_000_000)
    for payload in itertools.cycle((beyond, allowed)):
        yield INVENTORY, payload, None


def heartbeats(_: Surroundings) -> Iterator[AttackMessage]:
    """Valid heartbeats without a pause, each with another `boot`."""
    for turn in itertools.count():
        head = {"type": "alive", "site": SITE, "host": HOST, "at": now().isoformat()}
        told = {"content": digest(turn), "boot": str(turn), "degraded": f"reason {turn}"}
        yield ALIVE, json.dumps(head | told).encode(), None


ATTACKS: Final[dict[str, Callable[[Surroundings], Iterator[AttackMessage]]]] = {
    attack.__name__: attack
    for attack in (
        odd_texts,
        many_digests,
        malformed,
        bad_images,
        new_images,
        new_references,
        there_and_gone,
        new_registries,
        hanging_registries,
        slow_registries,
        claims,
        made_up_platforms,
        back_and_forth,
        bombs,
        heartbeats,
    )
}


async def publish(nats_url: str, name: str, around: Surroundings) -> None:
    """Publish as fast as the server accepts it."""
    async with bus.connect([nats_url], "imagedrift-bad-host") as nats:
        for subject, payload, headers in ATTACKS[name](around):
            await nats.say(subject, payload, headers)
            await nats.flush(30)


if __name__ == "__main__":
    asyncio.run(
        publish(sys.argv[1], sys.argv[2], msgspec.json.decode(sys.argv[3], type=Surroundings))
    )
