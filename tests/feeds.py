"""Servers of live pictures on this machine, for tests of what follows them."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

from videos import video_bytes

Send = Callable[[BinaryIO, int], None]
"""Writes the body of an answer, given how often it was asked for before."""


class Web:
    """What a web server answers, by path."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[str] = []
        """Paths, as they were asked for."""
        self.released = threading.Event()
        """Set when answers that say nothing are to end."""
        self.files: dict[str, bytes] = {}
        """Answered with their length."""
        self.streams: dict[str, tuple[str, Send]] = {}
        """Answered without: type and body."""

    def hold(self) -> None:
        """Say nothing more, and keep the connection."""
        self.released.wait(30)


@contextmanager
def web() -> Iterator[Web]:
    """Run a web server."""
    answers = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before = answers.asked.count(self.path)
            answers.asked.append(self.path)
            if self.path in answers.files:
                data = answers.files[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            elif self.path in answers.streams:
                kind, send = answers.streams[self.path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                send(self.wfile, before)
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the terminal clean."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Let clients go when they have seen enough."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    answers.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield answers
    finally:
        answers.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def multipart(pictures: list[bytes]) -> bytes:
    """Return pictures as network cameras send them over HTTP."""
    head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return b"".join(head % len(one) + one + b"\r\n" for one in pictures)


@contextmanager
def rtsp(numbers: range) -> Iterator[str]:
    """Serve numbered frames over RTSP (RFC 2326) as H.264 (RFC 6184), interleaved in TCP.

    Each client gets all of them at once, and then the connection is closed.
    """
    server = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()
    packets = b"".join(_rtp_packets(numbers))

    def serve() -> None:
        while not stopped.is_set():
            client, _ = server.accept()
            with client, client.makefile("rb") as requests:
                while not stopped.is_set() and (answer := _rtsp_answer(requests)):
                    client.sendall(answer[1])
                    if answer[0] == "PLAY":
                        client.sendall(packets)
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    port = server.getsockname()[1]
    try:
        yield f"rtsp://127.0.0.1:{port}/camera"
    finally:
        stopped.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()
        server.close()


_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:track\r\n"
)


def _rtsp_answer(requests: BinaryIO) -> tuple[str, bytes] | None:
    """Read a request; return its method and the answer."""
    lines = list(iter(lambda: requests.readline().decode().strip(), ""))
    if not lines:
        return None
    method = lines[0].split()[0]
    number = next(line for line in lines if line.lower().startswith("cseq"))
    head = {
        "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN",
        "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}",
        "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1",
    }.get(method, "Session: 1")
    body = _SDP if method == "DESCRIBE" else ""
    return method, f"RTSP/1.0 200 OK\r\n{number}\r\n{head}\r\n\r\n{body}".encode()


def _rtp_packets(numbers: range) -> Iterator[bytes]:
    stream = video_bytes("h264", numbers=numbers, options={"tune": "zerolatency"}, gop=10)
    units = [unit for unit in re.split(rb"\x00?\x00\x00\x01", stream) if unit]
    time = 0
    for count, unit in enumerate(units):
        is_picture = unit[0] & 31 in (1, 5)
        head = bytes([0x80, 96 | 128 * is_picture]) + count.to_bytes(2, "big")
        packet = head + time.to_bytes(4, "big") + bytes(4) + unit
        yield b"$\0" + len(packet).to_bytes(2, "big") + packet
        time += 3000 * is_picture
