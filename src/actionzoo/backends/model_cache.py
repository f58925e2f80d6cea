"""Compiled networks kept between starts, so that the second one is faster.

OpenVINO finds a kept network by what is in its file, so a file that has changed is compiled anew.
On a CPU only the optimised graph is kept, some 2 % of the model, and the parameters stay in the
model's own file. Nothing here is ever an error: what is missing, damaged or cannot be written means
that the network is compiled.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

VIRTUAL_DEVICES = ("AUTO", "MULTI", "HETERO", "BATCH")
"""Devices of OpenVINO that hand the work to others."""

KEPT = 100
"""Models whose compiled networks are kept; the one not used for longest gives way."""
_UNUSABLE = "unusable"
"""A file that says that the device does not take back what it wrote of this model."""

Settings = Mapping[str, Any]

logger = logging.getLogger(__name__)


def compile_kept(
    core: Any, network: Any, path: Path, device: str, *, settings: Settings, cache: Path
) -> Any:
    """Compile a network, or take it from an earlier start.

    Args:
        core: Of OpenVINO.
        network: As it was read from ``path``, not reshaped.
        path: The ``.xml``, its ``.bin`` beside it.
        device: What compiles it.
        settings: For the device.
        cache: Folder of all compiled networks.

    Raises:
        RuntimeError: The device cannot compile it.
    """
    try:
        folder = cache / _key(core, path, device)
        folder.mkdir(parents=True, exist_ok=True)
        if device.partition(":")[0] in VIRTUAL_DEVICES:
            # They compile in the background, so nobody knows when a file is complete.
            return core.compile_model(network, device, {**settings, "CACHE_DIR": str(folder)})
        if not (folder / _UNUSABLE).exists():
            return _compile(core, network, path, device, settings=settings, folder=folder)
    except (OSError, RuntimeError) as error:
        logger.debug("compiled networks are not kept: %s", error)
    return core.compile_model(network, device, dict(settings))


def _compile(
    core: Any, network: Any, path: Path, device: str, *, settings: Settings, folder: Path
) -> Any:
    before = _sound(folder)
    keeping = {"CACHE_DIR": str(folder)}
    if device == "CPU":
        weights = path.with_suffix(".bin")
        keeping |= {"CACHE_MODE": "OPTIMIZE_SIZE", "WEIGHTS_PATH": str(weights.absolute())}
    compiled = core.compile_model(network, device, {**settings, **keeping})
    with suppress(OSError):
        _note(folder, before, taken=bool(compiled.get_property("LOADED_FROM_CACHE")))
    return compiled


def _note(folder: Path, before: list[Path], *, taken: bool) -> None:
    """Keep in mind what was written, and put out of the way what it takes the place of."""
    folder.touch()
    if taken:
        return
    fresh = [one for one in folder.glob("*.blob") if one not in before]
    for blob in fresh:
        _digest_file(blob).write_text(_digest(blob), encoding="ascii")
    if fresh:
        for blob in before:  # of what the file held before
            _remove(blob)
        _drop_oldest(folder.parent)
    elif before:
        (folder / _UNUSABLE).touch()


def _key(core: Any, path: Path, device: str) -> str:
    """Return the name of the folder for a model on a device of this machine."""
    from openvino import get_version

    names = [core.get_property(one, "FULL_DEVICE_NAME") for one in core.available_devices]
    facts = "\n".join([str(path.resolve()), device, get_version(), *names])
    return hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:24]


def _sound(folder: Path) -> list[Path]:
    """Return the networks that are as they were written; the others are removed."""
    blobs = list(folder.glob("*.blob"))
    for blob in blobs:
        digest = _digest_file(blob)
        if not digest.is_file() or digest.read_text(encoding="ascii") != _digest(blob):
            _remove(blob)
    return [blob for blob in blobs if blob.exists()]


def _digest(blob: Path) -> str:
    return hashlib.sha256(blob.read_bytes()).hexdigest()


def _digest_file(blob: Path) -> Path:
    return blob.with_suffix(".sha256")


def _remove(blob: Path) -> None:
    blob.unlink(missing_ok=True)
    _digest_file(blob).unlink(missing_ok=True)


def _drop_oldest(cache: Path) -> None:
    folders = sorted(cache.iterdir(), key=lambda one: one.stat().st_mtime)
    for folder in folders[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
