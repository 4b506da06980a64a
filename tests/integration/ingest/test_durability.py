"""Which commits wait for the disk."""

import asyncpg

from support.ingest import Fleet, Operator, image

NOTED = """
    CREATE TABLE public.commits (of text, waits text);
    GRANT INSERT ON public.commits TO PUBLIC;
    CREATE FUNCTION public.note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO public.commits VALUES (TG_ARGV[0], current_setting('synchronous_commit'));
      RETURN NULL;
    END $$;
"""
AT_THE_COMMIT = """
    CREATE CONSTRAINT TRIGGER note_commit AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.note_commit('{name}')
"""
WATCHED = {
    "host": ("INSERT", "fleet.hosts"),
    "image": ("INSERT", "fleet.comparisons"),
    "inventory": ("UPDATE", "fleet.host_state"),
}


async def test_only_what_a_message_is_acknowledged_for_waits_for_the_disk(
    running: None, agents: Fleet, operator: Operator, dsn: str
) -> None:
    """A host's row and its images' rows wait for no disk; its inventory, stored later, does."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(NOTED)
    for name, (event, table) in WATCHED.items():
        await connection.execute(AT_THE_COMMIT.format(event=event, table=table, name=name))

    await agents.has("web-1", image("r.io/a:1"))
    await operator.sees("r.io/a:1", host="web-1")

    rows = await connection.fetch("SELECT DISTINCT of, waits FROM public.commits")
    await connection.close()
    assert {tuple(row) for row in rows} == {("host", "off"), ("image", "off"), ("inventory", "on")}
