"""How a request is let in, played by hand against registries that change how they authenticate."""

import random
from typing import Any

import pytest

from imagedrift_resolver.core.answer import is_registrys_word
from imagedrift_resolver.core.conversation import Authorise, RegistryProfile, Send, fetch, resolve
from imagedrift_resolver.core.credential import (
    Anonymous,
    Credential,
    IdentityToken,
    Password,
    RegistryToken,
    Secret,
)
from imagedrift_resolver.core.reply import NoResponse, Reply
from imagedrift_resolver.core.token import Token
from imagedrift_schemas.v1 import Denied, Failure, Found, Limited, Missing, Unreachable
from support.asked_registries import BEARER, HOST, ask
from support.conversations import (
    NOW,
    challenge,
    good,
    moved,
    page,
    play,
    shown,
    site,
    tokens,
    unknown,
)

ME = Password("me", Secret("hunter2"))


@pytest.mark.parametrize("credential", [ME, IdentityToken(Secret("x")), RegistryToken(Secret("x"))])
def test_a_404_to_a_stranger_is_no_word_while_a_credential_is_at_hand(
    credential: Credential,
) -> None:
    """Any refusal is asked about (containerd/containerd#3291); the method found is kept."""

    def server(step: Send) -> Reply:
        if shown(step):
            return good()
        return challenge(BEARER) if step.url.target == "/v2/" else unknown()

    outcome, profile, _ = ask(credential, server)
    assert isinstance(outcome, Found)
    _, _, steps = ask(credential, server, profile)
    assert [s.method for s in steps if isinstance(s, Send)] == ["HEAD"]


def test_without_a_credential_the_registrys_404_is_its_word() -> None:
    """Without a credential the registry's API root is not asked."""
    outcome, _, steps = ask(None, lambda _: unknown())
    assert isinstance(outcome, Missing)
    assert len(steps) == 2


def test_an_open_registry_is_asked_for_its_api_root_once() -> None:
    """The `/v2/` of an open registry is asked once, and not for each missing tag."""

    def server(step: Send) -> Reply:
        return Reply(200) if step.url.target == "/v2/" else unknown()

    outcome, profile, steps = ask(ME, server)
    assert isinstance(outcome, Missing)
    assert len(steps) == 3
    outcome, _, steps = ask(ME, server, profile)
    assert isinstance(outcome, Missing)
    assert len(steps) == 2


@pytest.mark.parametrize("root", [Reply(500), Reply(429), NoResponse("closed", "no connection")])
def test_an_api_root_that_does_not_answer_leaves_nothing_concluded(
    root: Reply | NoResponse,
) -> None:
    """A `/v2/` without an answer leaves the 404 a failure."""
    outcome, _, _ = ask(ME, lambda s: root if s.url.target == "/v2/" else unknown())
    assert isinstance(outcome, Unreachable)


def test_a_token_that_is_refused_with_403_is_renewed_once() -> None:
    """A token that is refused with 403 is renewed once, and then the answer is denied."""

    def server(step: Send) -> Reply:
        return good() if shown(step) else challenge(BEARER)

    _, profile, _ = ask(None, server)
    outcome, _, steps = ask(None, lambda s: good() if "-2" in shown(s) else Reply(403), profile)
    assert isinstance(outcome, Found)
    assert len(steps) == 4
    outcome, _, steps = ask(None, lambda s: Reply(403) if shown(s) else challenge(BEARER), profile)
    assert isinstance(outcome, Denied)
    assert len(steps) <= 9


@pytest.mark.parametrize(
    "second", ["Basic realm=other", f'Bearer realm="{HOST}/new"', f"{BEARER}, Basic realm=x"]
)
def test_a_way_that_changed_is_learnt_anew(second: str) -> None:
    """A changed challenge is learnt anew (oras-project/oras-go#650)."""
    text = "Basic realm=x" if "Bearer" in second else BEARER

    def server(step: Send) -> Reply:
        return good() if shown(step) and step.authorization not in old else challenge(text)

    old: set[Secret | None] = set()
    _, profile, steps = ask(ME, server)
    old |= {s.authorization for s in steps if isinstance(s, Send)}
    text = second

    def endpoint(wanted: Authorise) -> Token | Failure:
        gone = text != second or (second.startswith("Basic"))
        return Denied(reason="404") if gone else tokens(wanted)

    conversation = resolve(site(credential=ME), profile, "team/app", "1", NOW)
    outcome, _, steps = play(conversation, server, endpoint)
    assert isinstance(outcome, Found)
    assert len(steps) <= 6


@pytest.mark.parametrize(
    "text",
    [
        'Basic realm=/"',
        "BASIC realm=Sonatype",
        "basic",
        'Bearer realm="null://registry.example.org/token", Basic realm="x"',
        'Bearer realm="", Basic realm="x"',
    ],
)
def test_an_odd_challenge_for_a_password_is_answered(text: str) -> None:
    """An odd Basic challenge is answered (regclient/regclient#265, sonatype/nexus-public#628)."""
    outcome, _, _ = ask(ME, lambda s: good() if "Basic" in shown(s) else challenge(text))
    assert isinstance(outcome, Found)


