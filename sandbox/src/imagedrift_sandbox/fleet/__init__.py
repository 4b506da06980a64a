"""A simulated fleet: repeatable hosts with popular and rare images, reporting over NATS.

catalogue = invented_catalogue(references=10_000)
fleet = Fleet(catalogue, hosts=100_000, images_per_host=30)
await fleet_reports(bus, fleet, at=now())
"""

from imagedrift_sandbox.fleet.catalogue import (
    Release,
    Series,
    catalogue_on,
    images_for_catalogue,
    invented_catalogue,
)
from imagedrift_sandbox.fleet.hosts import Fleet, Held
from imagedrift_sandbox.fleet.reporting import fleet_floods, fleet_lives, fleet_reports

__all__ = [
    "Fleet",
    "Held",
    "Release",
    "Series",
    "catalogue_on",
    "fleet_floods",
    "fleet_lives",
    "fleet_reports",
    "images_for_catalogue",
    "invented_catalogue",
]
