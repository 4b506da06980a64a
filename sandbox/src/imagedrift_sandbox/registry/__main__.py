"""Run the registry as a process of its own: `python -m imagedrift_sandbox.registry`."""

import argparse
import asyncio
import signal

from imagedrift_sandbox.free_port import LOOPBACK
from imagedrift_sandbox.registry.server import SandboxRegistry


async def serve(address: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    async with SandboxRegistry().serving(port, address) as registry:
        print(f"serving on {registry.url}", flush=True)  # noqa: T201
        await stop.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="imagedrift_sandbox.registry", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port (default)")
    parser.add_argument("--address", default=LOOPBACK, help=f"default {LOOPBACK}")
    told = parser.parse_args()
    asyncio.run(serve(told.address, told.port))


if __name__ == "__main__":
    main()
