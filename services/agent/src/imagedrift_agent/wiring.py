"""Which parts an agent is made of, by its settings."""

import hashlib
import secrets
import socket
from importlib.metadata import version
from pathlib import Path

from imagedrift_agent.adapters import jetstream
from imagedrift_agent.adapters.engine import Engine
from imagedrift_agent.adapters.engine_faults import EngineFault
from imagedrift_agent.adapters.files import KINDS, ImageFile, Remark
from imagedrift_agent.adapters.state_folder import BadStateFolder, StateFolder
from imagedrift_agent.core.address import BadAddress, EngineAddress, read_address
from imagedrift_agent.core.messages import HostProfile, inventory
from imagedrift_agent.reporter import ConnectPublisher
from imagedrift_agent.service import report
from imagedrift_agent.settings import AgentSettings
from imagedrift_agent.watcher import ImageSource, ReportHealth
from imagedrift_runtime.clock import SystemClock, now
from imagedrift_runtime.health import Health
from imagedrift_runtime.process import Process
from imagedrift_runtime.settings import SettingsFault, both_or_faults
from imagedrift_schemas.v1 import Inventory

SERVICE = "imagedrift-agent"


async def start(settings: AgentSettings, running: Process) -> None:
    """Wire an agent together and let it run. Raises `SettingsFault`."""
    store = StateFolder(settings.state_dir)
    source, host = both_or_faults(lambda: source_of(settings), lambda: host_id(settings, store))
    profile = profile_of(settings, host)
    await report(
        profile,
        source,
        connector(settings, profile.host, running.health),
        store,
        SystemClock(),
        running.stopping,
        report_health=_health_reporter(running.health),
        where=_where(settings, profile),
        return_within_s=settings.return_within,
    )


async def take_inventory(settings: AgentSettings, remark: Remark | None = None) -> Inventory:
    """Take an inventory once, without NATS or a state folder. Raises `SourceFault`."""
    snapshot = await source_of(settings, remark).take()
    host = settings.host_id or "this-host"
    return inventory(profile_of(settings, host), snapshot, now())


def source_of(settings: AgentSettings, remark: Remark | None = None) -> ImageSource:
    """The source that the settings name. Raises `SettingsFault`."""
    kind, _, path = settings.source.partition(":")
    if kind in KINDS and path:
        return ImageFile(kind, Path(path), remark)
    if settings.source != "engine":
        raise SettingsFault(
            [f"IMAGEDRIFT_SOURCE: {settings.source!r}: write engine, compose:FILE or list:FILE"]
        )
    try:
        address_of(settings)
    except BadAddress as error:
        raise SettingsFault([str(error)]) from error
    return engine_of(settings)


def engine_of(settings: AgentSettings) -> Engine:
    """The engine that the settings name; where it listens is looked up anew at each use."""

    def find() -> EngineAddress:
        try:
            return address_of(settings)
        except BadAddress as error:
            raise EngineFault(str(error)) from error

    return Engine(find)


def address_of(settings: AgentSettings) -> EngineAddress:
    """Where the engine listens. Raises `BadAddress`."""
    return read_address(
        settings.docker_host,
        tls=bool(settings.docker_tls_verify),
        certificates=settings.docker_cert_path or str(Path.home() / ".docker"),
        runtime_dir=settings.runtime_dir,
        exists=lambda path: Path(path).exists(),
    )


def host_id(settings: AgentSettings, store: StateFolder) -> str:
    """The id of this host: given, or made up and kept. Raises `SettingsFault`."""
    try:
        return settings.host_id or store.host_id(socket.gethostname())
    except BadStateFolder as error:
        raise SettingsFault([str(error)]) from error


def profile_of(settings: AgentSettings, host: str) -> HostProfile:
    """Describe the host by its settings."""
    return HostProfile(
        site=settings.site,
        host=host,
        hostname=socket.gethostname(),
        labels=settings.labels,
        place=settings.place,
        interval_s=settings.interval,
        agent_version=version(SERVICE),
        boot=secrets.token_hex(8),
    )


def connector(settings: AgentSettings, host: str, health: Health | None) -> ConnectPublisher:
    """How to connect to NATS."""
    return lambda: jetstream.connected(
        settings.nats_url,
        settings.site,
        host,
        **settings.nats,
        health=health,
    )


def _health_reporter(health: Health) -> ReportHealth:
    def report_health(reason: str) -> None:
        if reason:
            health.failed("engine", reason)
        else:
            health.ready("engine")

    return report_health


def _where(settings: AgentSettings, profile: HostProfile) -> str:
    """Tell one NATS, and one host on it, from another: without the password in a URL."""
    text = "\n".join((*settings.nats_url, profile.site, profile.host))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
