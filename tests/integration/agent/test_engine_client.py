"""An engine over TCP, in the clear and by TLS with certificates on both sides."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from imagedrift_agent import wiring
from imagedrift_agent.adapters.engine_client import EngineClient, probed_when_silent
from imagedrift_agent.adapters.engine_limits import DEFAULT_LIMITS
from imagedrift_agent.core.snapshot import SourceFault
from imagedrift_agent.settings import AgentSettings
from imagedrift_sandbox.engine import ScriptedEngine, populate
from support.programs import require_program


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as DOCKER_CERT_PATH names one, with a certificate that serves both sides."""
    return made_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def strange_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of somebody else."""
    return made_certificates(tmp_path_factory.mktemp("strange"))


def made_certificates(folder: Path) -> Path:
    """Make a certificate that is its own authority."""
    openssl = require_program("openssl", "apt-get install openssl")
    subprocess.run(
        [
            *(str(openssl), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return folder


def server_context(folder: Path) -> ssl.SSLContext:
    """An engine that wants to see the client's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_an_engine_over_tcp_is_read() -> None:
    """In the clear, as `tcp://` says."""
    async with ScriptedEngine.serving_tcp() as engine:
        populate(engine, images=2, containers=1)
        inventory = await wiring.take_inventory(AgentSettings(docker_host=engine.host))

    assert len(inventory.images) == 2


async def test_an_engine_that_vanishes_is_missed_within_a_minute() -> None:
    """A machine that loses its power ends no connection, so the kernel has to ask."""
    async with ScriptedEngine.serving_tcp() as engine:
        populate(engine, images=1, containers=0)
        address = wiring.address_of(AgentSettings(docker_host=engine.host))
        async with EngineClient(address) as client:
            await client.get("/version")
            silence_s = seconds_until_probed(address.port)
    kept = probed_when_silent(DEFAULT_LIMITS, (socket.AF_INET, socket.SOCK_STREAM, 0, "", ()))
    with kept:
        every, times = (
            kept.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )

    assert 0 < silence_s + every * times <= 60


def seconds_until_probed(port: int) -> float:
    """Ask the kernel when it probes our connection to a port; see proc(5), /proc/net/tcp."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        timer, ticks = fields[5].split(":")
        if fields[2].endswith(f":{port:04X}") and timer == "02":
            return int(ticks, 16) / 100
    raise AssertionError(f"nothing probes the connection to port {port}")


async def test_an_engine_over_tls_is_read(certificates: Path) -> None:
    """Each side shows its certificate to the other."""
    async with ScriptedEngine.serving_tcp(server_context(certificates)) as engine:
        populate(engine, images=2, containers=1)
        inventory = await wiring.take_inventory(
            AgentSettings(
                docker_host=engine.host,
                docker_tls_verify="1",
                docker_cert_path=str(certificates),
            )
        )

    assert len(inventory.images) == 2


@pytest.mark.parametrize("folder", ["without a certificate", "that is not there"])
async def test_wrong_certificates_are_a_fault(
    certificates: Path, tmp_path: Path, folder: str
) -> None:
    """Nothing is asked of an engine that cannot be trusted, or that does not trust us."""
    if folder == "without a certificate":
        (tmp_path / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes())
    async with ScriptedEngine.serving_tcp(server_context(certificates)) as engine:
        settings = AgentSettings(
            docker_host=engine.host, docker_tls_verify="1", docker_cert_path=str(tmp_path)
        )
        with pytest.raises(SourceFault):
            await wiring.take_inventory(settings)
        asked = list(engine.asked)

    assert asked == []


async def test_a_strange_authority_is_a_fault(
    certificates: Path, strange_certificates: Path
) -> None:
    """The engine's certificate must be signed by the CA of DOCKER_CERT_PATH."""
    async with ScriptedEngine.serving_tcp(server_context(certificates)) as engine:
        settings = AgentSettings(
            docker_host=engine.host.replace("tcp://", "https://"),
            docker_cert_path=str(strange_certificates),
        )
        with pytest.raises(SourceFault, match=r"(?i)certificate.verify.failed"):
            await wiring.take_inventory(settings)
