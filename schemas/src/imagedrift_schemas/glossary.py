"""The meaning of each field, by its name: one name has one meaning in every message.

A sentence beside a field in `v1` comes first; this covers the fields that need none there. The
suite fails on a field without a sentence and on a sentence without a field.
"""

from typing import Final

MEANINGS: Final = {
    # who and where
    "site": "The site that the host belongs to, `[a-z0-9-]{1,63}`.",
    "host": "The host's id, unique within its site and kept over restarts, `[a-z0-9-]{1,63}`.",
    "hostname": "The name that the host gives itself.",
    "labels": "What the operator wrote on the host, to group and filter by.",
    "os": "Operating system of the engine.",
    "arch": "Architecture of the engine.",
    "engine": "Kind of container engine.",
    "engine_version": "Version of the container engine.",
    "agent_version": "Version of the agent.",
    "seq": "Counts what the agent has said since it started. It orders nothing.",
    "interval_s": "How often this host says that it lives; silence is measured by it.",
    "content": "Hash over the images of the inventory that still holds.",
    "boot": "Random per start of the agent: tells two machines apart that report as one host.",
    "degraded": "Why the images may be out of date. Empty: all is well.",
    "images": "The host's images, one entry per image and reference.",
    # names
    "reference": "The image's name in canonical form, like `docker.io/library/nginx:1.27`.",
    "registry": "The registry's host in lower case; every name of Docker Hub is `docker.io`.",
    "repository": "The path within the registry, like `library/nginx`.",
    "tag": "The tag.",
    "digest": "The digest of a manifest or of an index of manifests.",
    "platform": "What the image runs on: `os/architecture[/variant]`.",
    "image_id": "The id under which the host's engine knows the image.",
    "repo_digests": "The digests under which the registry knows the image, sorted.",
    "size": "Bytes on the host's disk.",
    "version": "The version by the image's label `org.opencontainers.image.version`.",
    "revision": "What it was built from, by the label `.revision`: a commit.",
    "base_name": "The image that it was built on, by the label `.base.name`.",
    "base_digest": "The digest of that image, by the label `.base.digest`.",
    "built_at": "When the image was built, as its configuration says; null when unknown.",
    "media_type": "Media type of what the digest names.",
    "credential": "Name of the credential it was got with; never the credential.",
    # what was found
    "source": "How the digest was learnt.",
    "outcome": "What the registry said: a digest, or why there is none.",
    "failure": "Why the digest could not be read; null when it was.",
    "reason": "Why, in a few words.",
    "error": "What exactly was wrong, and where.",
    "last_digest": "The digest that was found last.",
    "remote_digest": "What the tag points to in the registry.",
    # limits
    "rate_limit": "Requests that the registry allows in a window; null when it does not say.",
    "rate_remaining": "Requests left in the present window; null when unknown.",
    "rate_window_s": "Length of the window; null when unknown.",
    "rate_reset_at": "When the window ends; null when unknown.",
    "last_status": "HTTP status of the latest response; null before the first.",
    "last_error": "What went wrong last; empty after a success.",
    # verdicts and counts
    "from_verdict": "The verdict until now.",
    "from_reason": "The reason of the verdict until now.",
    "to_verdict": "The verdict from now on.",
    "to_reason": "The reason of the verdict from now on.",
    "hosts": "How many hosts have it.",
    "running_hosts": "How many hosts have a running container of it.",
    # refused messages
    "service": "The service that refused the message.",
    "subject": "The subject that the message came on.",
    "stream": "The stream that it came from; empty for core NATS.",
    "stream_seq": "Its sequence number in that stream.",
    # moments
    "created_at": "When the image was built, as its maker says; null when unknown.",
    "taken_at": "When the images were read from the engine.",
    "at": "When it was said.",
    "asked_at": "When the question was asked.",
    "checked_at": "When the registry was asked.",
    "until": "When it is worth asking again; null when unknown.",
    "last_found_at": "When a digest was found last; null before the first.",
    "observed_at": "When this was learnt.",
    "changed_at": "When the verdict changed.",
    "received_at": "When the refused message arrived.",
}
