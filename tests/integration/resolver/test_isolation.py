"""A registry that is dead, slow or lying: told, left alone, and tried again."""

import asyncio
import threading
from pathlib import Path

import pytest

from imagedrift_resolver.core import breaker
from imagedrift_sandbox.free_port import free_port
from imagedrift_sandbox.nats import NatsServer
from imagedrift_sandbox.processes import ServiceProcess
from imagedrift_sandbox.registry import Fault, SandboxRegistry
from imagedrift_schemas.v1 import Answer, Found, Limited, Unreachable
from support.polling import until
from support.resolver import resolve, resolver_client, trusting, working
from support.silence import silent_port


async def test_a_registry_that_fails_is_left_alone_and_tried_again(
    fresh_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three failures in a row nothing is asked; one request finds out that it is back."""
    monkeypatch.setattr(breaker, "FIRST_WAIT_S", 2.0)
    async with SandboxRegistry().serving() as registry:
        for tag in "123456":
            registry.push_image("app", tag)
        fault = registry.misbehave(Fault(status=503, body=""))
        async with working(fresh_nats.url, tmp_path, trusting(registry.host)) as at:
            failed = [await at.ask(registry.reference("app", tag)) for tag in "123"]
            left_alone = await at.ask(registry.reference("app", "4"))
            asked = registry.totals().total
            registry.faults.remove(fault)
            await asyncio.sleep(2.5)
            back = await at.ask(registry.reference("app", "5"))
        assert [answer.outcome for answer in failed] == [
            Unreachable(reason="the registry answered 503: it has a problem of its own")
        ] * 3
        assert isinstance(left_alone.outcome, Unreachable)
        assert "not asked" in left_alone.outcome.reason
        assert "503" in left_alone.outcome.reason
        assert asked == 3
        assert isinstance(back.outcome, Found)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(hang=True), "read timeout: 127.0.0.1:"),
        (Fault(drop=True), "is not HTTP, or ended early"),
    ],
)
async def test_a_deadline_ends_every_wait(
    fresh_nats: NatsServer,
    tmp_path: Path,
    fault: Fault,
    words: str,
) -> None:
    """The reason says that the time was over, or that the response ended early."""
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        registry.misbehave(fault)
        toml = trusting(registry.host, timeout="1s")
        async with working(fresh_nats.url, tmp_path, toml) as at:
            answer = await at.ask(registry.reference("app", "1"))
    assert isinstance(answer.outcome, Unreachable)
    assert words in answer.outcome.reason


async def test_a_closed_port_is_told_as_that(fresh_nats: NatsServer, tmp_path: Path) -> None:
    """The operator sees host, port, and what is wrong."""
    host = f"127.0.0.1:{free_port()}"
    async with working(fresh_nats.url, tmp_path, trusting(host)) as at:
        answer = await at.ask(f"{host}/app:1")
    assert answer.outcome == Unreachable(
        reason=f"connection failed: {host}: the connection was refused"
    )


async def test_a_name_that_does_not_resolve_is_told_as_that(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """`.invalid` never resolves."""
    async with working(fresh_nats.url, tmp_path) as at:
        answer = await at.ask("registry.invalid/app:1")
    assert isinstance(answer.outcome, Unreachable)
    assert answer.outcome.reason == "DNS: registry.invalid: its name does not resolve"


async def test_eighty_registries_that_hang_do_not_hold_up_a_healthy_one(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """All in one lane, and more than it has slots: they are still asked when it is answered.

    None of them is configured by a limit, so neither is alone in its lane.
    """
    async with SandboxRegistry().serving() as registry, silent_port() as port:
        registry.push_image("app", "1")
        registry.push_image("app", "2")
        bad = [f"127.0.1.{number}:{port.number}" for number in range(1, 81)]
        async with working(fresh_nats.url, tmp_path, trusting(registry.host, *bad)) as at:
            await at.ask(registry.reference("app", "1"))
            hung = [resolve(f"{host}/app:{tag}") for host in bad for tag in range(2)]
            for question in hung:
                await at.put(question)
            answer = await at.ask(registry.reference("app", "2"))
            told = [await at.read(question, Answer) for question in hung]
            put_off = [q for q, each in zip(hung, told, strict=True) if each]
            await until(lambda: at.put(put_off[-1]), what="a question put off is taken again")
    assert isinstance(answer.outcome, Found)
    assert {type(each.outcome) for each in told if each} <= {Limited}
    assert None in told  # those that were asked are still waited for


async def test_sixty_four_dead_names_do_not_hold_up_a_healthy_one(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """Dead names are still being looked up when the healthy one is answered."""
    let_go = threading.Event()

    def look_up(host: str) -> list[str]:
        let_go.wait(30)
        raise OSError(f"{host}: no answer")

    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        registry.push_image("app", "2")
        try:
            async with working(
                fresh_nats.url, tmp_path, trusting(registry.host), look_up=look_up
            ) as at:
                await at.ask(registry.reference("app", "1"))
                dead = [resolve(f"dead{number}.example/app:1") for number in range(64)]
                for question in dead:
                    await at.put(question)
                answer = await at.ask(registry.reference("app", "2"))
                told = [await at.read(question, Answer) for question in dead]
        finally:
            let_go.set()
    assert isinstance(answer.outcome, Found)
    assert {type(each.outcome) for each in told if each} <= {Limited}
    assert None in told


async def test_metrics_tell_what_was_asked_and_no_secret(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    """As a process, with its metrics on: requests by status; no password in them or in the log."""
    (tmp_path / "password").write_text("hunter2")
    async with SandboxRegistry().serving() as registry:
        registry.push_image("app", "1")
        toml = trusting(registry.host, username="me", password_file=str(tmp_path / "password"))
        (tmp_path / "registries.toml").write_text(toml)
        environment = {
            "NATS_URL": fresh_nats.url,
            "IMAGEDRIFT_REGISTRIES": str(tmp_path / "registries.toml"),
            "DOCKER_CONFIG": str(tmp_path),
        }
        async with (
            resolver_client(fresh_nats.url, toml) as at,
            ServiceProcess.start(
                "imagedrift-resolver", environment, log=tmp_path / "log"
            ) as service,
        ):
            await at.ask(registry.reference("app", "1"))
            await at.ask(registry.reference("app", "2"))
            told = await service.metrics()
    assert 'imagedrift_registry_requests_total{method="HEAD",status="200"} 1.0' in told
    assert 'imagedrift_answers_total{outcome="missing",source="registry"} 1.0' in told
    assert "hunter2" not in told + service.log_text()
