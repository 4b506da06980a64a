"""`imagedrift-agent doctor`: what an agent needs, each tried for real, and what to do about it.

Nothing is changed, but that a host without an id gets the one that its agent will have. Whether we
may publish is found with a message that the server must refuse for another reason, after it has let
it in.
"""

import asyncio
import os
import socket
import time
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from imagedrift_agent import wiring
from imagedrift_agent.adapters.state_folder import BadStateFolder, StateFolder
from imagedrift_agent.core.image_facts import shown
from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.watcher import ImageSource
from imagedrift_runtime import clock, logs, settings
from imagedrift_runtime.nats import bus
from imagedrift_runtime.nats.errors import BusError, NoBus, NotPublished
from imagedrift_schemas import subjects

CONNECT_WITHIN_S: Final = 10.0
LISTEN_S: Final = 40.0
LISTEN_AFTER_S: Final = 0.5
CLOCK_MAY_DIFFER_S: Final = 30.0
WRONG_STREAM: Final = 10060
"""JetStream's refusal of a message that expects another stream: it let us in so far."""


class Diagnosis(Struct, frozen=True):
    """One thing that was tried: how it went, and what to do when it went wrong."""

    about: str
    good: bool
    what: str
    advice: str = ""


def main() -> int:
    """Try everything and print it; the exit code is 0 when all is well."""
    try:
        values = settings.load(AgentSettings)
    except settings.SettingsFault as fault:
        return tell([Diagnosis("settings", False, line, "correct it") for line in fault.faults])
    logs.configure(wiring.SERVICE, values.log)
    return tell(asyncio.run(examine(values)))


async def examine(
    values: AgentSettings, connect_within_s: float = CONNECT_WITHIN_S
) -> list[Diagnosis]:
    """Try everything that an agent with these settings needs."""
    state, host = _state(values)
    return [state, *await examine_source(values), *await _nats(values, host, connect_within_s)]


def tell(findings: list[Diagnosis]) -> int:
    """Print the findings, and return the exit code."""
    for each in findings:
        print(f"{'ok  ' if each.good else 'FAIL'}  {each.about:<10} {shown(each.what)}")  # noqa: T201
        if not each.good:
            print(f"                 do: {each.advice}")  # noqa: T201
    return 0 if all(each.good for each in findings) else 1


def _state(values: AgentSettings) -> tuple[Diagnosis, str]:
    """Try the state folder, and tell the host's id: a name of our own where there is none."""
    folder = StateFolder(values.state_dir)
    try:
        host = values.host_id or folder.host_id(socket.gethostname())
        folder.try_writing()
    except BadStateFolder as error:
        user = f"chown {os.geteuid()} {values.state_dir}"
        advice = f"as root: mkdir -p {values.state_dir}; {user}"
        return Diagnosis("state", False, str(error), advice), values.host_id or "doctor"
    return Diagnosis("state", True, f"{host} is this host's id, kept in {values.state_dir}"), host


async def examine_source(values: AgentSettings) -> list[Diagnosis]:
    """Look once, and listen for events as far as that they are let through."""
    try:
        source = wiring.source_of(values)
        snapshot = await source.take()
    except (SourceFault, settings.SettingsFault) as error:
        return [Diagnosis("source", False, str(error), engine_advice(str(error)))]
    images, skipped = snapshot.image_list.images, snapshot.image_list.skipped
    running = sum(image.running for image in images)
    found = f"{len(images)} images, {running} running containers"
    found += f", {sum(skipped.values())} not in full"
    found += f" ({', '.join(sorted(skipped))})" if skipped else ""
    looked = Diagnosis("source", True, f"{snapshot.engine} {snapshot.engine_version}: {found}")
    return [looked, await _events(source)]


