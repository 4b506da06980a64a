"""Which certificates are trusted where an operator names an authority: the same on every Python.

Rules:
- Since Python 3.13 a context of `ssl.create_default_context` is strict about RFC 5280. The
  authorities that Docker's, Harbor's and NATS' manuals make (`openssl req -x509`, without
  `keyUsage`, without key identifiers) fail that; Docker, curl and Go accept them, and so do we.
- A certificate that the operator names is trusted even where it is not self-signed (an
  intermediate authority), as Go does.
- The host's name is still checked, and every signature, and every date.
"""

import ssl


def context_for(ca: str = "") -> ssl.SSLContext:
    """Return a context that trusts the authority in a file alone, or else the public ones.

    Raises `OSError` for a file that cannot be read, `ssl.SSLError` for one without a certificate.
    """
    return lenient(ssl.create_default_context(cafile=ca or None))


def lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """Take the strictness about an authority's extensions from a context, and return it."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
