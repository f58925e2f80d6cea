"""What all tests share: seeds, no network, the shared folder, a server of videos."""

from __future__ import annotations

import logging
import random
import re
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# Timings never decide a test.
settings.register_profile("actionzoo", deadline=None)
settings.load_profile("actionzoo")

SHARED = Path(__file__).parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed one")
    parser.addoption("--all-references", action="store_true", help="compare every reference")
    parser.addoption("--all-exports", action="store_true", help="export every model, at its size")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips forbids: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _reports() -> Iterator[None]:
    """Give the package's logger back as it was: the command line takes it for itself."""
    logger = logging.getLogger("actionzoo")
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers = propagate, handlers


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep downloads and compiled networks away from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACTIONZOO_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python reach this machine only, and send what FFmpeg asks of others to a dead proxy."""
    connect = socket.socket.connect

    def connect_nearby(one: socket.socket, address: Any) -> None:
        if one.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise PermissionError(f"a test wants to connect to {address}")
        connect(one, address)

    monkeypatch.setattr(socket.socket, "connect", connect_nearby)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real clips and of references beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the project's shared folder is not beside the checkout")
    return SHARED


class _Files(BaseHTTPRequestHandler):
    """Serves a folder with byte ranges, and some paths with a fault.

    /404/x answers 404, as does any number; /stall/x says nothing after the headers, /late/x
    neither unless it is asked from the start; /cut/x closes the connection half-way; /whole/x
    knows no ranges.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, folder: Path, released: threading.Event) -> None:
        self.folder, self.released = folder, released
        super().__init__(*args)

    def do_GET(self) -> None:
        fault, _, name = self.path.lstrip("/").rpartition("/")
        file = self.folder / name
        if fault.isdecimal() or not file.is_file():
            self.send_error(int(fault) if fault.isdecimal() else 404)
            return
        data = file.read_bytes()
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and fault != "whole" else 0
        end = min(int(wanted[2] or len(data)), len(data) - 1) + 1 if wanted else len(data)
        self.send_response(206 if wanted and fault != "whole" else 200)
        if fault != "whole":
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Connection", "close")
        self.end_headers()
        if fault == "stall" or (fault == "late" and start > 0):
            self.released.wait(30)
            return
        self.wfile.write(data[start : min(end, len(data) // 2) if fault == "cut" else end])

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal clean."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients go when they have seen enough."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[str]:
    """Serve ``tmp_path`` and return the address, which ends in a slash; see ``_Files``."""
    released = threading.Event()
    server = _Server(("127.0.0.1", 0), partial(_Files, folder=tmp_path, released=released))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    released.set()
    server.shutdown()
    server.server_close()
    thread.join()
