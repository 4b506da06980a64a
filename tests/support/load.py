"""A load generator for HEADs that costs next to nothing: raw HTTP/1.1 on plain asyncio."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator


async def heads(host: str, repositories: Iterable[str], connections: int) -> Counter[int]:
    """Ask for `latest` of each repository, on so many connections; answers by status."""
    waiting = iter(repositories)
    statuses: Counter[int] = Counter()
    await asyncio.gather(*(_ask(host, waiting, statuses) for _ in range(connections)))
    return statuses


async def _ask(host: str, waiting: Iterator[str], statuses: Counter[int]) -> None:
    address, _, port = host.rpartition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    try:
        for repository in waiting:
            line = f"HEAD /v2/{repository}/manifests/latest HTTP/1.1\r\nHost: {host}\r\n\r\n"
            writer.write(line.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            statuses[int(answer.split(b" ", 2)[1])] += 1
    finally:
        writer.close()
        await writer.wait_closed()
