"""A fleet's resolvers are asked first where they are configured."""

from imagedrift_cli.scan.via_fleet import SharedSettings, preferring_shared
from imagedrift_sandbox.nats import NatsServer
from imagedrift_schemas.v1 import Answer, AnyAnswer, Question
from support.ingest import answer
from support.resolver import resolve


class Direct:
    """Answers directly, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, question: Question) -> AnyAnswer:
        """Answer."""
        self.asked += 1
        return answer()


async def test_without_nats_registries_are_asked_directly() -> None:
    """Nothing is connected to."""
    direct = Direct()
    async with preferring_shared(SharedSettings(), direct) as asks:
        assert asks is direct


async def test_what_no_resolver_knows_is_asked_directly(fresh_nats: NatsServer) -> None:
    """Here no resolver is there at all."""
    direct = Direct()
    async with preferring_shared(SharedSettings(nats_url=(fresh_nats.url,)), direct) as asks:
        told = await asks.ask(resolve("docker.io/library/nginx:1.27"))
        assert isinstance(told, Answer)
        assert told.outcome == answer().outcome
    assert direct.asked == 1
