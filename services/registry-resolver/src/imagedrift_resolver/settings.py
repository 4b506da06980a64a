"""The settings of the resolver, from its environment."""

import os
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from imagedrift_runtime.common_settings import CommonSettings
from imagedrift_runtime.settings import SettingsFault, Variable

SHORTEST_SECRET: Final = 16


class ResolverSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of a resolver."""

    registries: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_REGISTRIES",
            "path of registries.toml: limits, trust, credentials",
            file="",
        ),
    ] = ""
    docker_auth_config: Annotated[
        str,
        Variable(
            "DOCKER_AUTH_CONFIG",
            "registry credentials as JSON, like config.json; looked at before it",
            secret=True,
        ),
    ] = ""
    docker_config: Annotated[
        str, Variable("DOCKER_CONFIG", "folder of Docker's config.json: registry credentials")
    ] = "~/.docker"
    https_proxy: Annotated[
        str,
        Variable(
            "HTTPS_PROXY",
            "HTTP proxy for https registries, http://[user:password@]host:port",
            secret=True,
            other_name="https_proxy",
        ),
    ] = ""
    http_proxy: Annotated[
        str,
        Variable(
            "HTTP_PROXY",
            "HTTP proxy for http registries",
            secret=True,
            other_name="http_proxy",
        ),
    ] = ""
    no_proxy: Annotated[
        str,
        Variable(
            "NO_PROXY",
            "asked without a proxy: hosts, .suffixes, addresses, CIDRs with commas, or *",
            other_name="no_proxy",
        ),
    ] = ""
    webhook_port: Annotated[
        int,
        Meta(ge=0, le=65535),
        Variable(
            "IMAGEDRIFT_WEBHOOK_PORT", "port that takes registries' push notifications; 0: off"
        ),
    ] = 0
    webhook_address: Annotated[
        str, Variable("IMAGEDRIFT_WEBHOOK_ADDRESS", "address that takes them")
    ] = "127.0.0.1"
    webhook_secret: Annotated[
        str,
        Variable(
            "IMAGEDRIFT_WEBHOOK_SECRET",
            "what a notification must show; needed with a port",
            secret=True,
        ),
    ] = ""
    registry_auth_file: Annotated[
        str, Variable("REGISTRY_AUTH_FILE", "path of a further auth.json, as Podman reads it")
    ] = ""
    runtime_dir: Annotated[
        str, Variable("XDG_RUNTIME_DIR", "folder of Podman's containers/auth.json")
    ] = ""
    config_home: Annotated[
        str, Variable("XDG_CONFIG_HOME", "folder of another containers/auth.json")
    ] = "~/.config"

    @property
    def docker_folder(self) -> Path:
        """The folder of Docker's configuration."""
        return _expanded(self.docker_config)

    @property
    def config_folder(self) -> Path:
        """The user's folder of configurations, Podman's among them."""
        return _expanded(self.config_home)

    @property
    def podman_files(self) -> tuple[Path, ...]:
        """The files in which Podman keeps credentials, in the order in which they are read."""
        named = (self.registry_auth_file,) if self.registry_auth_file else ()
        running = f"{self.runtime_dir}/containers" if self.runtime_dir else _podman_folder()
        folders = (running, f"{self.config_folder}/containers")
        files = (*named, *(f"{folder}/auth.json" for folder in folders))
        return tuple(map(_expanded, files))


def _expanded(path: str) -> Path:
    """Put the user's folder in place of `~`; a user without one has no such file."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _podman_folder() -> str:
    """Return the folder that Podman takes where there is no XDG_RUNTIME_DIR, as for a service."""
    return f"/run/containers/{os.getuid()}"


def check(settings: ResolverSettings) -> None:
    """Refuse to take notifications from everybody. Raises `SettingsFault`."""
    if settings.webhook_port and len(settings.webhook_secret) < SHORTEST_SECRET:
        raise SettingsFault(
            [
                "IMAGEDRIFT_WEBHOOK_SECRET: needed with IMAGEDRIFT_WEBHOOK_PORT, "
                f"at least {SHORTEST_SECRET} characters"
            ]
        )
