"""The installer installs what it was promised, and nothing else."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
SETTINGS = "NATS_URL=tls://nats.example.org:4222\nIMAGEDRIFT_SITE=fra1\n"


class Host:
    """Folders that stand in for a host's own."""

    def __init__(self, home: Path) -> None:
        self.prefix = home / "opt"
        self.etc = home / "etc"

    def install(
        self, bundle: Path | str, sums: str, *more: str, path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the installer."""
        environment = {
            "PATH": path or os.getenv("PATH", os.defpath),
            "IMAGEDRIFT_PREFIX": str(self.prefix),
            "IMAGEDRIFT_ETC": str(self.etc),
            "NATS_URL": "nats://127.0.0.1:4222",
        }
        command = ["sh", str(DEPLOY / "install.sh"), "--no-service", "--from", str(bundle)]
        return subprocess.run(
            [*command, "--sums", sums, *more],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def agent(self) -> Path:
        """The command that the service starts."""
        return self.prefix / "current/venv/bin/imagedrift-agent"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """An empty host."""
    return Host(tmp_path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle of this source, and its checksum."""
    folder = tmp_path_factory.mktemp("bundle") / "agent"
    made = subprocess.run(
        ["sh", str(DEPLOY / "bundle.sh"), str(folder)], capture_output=True, text=True, check=True
    )
    return folder, made.stdout.strip()


def test_a_bundle_is_installed_and_runs(host: Host, bundle: tuple[Path, str]) -> None:
    """The agent says its version; what the operator had written before is theirs."""
    host.etc.mkdir()
    (host.etc / "agent.env").write_text(SETTINGS)

    done = host.install(*bundle)

    version = subprocess.run(
        [host.agent, "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert done.returncode == 0, done.stderr
    assert version.startswith("imagedrift-agent ")
    assert (host.etc / "agent.env").read_text() == SETTINGS


@pytest.mark.parametrize(
    "tamper", ["a wheel", "the list", "another list", "a path", "a stranger", "a missing file"]
)
def test_a_bundle_that_was_tampered_with_is_refused(
    host: Host, bundle: tuple[Path, str], tmp_path: Path, tamper: str
) -> None:
    """A changed bundle is refused, and the agent of before still runs."""
    copy = tmp_path / "copy"
    shutil.copytree(bundle[0], copy)
    sums = bundle[1]
    listed = copy / "SHA256SUMS"
    wheel = sorted(copy.glob("*.whl"))[0]
    match tamper:
        case "a wheel":
            wheel.write_bytes(wheel.read_bytes() + b" ")
        case "the list":
            listed.write_text(listed.read_text() + "\n")
        case "another list":
            sums = "0" * 64
        case "a path" | "a stranger":
            name = "../etc/passwd" if tamper == "a path" else "run-me.sh"
            listed.write_text(f"{'0' * 64}  {name}\n")
            sums = checksum(listed)
        case "a missing file":
            wheel.unlink()

    done = host.install(copy, sums)

    assert done.returncode == 1
    assert not host.prefix.exists()


@pytest.mark.parametrize("program", [p for p in ("curl", "wget") if shutil.which(p)])
def test_a_bundle_is_fetched_from_where_its_address_leads(
    host: Host, tmp_path: Path, program: str
) -> None:
    """A store of artifacts redirects; what is fetched there is checked as anything else."""
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  run-me.sh\n")
    sums = checksum(tmp_path / "SHA256SUMS")
    path = only(tmp_path / "bin", program)
    with moved(tmp_path) as url:
        done = host.install(url, sums, path=path)

    assert "a file that does not belong to an agent: run-me.sh" in done.stderr
    assert done.returncode == 1


def test_wrong_options_are_refused(host: Host, tmp_path: Path) -> None:
    """Before anything is fetched."""
    for sums, more in (("xyz", []), ("0" * 63, []), ("0" * 64, ["--what"])):
        done = host.install(tmp_path, sums, *more)

        assert done.returncode == 1
        assert done.stderr.startswith("install.sh: ")


def checksum(path: Path) -> str:
    """The checksum of a file, as the tool of the host says it."""
    output = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    return output.split()[0]


class Moved(SimpleHTTPRequestHandler):
    """Serves a folder under `/there/`, and sends whoever asks elsewhere to that."""

    def do_GET(self) -> None:
        """Answer."""
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/there/"):
            self.path = f"/{name}"
            super().do_GET()
            return
        self.send_response(302)
        self.send_header("Location", f"/there/{name}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def moved(folder: Path) -> Iterator[str]:
    """Serve a folder that has moved; yields the address of before."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Moved, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/here"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def only(folder: Path, fetcher: str) -> str:
    """A PATH with the programs that the installer needs so far, and this one to fetch with."""
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    for name in ("sh", "mktemp", "rm", "cp", "sha256sum", "cut", fetcher):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)
