"""A simulated fleet is the same in every run, and says what an agent would say."""

from imagedrift_cli.demo.catalogue import DemoFleet, stock
from imagedrift_sandbox.registry import SandboxRegistry
from support.simulated_hosts import HOSTS, is_what_the_codec_writes


def test_the_demonstration_s_hosts_say_what_an_agent_would() -> None:
    """Hosts that have what was pushed to a registry are put together in the same way."""
    fleet = DemoFleet(HOSTS, stock(SandboxRegistry()))

    assert all(is_what_the_codec_writes(fleet, number) for number in range(HOSTS))
