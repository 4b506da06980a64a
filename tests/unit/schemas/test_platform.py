"""Which platforms are the same, and which of those on offer a machine would run."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagedrift_schemas.errors import BadPlatform
from imagedrift_schemas.platform import Platform, best


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/aarch64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v8", "linux/arm/v8"),
        ("linux/arm/v06", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("Linux/ARM/V6", "linux/arm/v6"),
        ("macos/arm64", "darwin/arm64"),
        ("windows/amd64", "windows/amd64"),
        ("linux/riscv64", "linux/riscv64"),
        ("linux/mips64le", "linux/mips64le"),
        ("linux/ppc64le/power9", "linux/ppc64le/power9"),
        ("unknown/unknown", "unknown/unknown"),
    ],
)
def test_a_platform_is_read_into_its_normal_form(text: str, normal: str) -> None:
    """Every spelling of a platform becomes the one that image indexes use."""
    assert str(Platform.parse(text)) == normal


def test_spellings_of_one_platform_are_equal_however_they_came_about() -> None:
    """Parsed, constructed and decoded platforms compare and hash alike."""
    parsed = Platform.parse("linux/arm64/v8")
    constructed = Platform("Linux", "aarch64")
    decoded = msgspec.json.decode(b'{"os":"linux","architecture":"arm64"}', type=Platform)

    assert {parsed, constructed, decoded} == {Platform("linux", "arm64")}


def test_different_variants_are_different_platforms() -> None:
    """An image for arm/v6 is not the image for arm/v7."""
    assert Platform.parse("linux/arm/v6") != Platform.parse("linux/arm")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "write os/architecture"),
        ("linux", "write os/architecture"),
        ("linux/arm/v7/x", "write os/architecture"),
        ("linux/arm/", "the variant after the last '/' is empty"),
        ("/amd64", "os ''"),
        ("linux/", "architecture ''"),
        ("linux /amd64", "os 'linux '"),
        ("linux/amd64\n", "architecture 'amd64\\n'"),
        ("linux/arm/v 7", "variant 'v 7'"),
        ("lïnux/amd64", "os 'l\\xefnux'"),
        ("windows(10.0.17763)/amd64", "os 'windows(10.0.17763)'"),
        ("linux/" + "a" * 65, "architecture 'aaa"),
    ],
)
def test_what_is_no_platform_is_refused_with_the_part_that_is_wrong(text: str, fault: str) -> None:
    """The complaint names os, architecture or variant."""
    with pytest.raises(BadPlatform) as refusal:
        Platform.parse(text)

    assert fault in str(refusal.value)


@given(st.text(max_size=40))
def test_arbitrary_text_is_a_platform_in_normal_form_or_refused(text: str) -> None:
    """Nothing but BadPlatform is raised, and a normal form reads back as itself."""
    try:
        platform = Platform.parse(text)
    except BadPlatform:
        return
    assert Platform.parse(str(platform)) == platform


def offer(*texts: str) -> list[Platform]:
    """Make the list of platforms that an index offers."""
    return [Platform.parse(text) for text in texts]


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/arm64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], "linux/arm/v7"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm/v8", ["linux/arm/v6", "linux/arm"], "linux/arm/v7"),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v8"], None),
        ("linux/arm/v5", ["linux/arm/v6"], None),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"),
        ("linux/amd64", ["linux/amd64/v2"], None),
        ("linux/arm64/v9", ["linux/arm64"], "linux/arm64"),
        ("linux/arm64", ["linux/arm/v7"], None),
        ("linux/amd64", ["windows/amd64"], None),
        ("linux/ppc64le/power9", ["linux/ppc64le"], None),
        ("linux/amd64", ["unknown/unknown"], None),
        ("unknown/unknown", ["unknown/unknown", "linux/amd64"], None),
        ("linux/amd64", [], None),
    ],
)
def test_the_best_offer_is_the_same_or_the_newest_older_variant(
    wanted: str, offered: list[str], chosen: str | None
) -> None:
    """A machine runs its own variant or an older one, and never anything else."""
    platforms = offer(*offered)

    index = best(Platform.parse(wanted), platforms)

    assert (None if index is None else str(platforms[index])) == chosen


def test_of_two_equal_offers_the_first_is_chosen() -> None:
    """The choice is stable: an index that lists a platform twice has one answer."""
    assert best(Platform("linux", "arm"), offer("linux/arm64", "linux/arm/v7", "linux/arm")) == 1
    assert best(Platform("linux", "arm"), offer("linux/armel", "linux/arm/v6")) == 0


@given(data=st.data())
def test_the_choice_never_runs_what_the_machine_cannot(data: Any) -> None:
    """The chosen image always has the machine's system, and no newer variant."""
    known = st.sampled_from(
        offer("linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8", "linux/arm64")
        + offer("linux/amd64", "linux/amd64/v2", "windows/amd64", "unknown/unknown")
    )
    wanted, offered = data.draw(known), data.draw(st.lists(known))

    index = best(wanted, offered)

    if index is not None:
        chosen = offered[index]
        assert (chosen.os, chosen.architecture) == (wanted.os, wanted.architecture)
        assert chosen.variant <= wanted.variant
    else:
        assert wanted.is_unknown or wanted not in offered
