"""Simulated fleets: what each host has, its messages on NATS, and publishing them.

fleet = InventedFleet(hosts=100_000, images=30)
await publish(bus, (fleet.inventory(number, now()) for number in range(fleet.hosts)))
"""

from imagedrift_sandbox.fleet.hosts import Fleet
from imagedrift_sandbox.fleet.invented import InventedFleet
from imagedrift_sandbox.fleet.publishing import publish

__all__ = ["Fleet", "InventedFleet", "publish"]
