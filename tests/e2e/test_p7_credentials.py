"""P7 end to end: credentials are sent to their own registry, and to no other."""

from pathlib import Path

from msgspec.structs import replace

from imagedrift_sandbox.registry.auth import Auth, IssuedTokens, Scheme
from imagedrift_sandbox.registry.faults import Fault
from imagedrift_sandbox.registry.server import SandboxRegistry
from support.fleet import pulled, system

ELSEWHERE = "127.0.0.2"
USER = "robot$reader"
PASSWORD = "correct horse battery"
USERS = {USER: PASSWORD}


async def test_p7_credentials_go_only_to_the_registry_that_they_are_for(tmp_path: Path) -> None:
    """No redirect, foreign realm or question to another registry leaks a credential."""
    tokens = IssuedTokens()
    basic = Auth(scheme=Scheme.BASIC, users=USERS)
    bearer = Auth(scheme=Scheme.BEARER, users=USERS, private=("*",))
    async with (
        SandboxRegistry(auth=basic).serving() as ours,
        SandboxRegistry(auth=bearer, tokens=tokens).serving() as lured,
        SandboxRegistry(auth=bearer).serving() as stranger,
        SandboxRegistry(auth=bearer, tokens=tokens).serving(address=ELSEWHERE) as elsewhere,
    ):
        lured.auth = replace(bearer, realm=f"http://{ELSEWHERE}:{elsewhere.port}/token")
        redirected = pulled(ours, "redirected")
        ours.misbehave(Fault(repository="redirected", redirect=stranger.url))
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        named = "\n".join(
            f'[registry."{each.host}"]\nscheme = "http"\n'
            f'username = "{USER}"\npassword_file = "{secret}"'
            for each in (ours, lured)
        )
        async with system(tmp_path, stranger, also=named) as running:
            opened = pulled(ours, "opened")
            images = [opened, redirected, pulled(lured, "lured"), pulled(stranger, "other")]
            await running.hosts.have("web-1", *images)

            await running.operator.sees(opened.reference, verdict="current")
            for image, reason in zip(images[1:], ("denied", "refused", "denied"), strict=True):
                await running.operator.sees(image.reference, verdict="unknown", reason=reason)

            logs = "".join(each.log_text() for each in running.stack.services)
            kept = str(await running.operator.ask("SELECT * FROM ops.registries"))

    assert any(seen.authorization for seen in ours.counts.requests)
    assert {"redirected", "other"} <= {seen.repository for seen in stranger.counts.requests}
    # It gave anonymous tokens, and saw no other credential.
    assert {grant.user for grant in stranger.tokens.grants.values()} == {""}
    own = {None, *(f"Bearer {token}" for token in stranger.tokens.grants)}
    assert {seen.authorization for seen in stranger.counts.requests} <= own
    assert not elsewhere.counts.requests
    assert PASSWORD not in logs + kept
