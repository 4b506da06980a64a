"""`imagedrift bench dedup` runs, and checks its own result."""

from support.benchmark import run


def test_a_fleet_costs_one_request_per_reference() -> None:
    """A fleet with several resolvers costs one request per reference and freshness period."""
    figures = run("dedup", "--hosts", "10", "--images", "20", "--resolvers", "3")
    assert figures["unique_references"] == 20
    assert figures["requests_per_reference"] == 1.0
    assert (figures["head_requests"], figures["get_requests"]) == (40, 0)
    assert figures["token_requests"] == 0
