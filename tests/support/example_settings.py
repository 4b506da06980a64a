"""Settings of every kind."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from imagedrift_runtime import settings
from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import SettingsFault, Variable


class Example(CommonSettings, Struct, frozen=True, kw_only=True):
    """Settings of every kind that there is."""

    dsn: Annotated[str, Meta(min_length=3), Variable("X_DSN", "the database", secret=True)]
    count: Annotated[int, Meta(ge=1, le=9), Variable("X_COUNT", "how many")] = 3
    share: Annotated[float, Variable("X_SHARE", "of the whole")] = 0.5
    on: Annotated[bool, Variable("X_ON", "whether")] = False
    kind: Annotated[Literal["a", "b"], Variable("X_KIND", "which")] = "a"
    names: Annotated[tuple[str, ...], Variable("X_NAMES", "who")] = ()
    labels: Annotated[dict[str, str], Variable("X_LABELS", "k=v,k=v")] = {}
    limit: Annotated[int | None, Variable("X_LIMIT", "at most")] = None
    pin: Annotated[int | None, Variable("X_PIN", "a number", secret=True)] = None


def faults(**environ: str) -> list[str]:
    """The faults of a wrong environment."""
    with pytest.raises(SettingsFault) as error:
        settings.load(Example, environ)
    return error.value.faults
