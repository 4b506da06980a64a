"""Health: served from threads, told part by part."""

from imagedrift_runtime.health import Health, Part


def test_a_part_that_has_not_reported_is_not_ready() -> None:
    """Silence is no health."""
    state = Health(["nats", "database"])

    answers = [state.is_ready]
    state.ready("nats")
    answers.append(state.is_ready)
    parts = state.parts()
    state.ready("database")
    answers.append(state.is_ready)
    state.failed("nats", "disconnected")

    assert answers == [False, False, True]
    assert parts == {"nats": Part(True), "database": Part(False, "starting")}
    assert state.parts()["nats"] == Part(False, "disconnected")
