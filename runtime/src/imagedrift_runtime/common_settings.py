"""The settings that every service has, to be inherited by the service's own."""

from typing import Annotated

from msgspec import Meta, Struct

from imagedrift_runtime import urls
from imagedrift_runtime.logs import Format
from imagedrift_runtime.nats.connect_options import ADDRESS, NatsOptions
from imagedrift_runtime.settings import Variable


class CommonSettings(Struct, frozen=True, kw_only=True):
    """NATS, metrics and logs."""

    nats_url: Annotated[
        tuple[Annotated[str, Meta(pattern=ADDRESS)], ...],
        Meta(min_length=1),
        Variable(
            "NATS_URL",
            "NATS servers, comma-separated: nats://host:4222 or tls://host:4222",
            check=urls.nats_fault,
        ),
    ] = ("nats://127.0.0.1:4222",)
    nats_url_file: Annotated[
        str,
        Variable(
            "NATS_URL_FILE",
            "path of a file that holds the servers, in place of NATS_URL; read at each connection",
            file="://",
        ),
    ] = ""
    nats_creds: Annotated[
        str,
        Variable("NATS_CREDS", "path of a NATS credentials file", file="BEGIN NATS USER JWT"),
    ] = ""
    nats_ca: Annotated[
        str,
        Variable("NATS_CA", "path of the CA that signed NATS' certificate", file="CERTIFICATE---"),
    ] = ""
    nats_tls_first: Annotated[
        bool,
        Variable("NATS_TLS_FIRST", "true where NATS has handshake_first: TLS before all else"),
    ] = False
    metrics_port: Annotated[
        int,
        Meta(ge=0, le=65535),
        Variable("IMAGEDRIFT_METRICS_PORT", "port of /metrics, /livez and /readyz; 0 is off"),
    ] = 0
    metrics_address: Annotated[
        str, Variable("IMAGEDRIFT_METRICS_ADDRESS", "address that serves them")
    ] = "127.0.0.1"
    log: Annotated[
        Format, Variable("IMAGEDRIFT_LOG", "console or json; auto: console on a terminal")
    ] = "auto"

    @property
    def nats(self) -> NatsOptions:
        """The settings of a connection to NATS beside the addresses."""
        return {
            "credentials": self.nats_creds,
            "ca": self.nats_ca,
            "tls_first": self.nats_tls_first,
            "urls_file": self.nats_url_file,
        }
