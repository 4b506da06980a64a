"""The gate before a registry: what it learns reaches the other replicas, whatever NATS does."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from imagedrift_resolver.core.credential import Password, Secret
from imagedrift_resolver.core.reply import Reply
from imagedrift_resolver.core.site import Site
from imagedrift_resolver.core.url import parse_url
from imagedrift_resolver.gate import Gate
from imagedrift_resolver.gates import KNOWN, MADE_UP, Gates
from imagedrift_runtime.registries.operator_file import Registries, parse
from imagedrift_schemas.v1 import Found, RegistryState, Unreachable

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


class SharedStates:
    """What replicas share, which can be away, and slow to say so."""

    def __init__(self) -> None:
        self.states: dict[str, RegistryState] = {}
        self.is_away = False
        self.slow_s = 0.0

    async def read(self, registry: str, _credential: str) -> RegistryState | None:
        """Return the shared state."""
        return None if self.is_away else self.states.get(registry)

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Change it, unless it is away."""
        await asyncio.sleep(self.slow_s)
        if self.is_away:
            return None
        changed = change(self.states.get(own.registry) or own)
        self.states[own.registry] = changed
        return changed


class NoLanes:
    """Lanes that nobody pauses."""

    async def pause(self, _registry: str, _until: datetime) -> None:
        """Do nothing."""


def gates(states: SharedStates) -> Gates:
    """The gates of one replica."""
    return Gates(Registries(), states=states, lanes=NoLanes(), now=lambda: NOW)


def gate(replica: Gates, registry: str = "r.example") -> Gate:
    """A registry's gate."""
    return replica.of(Site(registry=registry, api=parse_url(f"https://{registry}")))


async def limited(asked: Gate) -> None:
    """Ask, and be told to wait."""
    assert await asked.enter("HEAD") is None
    assert await asked.before("HEAD") is None
    await asked.observe(Reply(429, {"retry-after": ("600",)}), "HEAD")
    asked.leave(None)


async def test_what_is_learnt_is_shared_at_once() -> None:
    """Another replica is not asked to find it out for itself."""
    states = SharedStates()
    await limited(gate(gates(states)))
    assert await gate(gates(states)).enter("HEAD") is not None


async def test_what_could_not_be_shared_is_shared_later() -> None:
    """A stop that was learnt while NATS was away would else be lost with this replica."""
    states = SharedStates()
    replica = gates(states)
    states.is_away = True
    await limited(gate(replica))
    await replica.flush()
    assert not states.states

    states.is_away = False
    await replica.flush()
    assert await gate(gates(states)).enter("HEAD") is not None


async def test_a_pace_is_kept_while_nothing_can_be_shared() -> None:
    """By each replica alone: the turns are ours then."""
    states = SharedStates()
    states.is_away = True
    asked = gate(gates(states))
    await limited(asked)
    first = await asked._turn(1.0)
    second = await asked._turn(1.0)
    assert (second - first).total_seconds() == 1


async def test_many_registries_are_shared_together() -> None:
    """One after the other they would outlast the time that a service has for its end."""
    states = SharedStates()
    replica = gates(states)
    for number in range(40):
        asked = gate(replica, f"r{number}.example")
        assert await asked.enter("HEAD") is None
        await asked.observe(Reply(200), "HEAD")
        asked.leave(None)
    states.slow_s = 0.1

    began = time.monotonic()
    await replica.flush()
    assert time.monotonic() - began < 1
    assert len(states.states) == 40


async def test_a_registry_that_is_back_is_found_out_by_a_question_that_worked() -> None:
    """A broken image that is asked first does not keep its registry shut for an hour of rounds.

    distribution/distribution#3842.
    """
    moment = NOW
    replica = Gates(Registries(), states=SharedStates(), lanes=NoLanes(), now=lambda: moment)
    asked = gate(replica)
    assert await asked.enter("HEAD", "good") is None
    asked.leave(Found(digest="sha256:" + "a" * 64), "good")
    for _ in range(3):
        assert await asked.enter("HEAD", "other") is None
        asked.leave(Unreachable(reason="no connection"), "other")
    for _ in range(60):
        moment += timedelta(minutes=1)
        refused = await asked.enter("HEAD", "broken")
        if refused is None:
            asked.health.errored("broken")
            asked.leave(Unreachable(reason="answered 500"), "broken")
        if await asked.enter("HEAD", "good") is None:
            asked.leave(Found(digest="sha256:" + "a" * 64), "good")
    assert await asked.enter("HEAD", "another") is None


async def test_a_host_without_a_good_answer_need_not_show_that_it_is_well() -> None:
    """An error without a document on a registry that never worked is the host's."""
    asked = gate(gates(SharedStates()))
    for question in ("a", "b"):
        assert await asked.enter("HEAD", question) is None
        asked.health.errored(question)
        asked.leave(Unreachable(reason="answered 502"), question)
    assert not asked.health.doubts("c", is_documented=False)
    assert asked.health.doubts("c", is_documented=True)


