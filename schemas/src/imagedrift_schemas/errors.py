"""The faults of a text or a message.

    SchemaError
    ├── Malformed      bytes that are no message of ours
    ├── BadReference   text that is no image reference we can look up
    ├── BadDigest      text that is no content digest
    ├── BadPlatform    text that is no platform
    └── BadToken       a subject token that we did not write

Each names the field that is wrong and what would be right, in words for an operator.
"""


class SchemaError(ValueError):
    """Something said to us, or by us, does not follow the contract."""


class Malformed(SchemaError):
    """The bytes are no message of this contract."""


class BadReference(SchemaError):
    """The text is no image reference that can be looked up."""


class BadDigest(SchemaError):
    """The text is no sha256 or sha512 content digest."""


class BadPlatform(SchemaError):
    """The text is no platform of the form os/architecture[/variant]."""


class BadToken(SchemaError):
    """The subject token was not written by this contract's escaping."""
