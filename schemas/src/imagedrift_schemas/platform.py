"""The platform of an image: operating system, architecture, variant.

    platform = os "/" architecture ["/" variant]
    part     = [a-z0-9] [a-z0-9_.-]*          at most 64 characters

Every Platform is in normal form from the moment it exists, so `==` is the comparison and hashing
works. The normal form is the one image indexes use:

| said                          | normal form   |
|-------------------------------|---------------|
| upper case                    | lower case    |
| macos                         | darwin        |
| x86_64, x86-64, amd64/v1      | amd64         |
| i386, i686                    | 386           |
| aarch64, arm64/v8, arm64/8    | arm64         |
| arm, armhf, arm/7             | arm/v7        |
| armel                         | arm/v6        |
"""

import re
from collections.abc import Sequence
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import force_setattr

from imagedrift_schemas.errors import BadPlatform

_PART: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
PATTERN: Final = rf"{_PART.pattern}/{_PART.pattern}(?:/{_PART.pattern})?"
"""The grammar above as a pattern, for the JSON Schemas."""
_GENERATION: Final = re.compile(r"v?([0-9]{1,3})", re.ASCII)

_OS_ALIASES: Final = {"macos": "darwin"}
_ARCHITECTURE_ALIASES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
# The variant meant when none is named, and whether the normal form names it nevertheless.
_UNNAMED_VARIANT: Final = {"amd64": "v1", "arm64": "v8", "arm": "v7"}
_ALWAYS_NAMED: Final = frozenset({"arm"})


class Platform(Struct, frozen=True):
    """One platform, in normal form; raises BadPlatform when a part is no platform word."""

    os: str
    architecture: str
    variant: str = ""

    def __post_init__(self) -> None:
        """Bring the parts into normal form, the only form in which a Platform exists."""
        os, architecture, variant = _normal_form(self.os, self.architecture, self.variant)
        force_setattr(self, "os", os)
        force_setattr(self, "architecture", architecture)
        force_setattr(self, "variant", variant)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/architecture[/variant]`."""
        parts = text.split("/")
        if not 2 <= len(parts) <= 3:
            raise BadPlatform(f"platform {text[:80]!a}: write os/architecture or os/arch/variant")
        if len(parts) == 3 and not parts[2]:
            raise BadPlatform(f"platform {text[:80]!a}: the variant after the last '/' is empty")
        return cls(*parts)

    @property
    def is_unknown(self) -> bool:
        """True for `unknown/unknown`, which marks the attestations in an index: no image."""
        return self.os == "unknown" or self.architecture == "unknown"

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant)
        return "/".join(part for part in parts if part)


def best(wanted: Platform, offered: Sequence[Platform]) -> int | None:
    """Choose the index of the offered platform that the wanted one would run.

    An exact match wins; otherwise the highest older variant of the same architecture, because
    an arm/v7 machine runs arm/v6 but never the reverse. Of equals the first wins, as in an
    engine's own choice. None when nothing fits.
    """
    if wanted.is_unknown:
        return None
    exact = next((i for i, platform in enumerate(offered) if platform == wanted), None)
    if exact is not None:
        return exact
    runnable = [i for i, platform in enumerate(offered) if _runs(wanted, platform)]
    return max(runnable, key=lambda i: _generation(offered[i]), default=None)


def _runs(machine: Platform, image: Platform) -> bool:
    """Tell whether the image was built for an older variant of the machine's architecture."""
    if (machine.os, machine.architecture) != (image.os, image.architecture):
        return False
    return 0 <= _generation(image) < _generation(machine)


def _generation(platform: Platform) -> int:
    """Return the number in the variant, -1 for a variant that is not numbered."""
    variant = platform.variant or _UNNAMED_VARIANT.get(platform.architecture, "")
    match = _GENERATION.fullmatch(variant)
    return int(match[1]) if match else -1


def _normal_form(os: str, architecture: str, variant: str) -> tuple[str, str, str]:
    """Return the three parts as an image index writes them."""
    os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
    for name, part in (("os", os), ("architecture", architecture), ("variant", variant or "v1")):
        if not _PART.fullmatch(part):
            raise BadPlatform(f"{name} {part[:80]!a}: write lower-case letters and digits")
    os = _OS_ALIASES.get(os, os)
    architecture, implied = _ARCHITECTURE_ALIASES.get(architecture, (architecture, ""))
    return os, architecture, _normal_variant(architecture, variant or implied)


def _normal_variant(architecture: str, variant: str) -> str:
    """Return the variant with its `v`, dropped where an index leaves it out."""
    unnamed = _UNNAMED_VARIANT.get(architecture)
    if unnamed is None:
        return variant
    number = _GENERATION.fullmatch(variant)
    variant = f"v{int(number[1])}" if number else variant or unnamed
    return "" if variant == unnamed and architecture not in _ALWAYS_NAMED else variant