async def test_docker_hub_and_a_mirror_of_it_have_gates_of_their_own() -> None:
    """What is learnt of one does not hold for the other (concourse/docker-image-resource#307)."""
    replica = gates(SharedStates())
    hub = replica.of(Site(registry="docker.io", api=parse_url("https://registry-1.docker.io")))
    mirror = replica.of(Site(registry="docker.io", api=parse_url("https://mirror.lan")))
    assert hub is not mirror


async def ask(replica: Gates, registry: str, outcome: object, reply: Reply | None = None) -> None:
    """Ask a registry one question, with what came of it."""
    asked = gate(replica, registry)
    if await asked.enter("HEAD", f"{registry}/app:1") is None:
        if reply:
            await asked.observe(reply, "HEAD")
        asked.leave(outcome, f"{registry}/app:1")


async def test_a_name_that_never_answered_is_not_shared() -> None:
    """Neither its failures nor anything else: there may be a hundred thousand of them."""
    states = SharedStates()
    replica = gates(states)
    await ask(replica, "made-up.example", Unreachable(reason="its name does not resolve"))
    await replica.flush()
    await ask(replica, "made-up.example", Unreachable(reason="its name does not resolve"))
    assert not states.states

    await ask(replica, "real.example", Unreachable(reason="answered 503"), Reply(503))
    await replica.flush()
    assert states.states.keys() == {"real.example"}


async def test_made_up_registries_are_not_kept() -> None:
    """Thousands with long names take little memory, and a real registry keeps its block."""
    states = SharedStates()
    replica = gates(states)
    real = gate(replica, "real.example")
    await limited(real)
    gate(replica, "real.example")
    tracemalloc.start()
    try:
        for number in range(5 * MADE_UP.entries):
            await ask(replica, f"{'a' * 200}{number}.example", Unreachable(reason="no address"))
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < MADE_UP.size
    assert len(replica) <= MADE_UP.entries + 1
    assert gate(replica, "real.example") is real
    assert await real.enter("HEAD") is not None
    assert states.states.keys() == {"real.example"}


async def test_registries_that_answer_do_not_drive_out_one_that_blocks_us() -> None:
    """However many there are, its gate goes last; and what it knew is shared."""
    states = SharedStates()
    replica = gates(states)
    real = gate(replica, "real.example")
    await limited(real)
    gate(replica, "real.example")
    for number in range(KNOWN.entries + 100):
        await ask(replica, f"r{number}.example", Found(digest="sha256:" + "a" * 64), Reply(200))
        gate(replica, f"r{number}.example")
    assert len(replica) <= KNOWN.entries + 1
    assert gate(replica, "real.example") is real


async def test_a_gate_takes_about_as_much_as_it_says() -> None:
    """Else a bound in bytes would be none."""
    replica = gates(SharedStates())
    tracemalloc.start()
    try:
        kept = []
        for number in range(200):
            asked = replica._made((f"r{number}.example", "anonymous", False))
            for question in range(50):
                assert await asked.enter("HEAD", f"{'q' * 500}{question}") is None
                asked.leave(Found(digest="sha256:" + "a" * 64), f"{'q' * 500}{question}")
            kept.append(asked)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    told = sum(each.size for each in kept)
    assert used < told < 3 * used


PACED = """
[registry."r.example"]
requests_per_second = 1
[registry."r.example/a"]
username = "a"
password_file = "/a"
[registry."r.example/b"]
username = "b"
password_file = "/b"
"""


class RowPerCredential(SharedStates):
    """Shared states that are kept by credential, too."""

    async def read(self, registry: str, credential: str) -> RegistryState | None:
        """Return the shared state."""
        return self.states.get(f"{registry} {credential}")

    async def change(
        self, own: RegistryState, change: Callable[[RegistryState], RegistryState]
    ) -> RegistryState | None:
        """Change it."""
        key = f"{own.registry} {own.credential}"
        self.states[key] = change(self.states.get(key) or own)
        return self.states[key]


async def test_the_credentials_of_a_registry_share_its_pace() -> None:
    """Within a replica and between two: it is the registry that has a limit."""
    states = RowPerCredential()
    replicas = [
        Gates(parse(PACED), states=states, lanes=NoLanes(), now=lambda: NOW) for _ in range(2)
    ]
    turns = []
    for replica in replicas:
        for name in ("a", "b"):
            at = Site(
                registry="r.example",
                api=parse_url("https://r.example"),
                credential=Password(name, Secret("x")),
            )
            turns.append(await replica.of(at)._turn(1.0))
    assert [(turn - NOW).total_seconds() for turn in turns] == [0, 1, 2, 3]
