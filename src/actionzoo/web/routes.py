"""What the page asks for beside Gradio: videos that are brought and played, and cameras."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from actionzoo.errors import ActionZooError
from actionzoo.prediction import StreamPrediction
from actionzoo.streaming.looking import Looker
from actionzoo.streaming.statistics import Statistics
from actionzoo.web.cameras import Busy, Camera, Cameras, Told
from actionzoo.web.videos import Stored, TooLarge, Videos

_TOP_K = 5
_PING_SECONDS = 5.0
_SMALL_BYTES = 10_000
"""Of a request that is no video and no picture."""

logger = logging.getLogger(__name__)

Look = Callable[[str], Looker]
"""Opens a model that is at hand, by its name."""


class Routes:
    """Handlers of requests.

    Args:
        videos: Of all visitors.
        cameras: Of all visitors.
        samples: Files by their name.
        look: Opens what looks at a camera.
    """

    def __init__(
        self, videos: Videos, cameras: Cameras, *, samples: Mapping[str, Path], look: Look
    ) -> None:
        self._videos, self._cameras = videos, cameras
        self._samples, self._look = samples, look

    def all(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/videos", self._bring, methods=["POST"]),
            Route("/videos/{token}", self._play, methods=["GET"]),
            Route("/videos/{token}/end", self._forget, methods=["POST"]),
            Route("/samples/{name}", self._sample, methods=["GET"]),
            Route("/cameras", self._open, methods=["POST"]),
            Route("/cameras/{token}", self._picture, methods=["POST"]),
            Route("/cameras/{token}/answers", self._answers, methods=["GET"]),
            Route("/cameras/{token}/end", self._end, methods=["POST"]),
        ]

    # Videos.

    async def _bring(self, request: Request) -> Response:
        name = request.query_params.get("name", "")[:200] or "video"
        promised = request.headers.get("content-length", "")
        try:
            stored = await self._videos.receive(
                _owner(request),
                name,
                promised=int(promised) if promised.isdecimal() else None,
                data=request.stream(),
            )
        except TooLarge as error:
            return _refusal(error, 413)
        except OSError as error:
            logger.error("cannot store %r: %s", name, error)
            return _refusal(f"{name!r} cannot be stored ({error.strerror})", 507)
        return JSONResponse({"token": stored.token, "name": stored.name})

    async def _play(self, request: Request) -> Response:
        stored = self._stored(request)
        if stored is None:
            return Response(status_code=404)
        # What it is the browser finds out; that it is no page, it is told.
        return FileResponse(stored.path, media_type="video/mp4")

    async def _forget(self, request: Request) -> Response:
        self._videos.delete(request.path_params["token"], _owner(request))
        return Response(status_code=204)

    async def _sample(self, request: Request) -> Response:
        path = self._samples.get(request.path_params["name"])
        return Response(status_code=404) if path is None else FileResponse(path)

    def _stored(self, request: Request) -> Stored | None:
        return self._videos.get(request.path_params["token"], _owner(request))

    # Cameras.

    async def _open(self, request: Request) -> Response:
        try:
            model = str(json.loads(await _body(request, _SMALL_BYTES))["model"])
        except (ValueError, LookupError, TypeError):
            return _refusal("the request names no model", 400)
        try:
            camera = await run_in_threadpool(
                self._cameras.open, _owner(request), lambda: self._look(model)
            )
        except Busy as error:
            return _refusal(error, 503)
        except ActionZooError as error:
            logger.error("cannot watch a camera with %r: %s", model, error)
            return _refusal(error, 400)
        return JSONResponse({"token": camera.token})

    async def _picture(self, request: Request) -> Response:
        camera = self._camera(request)
        if camera is None:
            return Response(status_code=404)
        try:
            at_seconds = float(request.query_params.get("at", ""))
            data = await _body(request, self._cameras.limits.camera_bytes)
            await run_in_threadpool(camera.push, data, at_seconds)
        except (ActionZooError, ValueError) as error:
            return _refusal(error, 400)
        return Response(status_code=204)

    async def _end(self, request: Request) -> Response:
        camera = self._camera(request)
        if camera is not None:
            await run_in_threadpool(self._cameras.close, camera)
        return Response(status_code=204)

    async def _answers(self, request: Request) -> Response:
        camera = self._camera(request)
        if camera is None or camera.followed:
            return Response(status_code=404)
        return StreamingResponse(
            self._events(camera),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    def _camera(self, request: Request) -> Camera | None:
        return self._cameras.get(request.path_params["token"], _owner(request))

    async def _events(self, camera: Camera) -> AsyncIterator[str]:
        """Yield answers as they come; where nobody listens any more, the camera is closed."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Told | Exception | None] = asyncio.Queue()
        camera.follow(lambda one: _hand_over(loop, told, one))
        yield ": \n\n"
        try:
            while not self._cameras.is_idle(camera):
                try:
                    one = await asyncio.wait_for(told.get(), _PING_SECONDS)
                except asyncio.TimeoutError:
                    yield ": \n\n"
                    continue
                if not isinstance(one, tuple):
                    yield _event("end", {"error": _sentence(one)})
                    return
                yield _event("answer", _answer(*one))
            yield _event("end", {"error": None})
        finally:
            # Not awaited: whoever cancels this would cancel that as well.
            loop.run_in_executor(None, self._cameras.close, camera)


def _hand_over(
    loop: asyncio.AbstractEventLoop,
    queue: asyncio.Queue[Told | Exception | None],
    one: Told | Exception | None,
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(queue.put_nowait, one)


def _answer(prediction: StreamPrediction, statistics: Statistics) -> dict[str, Any]:
    return {**prediction.to_dict(_TOP_K), "statistics": statistics.to_dict()}


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _sentence(error: Exception | None) -> str | None:
    """Return what a visitor is told; what is not theirs to mend is in the log."""
    if error is None or isinstance(error, ActionZooError):
        return None if error is None else str(error)
    return "the camera cannot be followed any more; the log of the server says why"


def _owner(request: Request) -> str:
    return str(request.state.owner)


def _refusal(reason: object, status: int) -> JSONResponse:
    return JSONResponse({"error": str(reason)}, status)


async def _body(request: Request, most: int) -> bytes:
    """Read what a request carries.

    Raises:
        ValueError: It is more than it may be.
    """
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > most:
            raise ValueError(f"a request of more than {most:,} bytes is not read")
    return bytes(parts)
