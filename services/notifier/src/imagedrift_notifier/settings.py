"""The settings of the notifier."""

from typing import Annotated

from msgspec import Meta

from imagedrift_runtime import urls
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import Variable


class NotifierSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of the notifier."""

    database_url: Annotated[
        str,
        Meta(min_length=1),
        Variable(
            "DATABASE_URL",
            "PostgreSQL, with a login in the role imagedrift_notifier",
            secret=True,
            check=urls.database_fault,
        ),
    ]
    routes: Annotated[
        str,
        Meta(min_length=1),
        Variable("IMAGEDRIFT_ROUTES", "path of routes.toml: who is told what, and when"),
    ]
