"""The agent's settings."""

from typing import Annotated

from msgspec import Meta, field

from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import Variable


class AgentSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of one host's agent."""

    site: Annotated[
        str,
        Meta(pattern=r"\A[a-z0-9-]{1,63}\Z"),
        Variable("IMAGEDRIFT_SITE", "site of the host: a-z, 0-9 and -, at most 63 of them"),
    ] = "default"
    host_id: Annotated[
        str,
        Meta(pattern=r"\A([a-z0-9-]{1,63})?\Z"),
        Variable(
            "IMAGEDRIFT_HOST_ID",
            "id of the host within its site, of the same form; made up and kept if unset",
        ),
    ] = ""
    labels: Annotated[
        dict[str, str], Variable("IMAGEDRIFT_LABELS", "labels of the host, k=v,k=v")
    ] = field(default_factory=dict)
    place: Annotated[
        str,
        Meta(max_length=255, pattern=r"\A([^/\x00-\x1f]+(/[^/\x00-\x1f]+)*)?\Z"),
        Variable("IMAGEDRIFT_PLACE", "where the host sits, from the outside in: dc1/pve-3/lxc-104"),
    ] = ""
    state_dir: Annotated[
        str, Variable("IMAGEDRIFT_STATE_DIR", "folder for what must survive a restart")
    ] = "/var/lib/imagedrift"
    interval: Annotated[
        int,
        Meta(ge=1, le=86400),
        Variable("IMAGEDRIFT_INTERVAL", "seconds between two heartbeats of an unchanged host"),
    ] = 300
    return_within: Annotated[
        float,
        Meta(ge=0.1, le=3600),
        Variable(
            "IMAGEDRIFT_RETURN_WITHIN",
            "seconds over which hosts spread their return after NATS was away",
        ),
    ] = 60.0
    source: Annotated[
        str,
        Variable("IMAGEDRIFT_SOURCE", "what to read: engine, compose:FILE or list:FILE"),
    ] = "engine"
    docker_host: Annotated[
        str, Variable("DOCKER_HOST", "the engine: unix:///path or tcp://host:port")
    ] = ""
    docker_tls_verify: Annotated[
        str, Variable("DOCKER_TLS_VERIFY", "anything: speak TLS to a tcp:// engine")
    ] = ""
    docker_cert_path: Annotated[
        str, Variable("DOCKER_CERT_PATH", "folder of ca.pem, cert.pem and key.pem for it")
    ] = ""
    runtime_dir: Annotated[
        str, Variable("XDG_RUNTIME_DIR", "where a rootless engine has its socket")
    ] = ""
