"""Labels of containers that say when their image is to be updated: each has its key in `policy`.

| label `imagedrift.…` | what it says                                    | ingest keeps  |
|----------------------|-------------------------------------------------|---------------|
| wait                 | how long a new image waits, as `3d` or `12h`    | `wait_s`      |
| due_after            | how long after that the image is overdue        | `due_after_s` |
| within               | the largest step of newer versions that are due | `within`      |
| track                | the track that newer versions are looked for in | `track`       |
| pin                  | `true`: no newer version is due                 | `pin`         |

Rules:
- A label of more than 64 bytes, or with characters that cannot be shown, is left out and not cut.
- Where containers of one image contradict each other, the label is left out.
- A value that says nothing, like a span of `soon`, is left out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "imagedrift."
KEYS: Final = ("wait", "due_after", "within", "track", "pin")
STEPS: Final = ("patch", "minor", "major")
MOST_LABEL: Final = 64
MOST_SPAN_S: Final = 400 * 86_400
_SPAN: Final = re.compile(r"([0-9]{1,9}) ?(m|h|d|w)[a-z]{0,6}", re.ASCII)
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

Read = dict[str, int | str | bool]


def told_by(containers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the update labels of an image's containers, by key; most have none."""
    told: dict[str, set[str]] = {}
    for labels in containers:
        for key in KEYS:
            if (text := labels.get(PREFIX + key, "").strip()) and _fits(text):
                told.setdefault(key, set()).add(text)
    return {key: told[key].pop() for key in KEYS if len(told.get(key, ())) == 1}


def read(policy: Mapping[str, object]) -> Read:
    """Read a `policy` as it is kept: what is not understood is left out."""
    rules: Read = {}
    texts = {key: text for key in KEYS if isinstance(text := policy.get(key), str) and _fits(text)}
    for key in ("wait", "due_after"):
        if (seconds := seconds_in(texts.get(key, ""))) is not None:
            rules[f"{key}_s"] = seconds
    if texts.get("within") in STEPS:
        rules["within"] = texts["within"]
    if "track" in texts:
        rules["track"] = texts["track"]
    if texts.get("pin", "").lower() in ("true", "1", "yes"):
        rules["pin"] = True
    return rules


def seconds_in(span: str) -> int | None:
    """Read a span as people write it: `90m`, `12h`, `3 days`, `2w`; None where it is none."""
    found = _SPAN.fullmatch(span.strip().lower())
    if found is None:
        return None
    seconds = int(found[1]) * _SECONDS[found[2]]
    return seconds if seconds <= MOST_SPAN_S else None


def _fits(text: str) -> bool:
    return 0 < len(text.encode(errors="replace")) <= MOST_LABEL and text.isprintable()
