"""``actionzoo web``: build the page, and serve it until somebody ends it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.routes import App
from starlette.routing import Mount
from starlette.types import ASGIApp

from actionzoo.errors import ConfigError
from actionzoo.web.cameras import Cameras
from actionzoo.web.guard import Guard, allowed_hosts, is_loopback
from actionzoo.web.limits import Limits
from actionzoo.web.models import Models
from actionzoo.web.page import Page, blocks, style, theme
from actionzoo.web.routes import Routes
from actionzoo.web.samples import make_samples
from actionzoo.web.videos import Videos

HOST, PORT = "127.0.0.1", 7860
_END_SECONDS = 2
"""How long answers that are under way may take when the page is ended."""
_PORTS_TRIED = 100

logger = logging.getLogger(__name__)


class Site:
    """A page and all that belongs to it.

    Args:
        models: As ``Predictor`` takes them, offered beside those at hand; the first is the default.
        host: The address it will be bound to: one of this machine alone is served by its own names
            only.
        names: Others by which it may be called, such as that of a proxy.
        limits: Of what visitors may ask for.
        samples: Folder where drawn samples are kept; None is in the package's cache.

    Raises:
        ActionZooError: A model cannot be had, or a limit is out of range.
    """

    def __init__(
        self,
        models: Sequence[str | os.PathLike[str]] = (),
        *,
        host: str = HOST,
        names: Sequence[str] = (),
        limits: Limits | None = None,
        samples: Path | None = None,
    ) -> None:
        limits = limits or Limits()
        at_hand = Models(models)
        drawn = make_samples(samples)
        self.videos, self.cameras = Videos(limits), Cameras(limits)
        page = Page(at_hand, self.videos, samples=drawn, limits=limits)
        routes = Routes(
            self.videos,
            self.cameras,
            samples={one.name: one.path for one in drawn},
            look=at_hand.looker,
        )
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._living)
        app.router.routes.extend(routes.all())
        # Gradio makes event loops of its own, and leaves them open, unless one is running.
        with ThreadPoolExecutor(1) as aside:
            layout = aside.submit(
                asyncio.run,
                _mount(app, lambda: blocks(page, at_hand, samples=drawn, limits=limits)),
            )
            layout.result()
        self._gradio = next(
            route.app
            for route in app.routes
            if isinstance(route, Mount) and isinstance(route.app, App)
        )
        self.app: ASGIApp = Guard(app, allowed_hosts(host, names))

    async def end(self) -> None:
        """Let go of all that waits for something, so that a server can end."""
        self._gradio.stop_event.set()
        await asyncio.to_thread(self.cameras.close_all)

    @asynccontextmanager
    async def _living(self, app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.end()
            self.videos.close()


async def _mount(app: FastAPI, lay_out: Callable[[], gr.Blocks]) -> None:
    """Put Gradio's page into an app: without anything that would tell or ask others."""
    gr.mount_gradio_app(
        app,
        lay_out(),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=True,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=style(),
    )


class Server(uvicorn.Server):
    """Serves a site, and ends at once when it is told to.

    Args:
        site: What is served.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(
            uvicorn.Config(
                site.app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_END_SECONDS,
            )
        )
        self._site = site

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; what visitors' browsers still wait for is broken off."""
        await self._site.end()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: A name or an address of this machine.
        port: 0 takes any that is free.

    Raises:
        ConfigError: It cannot be had; the message names one that can.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(128)
    except (OSError, OverflowError) as error:
        taken.close()
        raise ConfigError(_cannot_bind(error, host, port)) from error
    return taken


def _cannot_bind(error: OSError | OverflowError, host: str, port: int) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        free = _next_free(host, port + 1)
        advice = f"give --port {free}" if free else "give another --port"
        return f"port {port} of {host} is in use, perhaps by another actionzoo web; {advice}"
    if code == errno.EACCES:
        return f"port {port} of {host} may not be taken; give a --port above 1023"
    reason = getattr(error, "strerror", None) or str(error)
    return f"cannot listen at {host}, port {port} ({reason}); give another --host or --port"


def _next_free(host: str, first: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as tried, suppress(OSError):
            tried.bind((host, port))
            return port
    return None


def serve(
    models: Sequence[str | os.PathLike[str]] = (),
    *,
    host: str = HOST,
    port: int = PORT,
    names: Sequence[str] = (),
    limits: Limits | None = None,
    open_browser: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve the page until it is interrupted.

    Args:
        models: As ``Site`` takes them.
        host: Where it is served; an address of this machine alone unless others are to reach it.
        port: 0 takes any that is free.
        names: As ``Site`` takes them.
        limits: Of what visitors may ask for.
        open_browser: Show it in this machine's browser.
        tell: Called with the page's address.

    Raises:
        ActionZooError: The port or a model cannot be had, or a limit is out of range.
        KeyboardInterrupt: It was interrupted, and has ended.
    """
    with bind(host, port) as taken:
        site = Site(models, host=host, names=names, limits=limits)
        address = f"http://{f'[{host}]' if ':' in host else host}:{taken.getsockname()[1]}/"
        tell(address)
        if not is_loopback(host):
            logger.warning(
                "anybody who reaches %s may use this page; browsers give cameras to https pages "
                "only: see docs/web.md",
                host,
            )
        if open_browser:
            webbrowser.open(address)
        Server(site).run(sockets=[taken])
