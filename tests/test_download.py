"""Downloads over real HTTP from this machine, faults included."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from actionzoo import download
from actionzoo.download import fetch, fetch_file, file_name, home
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.spec import File, Weights

CONTENT = bytes(range(256)) * 4000


@dataclass
class Host:
    """What a server holds, what goes wrong with its next answers, and what it was asked."""

    address: str = ""
    content: bytes = CONTENT
    kind: str = "application/octet-stream"
    faults: list[str] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        self.host.asked.append((self.path, self.headers.get("Range")))
        fault = self.host.faults.pop(0) if self.host.faults else ""
        if fault.isdecimal():
            self.send_error(int(fault))
            return
        data = self.host.content
        wanted = self.headers.get("Range") if fault != "no ranges" else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", self.host.kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        rest = data[start:]
        self.wfile.write(rest[: len(rest) // 2] if fault == "cut" else rest)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal clean."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.001)
    one = Host()
    handler = type("Handler", (_Handler,), {"host": one})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    one.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ACTIONZOO_MIRROR", raising=False)
    monkeypatch.delenv("ACTIONZOO_OFFLINE", raising=False)


def digest(kind: str = "sha256", content: bytes = CONTENT) -> str:
    return f"{kind}:{hashlib.new(kind, content).hexdigest()}"


def published(host: Host, checksum: str = "", name: str = "w.pth") -> File:
    return File(url=f"{host.address}/models/{name}", checksum=checksum)


@pytest.mark.parametrize("kind", ["sha1", "sha256", "sha384"])
@pytest.mark.parametrize("digits", [8, None])
def test_a_file_arrives_whole_and_verified(
    host: Host, kind: str, digits: int | None, tmp_path: Path
) -> None:
    whole = digest(kind)
    checksum = whole[: len(kind) + 1 + digits] if digits else whole
    path = fetch_file(published(host, checksum), tmp_path / "a" / "w.pth")
    assert path.read_bytes() == CONTENT
    assert sorted(one.name for one in path.parent.glob("w*[!k]")) == ["w.pth", "w.pth.sha256"]


def test_a_second_time_nobody_is_asked(host: Host, tmp_path: Path) -> None:
    for _ in range(2):
        fetch_file(published(host, digest()), tmp_path / "w.pth")
    assert len(host.asked) == 1


def test_what_is_kept_beside_it_is_what_sha256sum_reads(host: Host, tmp_path: Path) -> None:
    fetch_file(published(host), tmp_path / "w.pth")
    checked = subprocess.run(["sha256sum", "-c", "w.pth.sha256"], cwd=tmp_path, check=False)
    assert checked.returncode == 0


def test_weights_lie_in_a_folder_of_their_model_and_tag(host: Host) -> None:
    files = (published(host, name="e%20n.xml"), published(host, name="d.bin"))
    weights = Weights(tag="fp32", files=files, license="MIT", source="them")
    paths = fetch("some-model", weights)
    folder = home() / "weights" / "some-model-fp32"
    assert paths == [folder / "e n.xml", folder / "d.bin"]


def test_a_name_in_an_address_stays_in_the_folder() -> None:
    assert file_name(File(url="https://example.org/a/..%2F..%2Fetc%2Fpasswd?x=1")) == "passwd"


def test_progress_is_told(host: Host, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetch_file(published(host), tmp_path / "w.pth", lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    "faults", [["cut"], ["cut", "503", "cut"], ["500", "429"], ["cut", "no ranges"]]
)
def test_faults_that_pass_are_outlived(host: Host, faults: list[str], tmp_path: Path) -> None:
    host.faults = list(faults)
    assert fetch_file(published(host), tmp_path / "w.pth").read_bytes() == CONTENT
    assert host.faults == []


def test_a_broken_download_goes_on_where_it_ended(host: Host, tmp_path: Path) -> None:
    host.faults = ["cut", *["503"] * download.ATTEMPTS]
    with pytest.raises(BadWeights, match="answered 503"):
        fetch_file(published(host, digest()), tmp_path / "w.pth")
    fetch_file(published(host, digest()), tmp_path / "w.pth")
    assert host.asked[-1][1] == f"bytes={len(CONTENT) // 2}-"


def test_a_part_of_something_else_is_thrown_away(host: Host, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(CONTENT + b"more")
    assert fetch_file(published(host, digest()), tmp_path / "w.pth").read_bytes() == CONTENT


def test_what_is_not_there_is_said_with_what_to_do(host: Host, tmp_path: Path) -> None:
    host.faults = ["404"]
    with pytest.raises(BadWeights, match=r"404.*download http.*put it at .*MIRROR"):
        fetch_file(published(host), tmp_path / "w.pth")
    assert len(host.asked) == 1


def test_a_wrong_checksum_leaves_nothing(host: Host, tmp_path: Path) -> None:
    host.content = CONTENT[:-1] + b"!"
    with pytest.raises(BadWeights, match="is not what was published: its sha256 is"):
        fetch_file(published(host, digest()), tmp_path / "w.pth")
    assert [one.name for one in tmp_path.glob("w*[!k]")] == []


def test_a_web_page_is_called_one(host: Host, tmp_path: Path) -> None:
    host.content = b"<!DOCTYPE html><html>log in</html>"
    with pytest.raises(BadWeights, match="it is a web page"):
        fetch_file(published(host, digest()), tmp_path / "w.pth")
    host.kind = "text/html; charset=utf-8"
    with pytest.raises(BadWeights, match="answered with a web page"):
        fetch_file(published(host), tmp_path / "w.pth")


def test_without_a_published_checksum_the_first_download_counts(host: Host, tmp_path: Path) -> None:
    path = fetch_file(published(host), tmp_path / "w.pth")
    path.unlink()
    fetch_file(published(host), path)
    path.unlink()
    host.content = CONTENT[::-1]
    with pytest.raises(BadWeights, match="that of the first download is"):
        fetch_file(published(host), path)


def test_the_checksum_of_a_zip_is_that_of_the_file_inside(host: Host, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w-1234.params", CONTENT)
    host.content = packed.getvalue()
    file = published(host, digest("sha1"), "w-1234.zip")
    assert fetch_file(file, tmp_path / "w-1234.zip").read_bytes() == packed.getvalue()
    host.content = packed.getvalue()[:1000]
    with pytest.raises(BadWeights, match=r"its sha1 is nothing \(no zip"):
        fetch_file(file, tmp_path / "again.zip")


def test_a_file_put_there_by_hand_is_verified_once(host: Host, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(CONTENT)
    fetch_file(published(host, digest()), tmp_path / "w.pth")
    (tmp_path / "x.pth").write_bytes(b"another")
    with pytest.raises(BadWeights, match="not what was published"):
        fetch_file(published(host, digest()), tmp_path / "x.pth")
    assert host.asked == []


def test_offline_nobody_is_asked(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONZOO_OFFLINE", "1")
    with pytest.raises(BadWeights, match="ACTIONZOO_OFFLINE forbids"):
        fetch_file(published(host), tmp_path / "w.pth")
    assert host.asked == []


def test_a_mirror_is_asked_for_the_same_path(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONZOO_MIRROR", f"{host.address}/mirror/")
    file = File(url="https://example.org/torch/models/w.pth?raw=true", checksum=digest())
    fetch_file(file, tmp_path / "w.pth")
    assert host.asked == [("/mirror/torch/models/w.pth", None)]


def test_a_folder_may_be_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.pth").write_bytes(CONTENT)
    monkeypatch.setenv("ACTIONZOO_MIRROR", tmp_path.as_uri())
    file = File(url="https://example.org/models/w.pth", checksum=digest())
    assert fetch_file(file, tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_folder_without_the_file_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONZOO_MIRROR", tmp_path.as_uri())
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waited"))
    with pytest.raises(BadWeights, match=r"cannot be read .*put it at"):
        fetch_file(File(url="https://example.org/models/w.pth"), tmp_path / "w.pth")


def test_a_mirror_that_is_no_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONZOO_MIRROR", "/mnt/models")
    with pytest.raises(ConfigError, match="ACTIONZOO_MIRROR is '/mnt/models'"):
        fetch_file(File(url="https://example.org/w.pth"), tmp_path / "w.pth")


def test_a_host_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.001)
    with pytest.raises(BadWeights, match=r"cannot be read .*put it at"):
        fetch_file(File(url="http://127.0.0.1:9/w.pth"), tmp_path / "w.pth")


def test_a_full_disk_is_said(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ConfigError, match="the disk is full: free some space"):
        fetch_file(published(host), tmp_path / "w.pth")


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """Return a folder that nobody can make: its parent is a file."""
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file" / "home"


def test_a_cache_that_cannot_be_written_is_said(host: Host, unwritable: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*set ACTIONZOO_HOME"):
        fetch_file(published(host), unwritable / "w.pth")


def test_a_read_only_cache_serves_what_it_has(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pth").write_bytes(CONTENT)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    fetch_file(published(host, digest()), tmp_path / "w.pth")
    assert not (tmp_path / "w.pth.sha256").exists()


PROGRAM = """
import json, sys
from pathlib import Path
from actionzoo.download import fetch_file
from actionzoo.spec import File
print(fetch_file(File(url=sys.argv[1], checksum=sys.argv[2]), Path(sys.argv[3])).stat().st_size)
"""


def test_two_processes_download_once(host: Host, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, f"{host.address}/w.pth", digest(), tmp_path / "w.pth"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    assert [json.loads(one.communicate()[0]) for one in both] == [len(CONTENT)] * 2
    assert len(host.asked) == 1


def test_threads_download_once(host: Host, tmp_path: Path) -> None:
    run: Callable[[], Path] = lambda: fetch_file(published(host), tmp_path / "w.pth")  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(host.asked) == 1


def test_waiting_for_another_process_is_said(
    host: Host,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "actionzoo")
    # The command line, run in this process before, may have kept the reports to itself.
    monkeypatch.setattr(logging.getLogger("actionzoo"), "propagate", True)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with download.alone(tmp_path / "w.pth"):
            held.set()
            done.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    waiting = threading.Thread(target=fetch_file, args=(published(host), tmp_path / "w.pth"))
    waiting.start()
    deadline = time.monotonic() + 10
    while "waiting for another process" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "waiting for another process, which makes w.pth" in caplog.text
    done.set()
    for one in (other, waiting):
        one.join()
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_network_that_breaks_while_reading_is_no_full_disk(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = HTTPResponse.read
    broken = iter([True])

    def break_once(response: HTTPResponse, size: int | None = None) -> bytes:
        if next(broken, False):
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return read(response, size)

    monkeypatch.setattr(HTTPResponse, "read", break_once)
    assert fetch_file(published(host), tmp_path / "w.pth").read_bytes() == CONTENT
