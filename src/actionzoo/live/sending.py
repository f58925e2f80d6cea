"""Who is told of an alert: a command or an address, in a thread of its own.

What hangs there never holds up the stream: messages wait in a queue of limited length, and what
cannot be delivered is counted and said.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import queue
import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http.client import HTTPException, HTTPMessage
from threading import Event, Lock, Thread
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from actionzoo import __version__
from actionzoo.errors import ConfigError

Message = Mapping[str, str | int | float]
"""What is told: names and plain values."""

ROOM = 64
"""Messages that may wait; of more the newest are lost."""
DELAYS_SECONDS = (1.0, 2.0, 4.0)
"""Before each new attempt to reach an address."""
ADDRESS_SECONDS = 5.0
"""An address has so long to answer."""
COMMAND_SECONDS = 30.0
"""A command has so long to end."""
LAST_SECONDS = 5.0
"""At the end, what still waits has so long."""

logger = logging.getLogger(__name__)


class NotDelivered(Exception):
    """A message that did not arrive.

    Args:
        reason: Why.
        again: Whether it may arrive when it is sent once more.
    """

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Target(ABC):
    """Somebody who is told."""

    name: str
    """For messages; without secrets."""

    @abstractmethod
    def deliver(self, message: Message) -> None:
        """Tell them, once.

        Raises:
            NotDelivered: It did not arrive.
        """


def parse_target(text: str) -> Target:
    """Read a target: an address, or a command with its words.

    Raises:
        ConfigError: It is none that can be used.
    """
    if "://" not in text.split(maxsplit=1)[0]:
        return Command.parse(text)
    return Address(text)


class Address(Target):
    """An address to which a message is posted as JSON.

    Args:
        url: With http or https; a name and password in it are sent as basic authentication.

    Raises:
        ConfigError: It is no such address.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no address: {error}") from error
        plain = url.isascii() and url.isprintable() and " " not in url
        if parts.scheme not in ("http", "https") or not host or not plain:
            raise ConfigError(f"{url!r} is no address to post to; give http://... or https://...")
        where = f"[{host}]" if ":" in host else host
        where += "" if port is None else f":{port}"
        self.name = f"{parts.scheme}://{where}"
        self._url = parts._replace(netloc=where, fragment="").geturl()
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"actionzoo/{__version__}",
        }
        if parts.username is not None:
            pair = f"{parts.username}:{parts.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def deliver(self, message: Message) -> None:
        """Post it, once; see ``Target.deliver``."""
        body = json.dumps(dict(message)).encode()
        request = Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            _OPENER.open(request, timeout=ADDRESS_SECONDS).close()
        except HTTPError as error:
            with error:
                # Too many requests, or a fault of the server: both may pass.
                again = error.code in (408, 429) or error.code >= 500
                raise NotDelivered(_refusal(error), again=again) from error
        except URLError as error:
            raise NotDelivered(str(error.reason), again=True) from error
        except (OSError, HTTPException, ValueError) as error:
            raise NotDelivered(str(error) or type(error).__name__, again=True) from error


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: a posted message would be lost on the way, or go to another scheme."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Refuse."""


_OPENER = build_opener(_NoRedirects)


def _refusal(error: HTTPError) -> str:
    if not 300 <= error.code < 400:
        return f"it answered {error.code}"
    return f"it answered {error.code}, redirects are not followed: give the address they lead to"


class Command(Target):
    """A command that is run, without a shell; the message is in its environment.

    Args:
        words: The program and its arguments.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self.name = self._words[0]

    @staticmethod
    def parse(text: str) -> Command:
        """Read a command as a shell does.

        Raises:
            ConfigError: A quote is not closed, or there is no such program.
        """
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"cannot read the command {text!r}: {error}") from error
        if not words or shutil.which(words[0]) is None:
            program = words[0] if words else ""
            raise ConfigError(
                f"there is no program {program!r} to be run; give one on the PATH, or an address "
                "that starts with https://"
            )
        return Command(words)

    def deliver(self, message: Message) -> None:
        """Run it, once; see ``Target.deliver``."""
        told = {f"ACTIONZOO_{name.upper()}": str(value) for name, value in message.items()}
        try:
            ended = subprocess.run(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **told},
                timeout=COMMAND_SECONDS,
                check=False,
                # Ctrl-C in the terminal is for us.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            reason = f"it did not end within {COMMAND_SECONDS:g} s"
            raise NotDelivered(reason, again=False) from error
        except (OSError, ValueError) as error:
            raise NotDelivered(str(error), again=False) from error
        if ended.returncode:
            raise NotDelivered(f"it ended with exit code {ended.returncode}", again=False)


class Sender:
    """Delivers messages one after the other in the background.

    Args:
        delays_seconds: Before each new attempt, where another one may help.
        room: Messages that may wait.
    """

    def __init__(
        self, *, delays_seconds: Sequence[float] = DELAYS_SECONDS, room: int = ROOM
    ) -> None:
        self.undelivered = 0
        """Messages that did not arrive."""
        self._delays = tuple(delays_seconds)
        self._waiting: queue.Queue[tuple[Target, Message] | None] = queue.Queue(room)
        self._alone, self._open = Lock(), 0
        self._given_up = Event()
        self._thread = Thread(target=self._send_all, name="alerts", daemon=True)

    def send(self, target: Target, message: Message) -> None:
        """Have a message delivered; never waits."""
        with self._alone:
            if self._thread.ident is None:
                self._thread.start()
            self._open += 1
        try:
            self._waiting.put_nowait((target, message))
        except queue.Full:
            self._lose(target, f"{self._waiting.maxsize} others wait")

    def close(self, seconds: float = LAST_SECONDS) -> None:
        """Wait a little for what is still to be delivered, then give it up."""
        if self._thread.ident is None:
            return
        # The queue may be full: whoever puts there has to wait.
        Thread(target=self._waiting.put, args=(None,), daemon=True).start()
        self._thread.join(seconds)
        self._given_up.set()
        with self._alone:
            lost, self._open = self._open, 0
            self.undelivered += lost
        if lost:
            logger.warning("%d alerts could not be delivered in time", lost)

    def _send_all(self) -> None:
        while (work := self._waiting.get()) is not None and not self._given_up.is_set():
            self._send(*work)

    def _send(self, target: Target, message: Message) -> None:
        for delay in (*self._delays, None):
            try:
                target.deliver(message)
            except NotDelivered as error:
                if delay is None or not error.again:
                    return self._lose(target, str(error))
                if self._given_up.wait(delay):
                    return None
            else:
                with self._alone:
                    self._open -= not self._given_up.is_set()
                return None
        return None

    def _lose(self, target: Target, reason: str) -> None:
        with self._alone:
            if self._given_up.is_set():
                return
            self._open -= 1
            self.undelivered += 1
        logger.warning("an alert did not reach %s: %s", target.name, reason)
