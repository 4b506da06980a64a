"""Labels of containers, from the inventory to what is due."""

from support.ingest import NGINX, Fleet, Operator, answer, image
from support.polling import until


async def states(operator: Operator) -> dict[str, str]:
    """The state of each host's image: due, or why it is not."""
    rows = await operator.ask(
        "SELECT host, 'due' AS state FROM ops.due"
        " UNION ALL SELECT host, excused_by FROM ops.excused"
    )
    return {row["host"]: row["state"] for row in rows}


async def become(operator: Operator, expected: dict[str, str]) -> None:
    """Wait until this is told."""

    async def is_told() -> bool:
        return await states(operator) == expected

    await until(is_told, what=str(expected))


async def test_a_label_holds_back_the_image_of_its_own_host(
    running: None, agents: Fleet, operator: Operator
) -> None:
    """A label holds on its host alone, until the container is made anew without it."""
    await agents.answers(answer(version=2))
    await agents.has("web-1", image(policy={"wait": "400d"}))
    await agents.has("web-2", image(policy={"wait": "soon"}))
    await operator.sees(NGINX, host="web-1", verdict="outdated")
    waits = "wait by a container's label"
    await become(operator, {"web-1": waits, "web-2": "due"})

    await agents.has("web-1", image())
    await become(operator, {"web-1": "due", "web-2": "due"})