@pytest.mark.parametrize("text", ['Bearer realm="null://x/token"', 'Bearer realm="ftp://x/t"'])
def test_a_realm_that_is_none_leaves_nothing_concluded(text: str) -> None:
    """A malformed realm is a failure (google/go-containerregistry#1075)."""
    outcome, _, steps = ask(ME, lambda _: challenge(text))
    assert not isinstance(outcome, Found | Missing)
    assert not any(shown(s) for s in steps)


def test_nothing_is_blamed_that_was_not_shown() -> None:
    """An error blames no credential that was not sent."""
    outcome, _, _ = ask(None, lambda _: Reply(403))
    assert "no credential is configured" in outcome.reason
    outcome, _, _ = ask(ME, lambda _: Reply(403))
    assert "was not shown" in outcome.reason
    outcome, _, _ = ask(ME, lambda s: Reply(403) if shown(s) else challenge("Basic"))
    assert "that was shown (me)" in outcome.reason
    far = moved("https://cdn.example/x")
    outcome, _, _ = ask(ME, lambda s: Reply(403) if s.url.host == "cdn.example" else far)
    assert "cdn.example, to which it redirects, is shown no credential" in outcome.reason


@pytest.mark.parametrize("answer", [Reply(403), challenge("Basic"), challenge(BEARER)])
def test_a_refusal_says_why_there_is_no_credential(answer: Reply) -> None:
    """A denial names the broken configuration of a credential."""
    note = "config.json in /home/me/.docker: is no JSON"
    conversation = resolve(
        site(credential=Anonymous(note)), RegistryProfile(), "team/app", "1", NOW
    )
    outcome, _, _ = play(conversation, lambda _: answer, lambda _: Denied(reason="answered 401"))
    assert isinstance(outcome, Denied)
    assert note in outcome.reason


def test_a_spare_request_that_is_not_made_is_told_as_limited() -> None:
    """The question goes on without it."""
    at = site()
    talk = fetch(at, RegistryProfile(), "GET", at.url("a/b", "manifests", "1"), 10, spare=True)
    limited = Limited(reason="half of the limit is kept")

    def server(step: Send) -> Any:
        assert step.spare
        return limited

    assert play(talk, server)[0] == limited


class Fickle:
    """A registry whose ways change at random between requests."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.change()
        self.words: list[Reply] = []

    def change(self) -> None:
        """Change how it authenticates."""
        dice = self.dice
        self.challenge = dice.choice(
            ["", BEARER, "Basic", f'Bearer realm="{HOST}/b"', f'{BEARER}, Basic realm="x"', "Weird"]
        )
        self.refusal = dice.choice([401, 401, 403, 404, 400])
        self.is_open = dice.random() < 0.2
        self.accepts = dice.random() < 0.6
        self.root = dice.choice([200, 401, 401, 403, 404, 500])
        self.says = dice.choice(
            [
                *(good(), good(), good(), unknown(), page(404), page(502)),
                *(Reply(200), Reply(405), Reply(429), moved("/else/where")),
                moved("https://cdn.example/v2/x/manifests/1"),
            ]
        )

    def answer(self, step: Send) -> Reply | NoResponse:
        """Answer a request."""
        if self.dice.random() < 0.15:
            self.change()
        if self.dice.random() < 0.02:
            return NoResponse("closed", "the connection broke")
        reply = self._reply(step)
        if reply.status == 404 and is_registrys_word(reply):
            self.words.append(reply)
        return reply

    def _reply(self, step: Send) -> Reply:
        if step.url.target == "/v2/":
            return challenge(self.challenge, self.root) if self.root == 401 else Reply(self.root)
        if self.is_open or (shown(step) and self.accepts):
            return self.says
        return challenge(self.challenge) if self.refusal == 401 else Reply(self.refusal)

    def token(self, wanted: Authorise) -> Token | Failure:
        """Give a token, or none."""
        if self.dice.random() < 0.3:
            failed = (Denied(reason="token endpoint"), Unreachable(reason="token endpoint"))
            return self.dice.choice(failed)
        return Token(Secret(f"t{self.dice.random()}"), NOW, is_shared=self.dice.random() < 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_changes_a_question_ends_and_missing_is_a_registrys_word(seed: int) -> None:
    """20,000 conversations with changing registries end, and only a registry says missing."""
    dice = random.Random(seed)
    credentials = [None, ME, IdentityToken(Secret("x")), RegistryToken(Secret("y"))]
    for _ in range(200):
        at, profile, registry = (
            site(credential=dice.choice(credentials)),
            RegistryProfile(),
            Fickle(dice),
        )
        for _ in range(5):
            registry.words.clear()
            talk = resolve(at, profile, "team/app", "1", NOW)
            outcome, profile, steps = play(talk, registry.answer, registry.token)
            assert len(steps) <= 60
            if isinstance(outcome, Missing):
                assert registry.words
            foreign = [s for s in steps if isinstance(s, Send) and not s.own]
            assert not any(shown(s).startswith("Basic") for s in foreign)
