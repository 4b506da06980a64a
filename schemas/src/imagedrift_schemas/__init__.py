"""The messages of imagedrift, and the words that they use. Pure; needs msgspec alone.

    v1          every message, one Struct each
    catalogue   where each message travels
    subjects    the names on NATS: streams, buckets, subjects, keys
    codec       messages to bytes and back
    reference   what an image is called
    digest      what an image is
    platform    what an image runs on
    errors      what can be wrong with any of these

`export` writes JSON Schema and docs/messages.md from these; `fields` and `glossary` serve it.
"""
