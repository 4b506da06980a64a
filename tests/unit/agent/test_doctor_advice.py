"""The doctor's advice about an engine fits the fault."""

import pytest

from imagedrift_agent.doctor import engine_advice


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("[Errno 111] Connection refused", "start the engine"),
        ('GET /v1.41/images/json: 500 {"message":"this is refused"}', "let this call through"),
        ("GET /v1.41/images/json: 403 denied by rule", "let this call through"),
        ("GET /version: no answer in 30 s", "the engine hangs"),
    ],
)
def test_an_engine_that_answers_is_not_told_to_be_started(fault: str, advice: str) -> None:
    """The word "refused" in an engine's own answer does not mean that nothing listens."""
    assert engine_advice(fault).startswith(advice)
