"""The real `docker-registry` as fleets run it: with passwords, with tokens, as a mirror."""

import base64
import hashlib
import http.client
import json
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagedrift_sandbox.child_process import ChildProcess
from imagedrift_sandbox.free_port import LOOPBACK, free_port
from imagedrift_sandbox.http_probe import http_status
from support.programs import require_program

# `htpasswd -nbB reader hunter2`: bcrypt is the only form that the registry reads.
HTPASSWD = "reader:$2y$05$ZLjWBRJzOQjQvgpLHSw9P.VJw5dZmnGQEQldRpevdu9e.8ZbwsXTG"
USER, PASSWORD = "reader", "hunter2"


@contextmanager
def running(home: Path, *sections: str) -> Iterator[str]:
    """Run a registry with further sections of configuration; its `host:port`."""
    program = require_program("docker-registry", "apt-get install docker-registry")
    home.mkdir(exist_ok=True)
    host = f"{LOOPBACK}:{free_port()}"
    config = home / "config.yml"
    lines = [
        "version: 0.1",
        f"storage: {{filesystem: {{rootdirectory: {home / 'data'}}}}}",
        f"http: {{addr: '{host}'}}",
        *sections,
    ]
    config.write_text("\n".join(lines) + "\n")
    child = ChildProcess.spawn([program, "serve", config], log=home / "registry.log")
    try:
        child.wait_until(lambda: http_status(f"http://{host}/v2/") in (200, 401), bound_s=20)
        yield host
    finally:
        child.stop()


def push(host: str, repository: str, tag: str, content: str, authorization: str = "") -> str:
    """Push a small image over the registry's API; the digest of its manifest."""
    headers = {"Authorization": authorization} if authorization else {}
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {"Labels": {"x": content}}}
    )
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": _blob(host, repository, config.encode(), headers),
        "layers": [_blob(host, repository, content.encode(), headers)],
    }
    manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"  # type: ignore[index]
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar"  # type: ignore[index]
    body = json.dumps(manifest).encode()
    url = f"http://{host}/v2/{repository}/manifests/{tag}"
    _send("PUT", url, body, headers | {"Content-Type": kind})
    return "sha256:" + hashlib.sha256(body).hexdigest()


def push_tags(host: str, repository: str, tags: Iterable[str]) -> None:
    """Push one small image, and give it all these tags."""
    names = [*tags]
    push(host, repository, names[0], "one")
    connection = http.client.HTTPConnection(host, timeout=10)
    path = f"/v2/{repository}/manifests/"
    kind = "application/vnd.oci.image.manifest.v1+json"
    try:
        connection.request("GET", path + names[0], headers={"Accept": kind})
        manifest = connection.getresponse().read()
        for name in names[1:]:
            connection.request("PUT", path + name, manifest, {"Content-Type": kind})
            response = connection.getresponse()
            response.read()
            assert response.status == 201, (name, response.status)
    finally:
        connection.close()


def htpasswd(home: Path) -> str:
    """Write a file of passwords and return the section of the configuration that uses it."""
    home.mkdir(exist_ok=True)
    (home / "htpasswd").write_text(HTPASSWD + "\n")
    return f"auth: {{htpasswd: {{realm: team, path: {home / 'htpasswd'}}}}}"


def basic() -> str:
    """The header that shows the password."""
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def signing_key(home: Path) -> tuple[Path, Path]:
    """Make a key and its certificate for a token endpoint; skips where openssl is missing."""
    require_program("openssl", "apt-get install openssl")
    home.mkdir(exist_ok=True)
    key, certificate = home / "key.pem", home / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=tokens", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


def signed(claims: dict[str, object], key: Path, certificate: Path) -> str:
    """Make a token (RS256) that the registry trusts by the certificate inside it."""
    der = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True, capture_output=True
    ).stdout
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    text = ".".join(_coded(json.dumps(part).encode()) for part in (header, claims))
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key],
        input=text.encode(),
        check=True,
        capture_output=True,
    ).stdout
    return f"{text}.{_coded(signature)}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _blob(host: str, repository: str, content: bytes, headers: dict[str, str]) -> dict[str, object]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    location = _send("POST", f"http://{host}/v2/{repository}/blobs/uploads/", b"", headers)
    mark = "&" if "?" in location else "?"
    kind = {"Content-Type": "application/octet-stream"}
    _send("PUT", f"{location}{mark}digest={digest}", content, headers | kind)
    return {"digest": digest, "size": len(content)}


def _send(method: str, url: str, body: bytes, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.headers.get("Location", ""))
