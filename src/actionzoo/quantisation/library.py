"""NNCF, without its telemetry and its talk."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

from actionzoo.backends.onnx_backend import import_onnxruntime
from actionzoo.backends.openvino_backend import import_openvino
from actionzoo.errors import ActionZooError, ConfigError, MissingExtra

logger = logging.getLogger(__name__)


def import_nncf() -> Any:
    """Import NNCF, half a second, without its telemetry.

    Raises:
        MissingExtra: It is not installed.
    """
    # This makes openvino_telemetry be missing; without it NNCF has nothing to send with.
    import_openvino()
    # NNCF imports it by itself, with its own telemetry.
    with contextlib.suppress(MissingExtra):
        import_onnxruntime()
    try:
        import nncf
        import nncf.telemetry.decorator
        from nncf.telemetry.wrapper import NNCFTelemetryStub
    except ModuleNotFoundError as error:
        raise MissingExtra("export", "quantising to 8-bit integers") from error
    # Whoever imported OpenVINO or NNCF before us may have let the telemetry in.
    nncf.telemetry.decorator.telemetry = NNCFTelemetryStub()
    return nncf


class _Ours(logging.Handler):
    """Passes what NNCF says to our own log, for those who debug."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.debug("NNCF: %s", record.getMessage())


class CannotQuantise(ConfigError):
    """NNCF failed at a network."""


@contextlib.contextmanager
def nncf_at_work(nncf: Any) -> Iterator[None]:
    """Let NNCF compute, without its talk, and say in a sentence where it fails.

    Args:
        nncf: The library.

    Raises:
        CannotQuantise: It failed.
    """
    try:
        with _quiet():
            yield
    except ActionZooError:
        raise
    except (RuntimeError, ValueError, nncf.InternalError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CannotQuantise(
            f"NNCF cannot quantise this network ({reason}); export with --precision fp16"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF from writing to stdout, where it logs and draws bars."""
    theirs = logging.getLogger("nncf")
    handlers = theirs.handlers
    theirs.handlers = [_Ours()]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        theirs.handlers = handlers
        _drop_signal_stack()


class _SignalStack(ctypes.Structure):
    """``stack_t`` of Linux, sigaltstack(2)."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_DISABLED = 2


def _drop_signal_stack() -> None:
    """Have this thread's signals use its own stack.

    NNCF makes cores of OpenVINO that come and go; see ``openvino_core`` for what they leave behind.
    """
    if sys.platform == "linux":
        none = _SignalStack(None, _DISABLED, 0)
        ctypes.CDLL(None).sigaltstack(ctypes.byref(none), None)
