"""imagedrift-ingest: inventories and answers in, facts, comparisons and questions out."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from imagedrift_ingest import migrations
from imagedrift_ingest.adapters.jetstream import (
    Announcer,
    Asker,
    Consumers,
    Epochs,
    Heartbeats,
    LaneWatch,
)
from imagedrift_ingest.adapters.postgres import connect
from imagedrift_ingest.adapters.postgres.answers import Answers
from imagedrift_ingest.adapters.postgres.bookmarks import Bookmarks
from imagedrift_ingest.adapters.postgres.dictionary import Dictionary
from imagedrift_ingest.adapters.postgres.hosts import Hosts
from imagedrift_ingest.adapters.postgres.keys import HostKeys
from imagedrift_ingest.adapters.postgres.outbox import Outbox
from imagedrift_ingest.adapters.postgres.questions import Questions
from imagedrift_ingest.adapters.postgres.signs import Signs
from imagedrift_ingest.adapters.postgres.turns import Turns
from imagedrift_ingest.adapters.postgres.upkeep import Upkeep
from imagedrift_ingest.core.freshness import question_ttl
from imagedrift_ingest.core.gathering import gathering, is_fleet
from imagedrift_ingest.service import Away, Ingest
from imagedrift_ingest.settings import IngestSettings
from imagedrift_runtime import process
from imagedrift_runtime.clock import now
from imagedrift_runtime.nats import bus, consumer
from imagedrift_runtime.nats.bus import Bus
from imagedrift_runtime.process import Process
from imagedrift_runtime.registries.watched_file import LOOK_EVERY_S, LiveRegistries
from imagedrift_runtime.settings import SettingsFault, read_again
from imagedrift_schemas import subjects

log = structlog.get_logger()

SERVICE = "imagedrift-ingest"
DIGESTS = f"KV_{subjects.BUCKET_DIGESTS}"
PLAN_EVERY_S = 0.5
HEARTBEATS_EVERY_S = 0.25
LOOK_AT_BOOKMARKS_EVERY_S = 5.0
LANES_EVERY_S = 10.0
ANNOUNCE_EVERY_S = 1.0
ANALYZE_EVERY_S = 3.0
ADD_UP_EVERY_S = 10.0
COUNT_EVERY_S = 30.0
TREND_EVERY_S = 30.0
TIDY_EVERY_S = 3600.0
COLLECT_EVERY = 50_000
"""New objects between two searches for cycles: a batch makes tens of thousands, none in a cycle."""


async def start(settings: IngestSettings, run: Process) -> None:
    """Run until asked to stop."""
    known = LiveRegistries(settings.registries)
    writers = settings.workers + 4
    async with (
        connect.pool(
            settings.database_url,
            connections=writers,
            statement_cache_size=settings.statement_cache,
            read_again=partial(read_again, IngestSettings, "database_url"),
        ) as pool,
        bus.connect(
            settings.nats_url,
            SERVICE,
            **settings.nats,
            health=run.health,
        ) as nats,
    ):
        database = connect.Database(pool, run.health)
        await _await_database(database, Upkeep(database), known, run)
        if not run.stopping.is_set():
            await _serve(settings, run, database, nats, known)


async def _await_database(
    database: connect.Database, upkeep: Upkeep, known: LiveRegistries, run: Process
) -> None:
    """Wait for the database; refuse to work on another schema than ours."""
    while not run.stopping.is_set():
        try:
            await database.transaction(migrations.check)
            await upkeep.apply_policy(known.is_named)
            await upkeep.judge_anew()
        except migrations.WrongSchema as error:
            raise SettingsFault([f"DATABASE_URL: {error}"]) from error
        except Away as error:
            log.warning("database.awaited", error=str(error))
            await _first_of(PLAN_EVERY_S, run.stopping)
        else:
            return


async def _serve(
    settings: IngestSettings,
    run: Process,
    database: connect.Database,
    nats: Bus,
    known: LiveRegistries,
) -> None:
    upkeep = Upkeep(database, settings.retention)
    plan_now = asyncio.Event()
    announce_now = asyncio.Event()
    dictionary = Dictionary(
        database, known.is_named, settings.freshness, settings.new_images_per_host
    )
    keys = HostKeys(database, dictionary)
    epochs = Epochs(nats)
    consumers = Consumers(nats, epochs)
    in_inventories = Bookmarks(database, subjects.STREAM_INVENTORY, consumers)
    in_digests = Bookmarks(database, DIGESTS, consumers)
    hosts = Hosts(database, dictionary, keys, plan_now.set, in_inventories)
    living = Signs(database, keys)
    answers = Answers(database, settings.policy, known.is_named, announce_now.set, in_digests)
    ingest = Ingest(hosts, answers, epochs, epochs.is_newest)
    turns = Turns(database, health=run.health)
    questions = Questions(database, settings.policy, settings.outstanding, turns)
    lanes = LaneWatch(nats, known.lanes)
    await lanes.look()
    asker = Asker(nats, known.lane_of, question_ttl(settings.policy), lanes.is_missing)
    outbox, announcer = Outbox(database, turns), Announcer(nats)
    heartbeats = Heartbeats()
    await nats.listen(subjects.ALIVE_ALL, heartbeats.hear, queue=subjects.CONSUMER_INGEST)

    following = _Following(known, upkeep, lanes, plan_now, run)

    async def plan() -> None:
        starts = is_fleet(dictionary.bringers)
        if starts:
            await _quiet(plan_now, run.stopping, lambda: dictionary.bringers)
        is_news = plan_now.is_set()
        plan_now.clear()
        brought_by = dictionary.take_bringers()
        await questions.ask_due(now(), asker)
        if is_news and not starts:
            await _quiet(plan_now, run.stopping, lambda: brought_by | dictionary.bringers)

    async def announce() -> None:
        announce_now.clear()
        while await outbox.publish(announcer):
            pass

    async def note_heartbeats() -> None:
        signs = heartbeats.take()
        try:
            await living.note(now(), signs)
        except Away:
            heartbeats.put_back(signs)
            raise
        finally:
            await heartbeats.tell_refused(nats)

    inventories = in_inventories.noting_refusals(ingest.inventories)
    pulled = [(subjects.STREAM_INVENTORY, inventories)] * settings.workers + [
        (DIGESTS, in_digests.noting_refusals(ingest.digests)),
        (f"KV_{subjects.BUCKET_REGISTRIES}", ingest.registries),
        (subjects.STREAM_DEAD, ingest.dead_letters),
    ]
    async with asyncio.TaskGroup() as tasks:
        for stream, handler in pulled:
            tasks.create_task(_pull(nats, stream, handler, settings, run))
        for task in (
            _repeat(plan, PLAN_EVERY_S, run, sooner=plan_now),
            _repeat(announce, ANNOUNCE_EVERY_S, run, sooner=announce_now),
            _repeat(note_heartbeats, HEARTBEATS_EVERY_S, run),
            _repeat(in_inventories.look, LOOK_AT_BOOKMARKS_EVERY_S, run),
            _repeat(in_digests.look, LOOK_AT_BOOKMARKS_EVERY_S, run),
            _repeat(following.registries, LOOK_EVERY_S, run, sooner=run.reload),
            _repeat(lanes.look, LANES_EVERY_S, run),
            _repeat(upkeep.tidy, TIDY_EVERY_S, run),
            _repeat(upkeep.analyze_grown, ANALYZE_EVERY_S, run),
            _repeat(upkeep.add_up_usage, ADD_UP_EVERY_S, run),
            _repeat(upkeep.count_hosts, COUNT_EVERY_S, run, first_after_s=COUNT_EVERY_S),
            _repeat(upkeep.take_trend, TREND_EVERY_S, run, first_after_s=TREND_EVERY_S),
        ):
            tasks.create_task(task)


class _Following:
    """What a registries.toml that changed changes here."""

    def __init__(
        self,
        known: LiveRegistries,
        upkeep: Upkeep,
        lanes: LaneWatch,
        plan_now: asyncio.Event,
        run: Process,
    ) -> None:
        self._known, self._upkeep, self._lanes = known, upkeep, lanes
        self._plan_now, self._run = plan_now, run
        self._applied = known.version

    async def registries(self) -> None:
        """Look at the file; references of a registry that it names, or no longer, follow."""
        self._known.renew(anyway=self._run.reload.is_set())
        self._run.reload.clear()
        if self._known.version != self._applied:
            await self._upkeep.apply_policy(self._known.is_named)
            await self._lanes.look()
            self._applied = self._known.version
            self._plan_now.set()


async def _pull(
    nats: Bus, stream: str, handler: consumer.BatchHandler, settings: IngestSettings, run: Process
) -> None:
    await consumer.handle_batches(
        nats,
        stream,
        subjects.CONSUMER_INGEST,
        handler,
        service="ingest",
        size=settings.batch,
        stopping=run.stopping,
    )


async def _repeat(
    work: Callable[[], Awaitable[object]],
    every_s: float,
    run: Process,
    *,
    sooner: asyncio.Event | None = None,
    first_after_s: float = 0.0,
) -> None:
    """Do `work` every so often, or as soon as `sooner` is set, until asked to stop."""
    name = work.__name__
    run.works.begin(name)
    await _first_of(first_after_s, run.stopping)
    while not run.stopping.is_set():
        try:
            await work()
        except Away as error:
            log.warning("work.postponed", work=name, error=str(error))
            run.works.failed(name, str(error), every_s)
        except Exception as error:
            log.exception("work.failed", work=name)
            run.works.failed(name, f"{type(error).__name__}: {error}", every_s)
        else:
            run.works.done(name)
        await _first_of(every_s, run.stopping, sooner)


async def _quiet(
    news: asyncio.Event, stopping: asyncio.Event, bringers: Callable[[], set[int]]
) -> None:
    """Wait for news of further hosts, see `gathering`; leave `news` set where some came."""
    loop = asyncio.get_running_loop()
    waiting, came = gathering(loop.time(), bringers()), False
    while (left_s := waiting.ends_at - loop.time()) > 0 and not stopping.is_set():
        news.clear()
        await _first_of(left_s, stopping, news)
        if news.is_set():
            came = True
            waiting = waiting.joined(loop.time(), bringers())
    if came:
        news.set()


async def _first_of(seconds: float, *events: asyncio.Event | None) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events if event]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def main() -> int:
    """Run the service; the exit code."""
    gc.freeze()  # modules stay
    gc.set_threshold(COLLECT_EVERY)
    return process.run(
        SERVICE, IngestSettings, start, about=__doc__ or "", parts=("nats", connect.PART)
    )


if __name__ == "__main__":
    sys.exit(main())