async def _events(source: ImageSource) -> Diagnosis:
    """Listen for a moment: long enough to see a stream that is refused, or ends at once."""
    changes = source.changes()
    has_begun = False
    try:
        async with asyncio.timeout(LISTEN_S) as bound:
            while await anext(changes) is None:
                bound.reschedule(asyncio.get_running_loop().time() + LISTEN_AFTER_S)
                has_begun = True
    except SourceFault as error:
        advice = "let GET /events through: without it a change is seen only once per interval"
        if has_begun:
            advice = "let GET /events stay open: a stream that ends at once tells nothing"
        return Diagnosis("events", False, str(error), advice)
    except TimeoutError:
        if not has_begun:
            return Diagnosis("events", False, "GET /events: nobody listens", "see DOCKER_HOST")
        return Diagnosis("events", True, "listening; nothing happened yet")
    return Diagnosis("events", True, "changes are told as they happen")


def engine_advice(fault: str) -> str:
    """Advise on the usual faults."""
    known = {
        "Permission denied": "let this user use the socket: usermod -aG docker USER, and restart",
        "No such file": "start the engine, or say in DOCKER_HOST where it listens",
        "Connection refused": "start the engine (systemctl start docker): nothing listens there",
        "certificate": "put ca.pem, cert.pem and key.pem of the engine in DOCKER_CERT_PATH",
        "no answer": "the engine hangs: look at its log (journalctl -u docker)",
        "IMAGEDRIFT_SOURCE": "correct IMAGEDRIFT_SOURCE or --source",
        "GET /": "let this call through: the engine, or a proxy before it, refuses it; see its log",
    }
    return next((do for sign, do in known.items() if sign in fault), "see DOCKER_HOST")


async def _nats(values: AgentSettings, host: str, within_s: float) -> list[Diagnosis]:
    """Try the connection, our permissions on it, and the server's clock."""
    try:
        async with bus.connect(
            values.nats_url,
            f"{wiring.SERVICE} doctor {host}",
            **values.nats,
            spool=False,
            inbox=subjects.inbox(values.site, host),
            within_s=within_s,
        ) as connection:
            reached = Diagnosis("nats", True, f"connected to {connection.server or 'a server'}")
            return [
                reached,
                await _permission(connection, values.site, host),
                await _clock(connection),
            ]
    except (NoBus, OSError, ValueError) as error:
        advice = "check NATS_URL, NATS_CREDS and NATS_CA, and that a firewall lets us through"
        return [Diagnosis("nats", False, str(error), advice)]


async def _permission(connection: bus.Bus, site: str, host: str) -> Diagnosis:
    """Publish a message that the server must refuse, and read its reason."""
    subject = subjects.inventory(site, host)
    try:
        await connection.publish(subject, b"", headers={"Nats-Expected-Stream": "doctor"})
    except NotPublished as error:
        if error.code == WRONG_STREAM:
            return Diagnosis("permitted", True, f"may publish {subject}")
        return Diagnosis("permitted", False, str(error), _permission_advice(str(error), site, host))
    return Diagnosis("permitted", True, f"may publish {subject}")


def _permission_advice(fault: str, site: str, host: str) -> str:
    subject, inbox = subjects.inventory(site, host), f"{subjects.inbox(site, host)}.>"
    if "no response" in fault.lower():
        return f"no stream stores {subject}: run `imagedrift streams` against this NATS"
    return (
        f"let the user of NATS_URL or NATS_CREDS publish {subject}, and subscribe {inbox}; or set "
        "IMAGEDRIFT_SITE and IMAGEDRIFT_HOST_ID to those in its permissions"
    )


async def _clock(connection: bus.Bus) -> Diagnosis:
    """Compare our clock with the server's, which tells its time to every user."""
    began = time.monotonic()
    try:
        answer = await connection.request("$SYS.REQ.USER.INFO", b"", timeout=2)
        there = msgspec.json.decode(answer, type=_UserInfo).server.time
    except (BusError, msgspec.DecodeError):
        return Diagnosis("clock", True, "not compared: this server does not tell its time")
    trip = time.monotonic() - began
    apart = (clock.now() - there).total_seconds() - trip / 2
    return Diagnosis(
        "clock",
        abs(apart) <= CLOCK_MAY_DIFFER_S,
        f"{apart:+.1f} s from the server's",
        "set the clock: timedatectl set-ntp true (silence is measured by it)",
    )


class _Server(Struct):
    time: datetime


class _UserInfo(Struct):
    server: _Server
