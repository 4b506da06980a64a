"""URLs that may hold a password: how they are shown, and what is wrong with one.

A password with an unescaped `@`, `/`, `?` or `#` moves the border between password and host, and
every parser puts that border elsewhere. Rules:
- `shown` is the one way to put such a URL into a log, an error or a page. It shows hosts, path and
  harmless options of a URL in which no such border is in doubt; else nothing but `***`.
- A fault says what to write instead and never repeats a part of the URL.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

HIDDEN: Final = "***"
ENCODE: Final = (
    "percent-encode the password: @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25"
)

_HARMLESS: Final = frozenset(
    ("application_name", "connect_timeout", "dbname", "host", "port", "sslmode", "user")
)
"""Options of a URL whose values are shown."""
_HOST: Final = r"(?:\[[\w:.%]+\]|[\w.%-]*)(?::[0-9]{1,5})?"
_URL: Final = re.compile(
    r"(?P<scheme>[a-zA-Z][\w+.-]*)://(?P<login>[^?]*@)?"
    rf"(?P<servers>{_HOST}(?:,{_HOST})*(?:/[\w.%~+-]*)?)(?:\?(?P<options>[^@#]*))?"
)
"""`login` ends at the last @ before a `?`, and no @ follows it: whatever a password has in it, no
part of it is in `servers` or `options`."""


def shown(url: str) -> str:
    """Show a URL, or several with commas between, without login and secret options."""
    parts = _URL.fullmatch(url)
    if parts is None:
        scheme = re.match(r"[a-z]+://", url)
        return f"{scheme[0] if scheme else ''}{HIDDEN}"
    login = f"{HIDDEN}@" if parts["login"] else ""
    options = f"?{_shown_options(parts['options'])}" if parts["options"] else ""
    return f"{parts['scheme']}://{login}{parts['servers']}{options}"


def database_fault(url: str) -> str:
    """Say what is wrong with the URL of a PostgreSQL database; empty when nothing is.

    The driver ends the login at the first @ and fails in ways of its own on a port or an option
    that is none.
    """
    form = "is not as postgresql://user:password@host:5432/database"
    try:
        parts = urlsplit(url)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return f"{form}; {ENCODE}"
    if parts.scheme not in ("postgresql", "postgres"):
        return form
    login, _, hosts = parts.netloc.rpartition("@")
    strays = login + parts.path + re.sub(r"(?<=password=)[^&]*", "", parts.query)
    if "@" in strays or parts.fragment or _has_controls(url) or not _are_hosts(hosts):
        return f"{form}; {ENCODE}"
    return ""


def nats_fault(url: str) -> str:
    """Say what is wrong with the URL of a NATS server; empty when nothing is."""
    if not url.startswith(("nats://", "tls://")):
        return "is not as nats://host:4222 or tls://host:4222"
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        hosts = ""
    if not hosts or "," in hosts or _has_controls(url) or not _are_hosts(hosts):
        return f"is not as nats://user:password@host:4222; {ENCODE}, a comma as %2C"
    return ""


def _are_hosts(text: str) -> bool:
    """Tell whether these are hosts, each with a port or none; no host at all is one, too."""
    specs = text.split(",")
    return (len(specs) == 1 or all(specs)) and all(
        re.fullmatch(_HOST, spec) and _port(spec) <= 65_535 for spec in specs
    )


def _port(host: str) -> int:
    digits = re.search(r":([0-9]+)$", host)
    return int(digits[1]) if digits and not host.endswith("]") else 0


def _has_controls(url: str) -> bool:
    """Tell whether it has control characters, which parsers leave out without a word."""
    return any(ord(character) < 32 or ord(character) == 127 for character in url)


def _shown_options(options: str) -> str:
    """Show the harmless ones of a URL's options."""
    pairs = [pair.partition("=") for pair in options.split("&")]
    harmless = [f"{key}={value}" for key, _, value in pairs if key in _HARMLESS]
    return "&".join(harmless + [HIDDEN] * (len(harmless) < len(pairs)))
