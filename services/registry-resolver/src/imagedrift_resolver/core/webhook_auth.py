"""Whether a notification shows the secret that it was set up with.

Registries differ in what they can send, so any one of these will do:

- `Authorization: Bearer <secret>`, or the bare secret (Docker distribution, Harbor);
- `X-Hub-Signature-256: sha256=<HMAC of the body>` (GitHub);
- `?secret=<secret>` in the url, for those that can send nothing else (Docker Hub, Quay).

Compared in constant time, over hashes, so that neither content nor length can be guessed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit


def has_secret(secret: str, target: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether a request may be believed. `headers` are by lower-case name."""
    if not secret:
        return False
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if _same(headers.get("x-hub-signature-256", ""), f"sha256={signature}"):
        return True
    scheme, _, value = headers.get("authorization", "").partition(" ")
    shown = [value if scheme.lower() == "bearer" else headers.get("authorization", "")]
    try:
        shown += parse_qs(urlsplit(target).query).get("secret", [])
    except ValueError:
        return False
    return any(_same(each.strip(), secret) for each in shown)


def _same(one: str, other: str) -> bool:
    hashes = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (one, other))
    return hmac.compare_digest(*hashes)
