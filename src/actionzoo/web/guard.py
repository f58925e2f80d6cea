"""What stands before the page: who is served, what is closed, and what a browser may do with it."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "actionzoo"
"""Tells one browser from another. It says nothing about who sits before it."""
_TOKEN = re.compile(r"[\w-]{22}", re.ASCII)
# Gradio's scripts make functions of text, and its styles are written into the page.
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'self'"
    ),
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# What Gradio offers and this page does not use: files of its own, and addresses fetched for others.
_CLOSED = re.compile(
    r"/(gradio_api/)?(upload|upload_progress|file[/=].*|proxy=.*|stream/.*|component_server/?|"
    r"deep_link|custom_component/.*|monitoring.*)$",
    re.ASCII,
)


class Guard:
    """Turns away requests that other sites, or other names of this machine, send.

    Args:
        app: What is guarded.
        hosts: Names it may be called by; None is any.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app, self._hosts = app, None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        owner = _owner(headers)
        scope.setdefault("state", {})["owner"] = owner or (made := secrets.token_urlsafe(16))
        fresh = None if owner else made

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answer.setdefault(name, value)
                if fresh is not None:
                    answer.append(
                        "set-cookie", f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Strict"
                    )
            await send(message)

        refusal = self._refusal(scope, headers)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if self._hosts is not None and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            return PlainTextResponse(f"{host!r} is no name of this page", 421)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("other sites may not call this page", 403)
        if _CLOSED.match(scope["path"]):
            return PlainTextResponse("there is nothing here", 404)
        return None


def allowed_hosts(host: str, others: Iterable[str] = ()) -> frozenset[str] | None:
    """Return the names by which a page may be called that is bound to an address.

    A page for this machine only goes by its own names: otherwise any site could give itself a name
    that means this machine, and reach the page through a visitor's browser.

    Args:
        host: The address.
        others: Further names, such as that of a proxy.

    >>> sorted(allowed_hosts("127.0.0.1")), allowed_hosts("0.0.0.0")
    (['127.0.0.1', '::1', 'localhost'], None)
    """
    if not is_loopback(host):
        return None
    return frozenset({host, "127.0.0.1", "::1", "localhost", *map(str.lower, others)})


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _owner(headers: Headers) -> str | None:
    cookie = SimpleCookie()
    try:
        cookie.load(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookie.get(COOKIE)
    return found.value if found and _TOKEN.fullmatch(found.value) else None
