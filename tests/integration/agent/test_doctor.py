"""`imagedrift-agent doctor` finds what is wrong and says what to do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagedrift_agent import doctor
from imagedrift_agent.settings import AgentSettings
from imagedrift_runtime.nats import bus, provision
from imagedrift_sandbox.engine import Refusal, ScriptedEngine, populate
from imagedrift_sandbox.nats import NatsServer
from support.nats_client import jetstream

ONE_HOST_ONLY = """
authorization {
  users = [
    { user: admin, password: admin }
    { user: agent, password: agent, permissions: {
        publish: ["drift.v1.inventory.default.mine"], subscribe: ["_INBOX_default.mine.>"] } }
  ]
}
"""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    """An engine of three images, two of which run."""
    async with ScriptedEngine.serving(tmp_path / "socket") as serving:
        populate(serving, images=3, containers=2)
        yield serving


@pytest.fixture
def settings(engine: ScriptedEngine, nats_server: NatsServer, tmp_path: Path) -> AgentSettings:
    """Settings with which all is well."""
    return AgentSettings(
        nats_url=(nats_server.url,),
        docker_host=engine.host,
        state_dir=str(tmp_path / "state"),
        host_id="mine",
    )


async def failures(settings: AgentSettings) -> dict[str, tuple[str, str]]:
    """The faults by their object: how it went, and what to do."""
    return {f.about: (f.what, f.advice) for f in await doctor.examine(settings) if not f.good}


async def ensure_streams(url: str) -> None:
    """Make our streams."""
    async with bus.connect([url], "test") as connection:
        await provision.ensure(connection)


async def test_nothing_is_wrong(settings: AgentSettings) -> None:
    """Everything was tried, and the server stored nothing for it."""
    await ensure_streams(settings.nats_url[0])
    found = await doctor.examine(settings)

    async with bus.connect(settings.nats_url, "test") as connection:
        info = await jetstream(connection).stream_info("DRIFT_INVENTORY", subjects_filter=">")
    assert [each.about for each in found] == [
        *("state", "source", "events"),
        *("nats", "permitted", "clock"),
    ]
    assert all(each.good for each in found), found
    assert "3 images, 2 running" in found[1].what
    assert "drift.v1.inventory.default.mine" not in (info.state.subjects or {})


async def test_a_stopped_engine_is_named(settings: AgentSettings, tmp_path: Path) -> None:
    """With the socket that was tried."""
    wrong = await failures(replace(settings, docker_host=f"unix://{tmp_path}/nothing"))

    what, advice = wrong["source"]
    assert f"{tmp_path}/nothing" in what
    assert "start the engine" in advice


async def test_a_proxy_that_keeps_the_events_back_is_named(
    settings: AgentSettings, engine: ScriptedEngine
) -> None:
    """Everything works then, but slowly."""
    engine.answers["/events"] = Refusal(403)

    wrong = await failures(settings)

    what, advice = wrong["events"]
    assert "403" in what
    assert "let GET /events through" in advice
    assert "source" not in wrong


async def test_a_wrong_source_is_named(settings: AgentSettings) -> None:
    """A wrong source is not tried at all."""
    what, advice = (await failures(replace(settings, source="images.txt")))["source"]

    assert what.startswith("IMAGEDRIFT_SOURCE")
    assert "--source" in advice


async def test_a_state_folder_that_cannot_be_written_is_named(settings: AgentSettings) -> None:
    """A state folder is checked also when the host's id does not have to be kept there."""
    what, advice = (await failures(replace(settings, state_dir="/proc/nowhere")))["state"]

    assert "/proc/nowhere" in what
    assert advice.startswith("as root: mkdir -p /proc/nowhere")


async def test_a_nats_that_is_not_there_is_named(settings: AgentSettings) -> None:
    """By its address; what needs it is not tried."""
    found = await doctor.examine(
        replace(settings, nats_url=("nats://127.0.0.1:9",)), connect_within_s=0.5
    )

    assert [each.about for each in found] == ["state", "source", "events", "nats"]
    assert "nats://127.0.0.1:9" in found[-1].what
    assert "NATS_URL" in found[-1].advice


async def test_missing_streams_are_told_from_a_missing_permission(
    settings: AgentSettings, fresh_nats: NatsServer
) -> None:
    """A server without our streams takes the message, and has nobody for it."""
    what, advice = (await failures(replace(settings, nats_url=(fresh_nats.url,))))["permitted"]

    assert "drift.v1.inventory.default.mine" in what
    assert "imagedrift streams" in advice


async def test_a_missing_permission_is_named(settings: AgentSettings) -> None:
    """The subject that the credentials do not cover is the one to allow."""
    with NatsServer.start_sync(config_extra=ONE_HOST_ONLY) as server:
        await ensure_streams(server.url.replace("//", "//admin:admin@"))
        url = server.url.replace("//", "//agent:agent@")
        mine = await failures(replace(settings, nats_url=(url,)))
        others = await failures(replace(settings, nats_url=(url,), site="other"))

    assert "permitted" not in mine
    what, advice = others["permitted"]
    assert "drift.v1.inventory.other.mine" in what
    assert "NATS_CREDS" in advice
    assert "agent:agent" not in f"{others}"


def test_the_command_ends_with_1_when_something_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each finding is a line, each advice another."""
    findings = [
        doctor.Diagnosis("state", True, "kept"),
        doctor.Diagnosis("nats", False, "nobody there", "start it"),
    ]

    assert doctor.tell(findings) == 1
    assert doctor.tell(findings[:1]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok    state      kept"
    assert lines[1] == "FAIL  nats       nobody there"
    assert lines[2].strip() == "do: start it"
