"""The settings of ingest."""

from typing import Annotated

from msgspec import Meta

from imagedrift_ingest.core.freshness import FreshnessRules
from imagedrift_ingest.core.quota import MOST_NEW
from imagedrift_ingest.core.retention import MOST_DAYS, Retention
from imagedrift_runtime import urls
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import Variable


class IngestSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of ingest."""

    database_url: Annotated[
        str,
        Meta(min_length=1),
        Variable(
            "DATABASE_URL",
            "PostgreSQL; several hosts separated by commas are tried in turn",
            secret=True,
            check=urls.database_fault,
        ),
    ]
    freshness: Annotated[
        float,
        Meta(ge=1, le=86_400),
        Variable("IMAGEDRIFT_FRESHNESS", "seconds after which an answer is asked again"),
    ] = 300.0
    stretch: Annotated[
        float,
        Meta(ge=1, le=100),
        Variable(
            "IMAGEDRIFT_FRESHNESS_STRETCH",
            "how many times less often a tag is asked that has not moved for weeks; 1 is off",
        ),
    ] = 4.0
    list_freshness: Annotated[
        float,
        Meta(ge=0, le=2_592_000),
        Variable(
            "IMAGEDRIFT_LIST_FRESHNESS",
            "seconds after which a repository's tags are listed again; 0: newer versions are off",
        ),
    ] = 43_200.0
    bases: Annotated[
        bool,
        Variable(
            "IMAGEDRIFT_BASES",
            "true: ask whether the images were replaced that others were built on, by labels",
        ),
    ] = False
    outstanding: Annotated[
        int,
        Meta(ge=1, le=100_000),
        Variable("IMAGEDRIFT_OUTSTANDING", "most questions without an answer, for each registry"),
    ] = 2000
    registries: Annotated[
        str, Variable("IMAGEDRIFT_REGISTRIES", "path of registries.toml, for the lanes", file="")
    ] = ""
    batch: Annotated[
        int, Meta(ge=1, le=1000), Variable("IMAGEDRIFT_INGEST_BATCH", "messages a transaction")
    ] = 200
    workers: Annotated[
        int,
        Meta(ge=1, le=16),
        Variable("IMAGEDRIFT_INGEST_WORKERS", "batches of inventories worked on at once"),
    ] = 3
    new_images_per_host: Annotated[
        int,
        Meta(ge=1, le=10_000_000),
        Variable(
            "IMAGEDRIFT_NEW_IMAGES_PER_HOST",
            "images that no host had before which one host may bring in a day",
        ),
    ] = MOST_NEW
    statement_cache: Annotated[
        int,
        Meta(ge=0, le=1000),
        Variable(
            "IMAGEDRIFT_STATEMENT_CACHE",
            "prepared statements kept per connection; 0 behind a pooler that does not track them",
        ),
    ] = 100

    metrics_place_levels: Annotated[
        int,
        Meta(ge=0, le=8),
        Variable(
            "IMAGEDRIFT_METRICS_PLACE_LEVELS",
            "levels of places that metrics show; 0: no place. Keep hosts out: end above them",
        ),
    ] = 2

    retire_days: Annotated[
        int,
        Meta(ge=1, le=MOST_DAYS),
        Variable("IMAGEDRIFT_RETIRE_DAYS", "days of silence after which a host is given up"),
    ] = 30
    history_days: Annotated[
        int,
        Meta(ge=1, le=MOST_DAYS),
        Variable("IMAGEDRIFT_HISTORY_DAYS", "days for which changes and the trend are kept"),
    ] = 365

    @property
    def retention(self) -> Retention:
        """How long things are kept."""
        return Retention(retire_after=self.retire_days, history=self.history_days)

    @property
    def freshness_rules(self) -> FreshnessRules:
        """How fresh answers shall be."""
        return FreshnessRules(
            freshness_s=self.freshness,
            stretch=self.stretch,
            list_freshness_s=self.list_freshness,
        )
