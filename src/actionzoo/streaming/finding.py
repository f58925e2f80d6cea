"""The form of a model that costs least on a stream: found, or made once of its weights.

Of VTN, which sees each frame by itself, an encoder and a decoder; of MoViNet's stream networks,
which carry a state, their step; of others the file that takes clips.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actionzoo import omz
from actionzoo.backends.files import SUFFIXES
from actionzoo.backends.folders import model_files
from actionzoo.backends.openvino_backend import draft_model
from actionzoo.backends.parts import COMPOSITE
from actionzoo.backends.stepped import STEP
from actionzoo.catalog import get_spec, list_models
from actionzoo.download import Progress, fetch, file_name, home
from actionzoo.errors import MissingExtra
from actionzoo.pretrained import fetched, find_model, made_once, published
from actionzoo.spec import ModelSpec

_FACTS, _WEIGHTS = "run.json", "checkpoints/best.safetensors"
"""In the folder of a run: what network it is of, and the parameters."""
_WHOLE = tuple(f"model{suffix}" for suffix in SUFFIXES)
"""In the folder of a run: its network for clips."""

Kind = Literal["omz", "step"]
"""Names of ``actionzoo.conversion.forms``."""
Load = Callable[[], tuple[Any, ModelSpec]]
"""Returns a network of torch, and what it eats."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """Files that are a model."""

    files: tuple[Path, ...]
    """One, of clips or of a step; or an encoder and a decoder."""
    spec: ModelSpec | None = None
    """Of files that carry none."""


def find_form(
    model: str | os.PathLike[str],
    *,
    spec: ModelSpec | None = None,
    progress: Progress | None = None,
) -> Form:
    """Return the files with which a stream is looked at.

    Args:
        model: As ``actionzoo.pretrained.find_model`` takes it.
        spec: Of files that carry none.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        ActionZooError: What ``find_model`` raises.
    """
    path = Path(model)
    name, _, tag = os.fspath(model).partition("@")
    form = None
    if path.is_dir():
        form = _of_folder(path, spec)
    elif path.parent == Path() and name in list_models() and not path.exists():
        form = _of_zoo(name, tag or None, progress)
    return form or Form(files=(find_model(model, spec=spec, progress=progress),), spec=spec)


def _of_folder(folder: Path, spec: ModelSpec | None) -> Form | None:
    """Return the form of a run, or of an encoder and a decoder; None leaves it to others."""
    if any((folder / name).is_file() for name in _WHOLE):
        return _of_run(folder)
    files = model_files(folder)
    if len(files) != len(COMPOSITE):
        return None
    return Form(files=files, spec=spec or omz.composite_spec(files))


def _of_run(run: Path) -> Form | None:
    name, weights = _network_of(run), run / _WEIGHTS
    kind = _kind(name) if name in list_models() else None
    if kind is None or not weights.is_file():
        return None
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]

    def load() -> tuple[Any, ModelSpec]:
        from actionzoo.saved import load_run

        logger.info("converting the network of %s, once", run)
        return load_run(run)

    try:
        return _made(f"{name}-{digest}", kind, load)
    except MissingExtra as missing:
        logger.warning("looking at whole clips, which costs more: %s", missing)
        return None


def _network_of(run: Path) -> str:
    """Return the name of the network that a folder is a run of; empty if it is none."""
    try:
        facts = json.loads((run / _FACTS).read_text(encoding="utf-8"))
        return str(facts["config"]["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _of_zoo(name: str, tag: str | None, progress: Progress | None) -> Form | None:
    kind = _kind(name)
    if kind is None:
        return None
    spec, weights = published(name, tag)
    if omz.is_published_by_openvino([Path(file_name(one)) for one in weights.files]):
        parts = [one for one in fetch(name, weights, progress=progress) if one.suffix == ".xml"]
        encoder, decoder = sorted(parts, key=lambda one: one.stem.endswith(COMPOSITE[1]))
        return Form(files=(encoder, decoder), spec=spec)

    def load() -> tuple[Any, ModelSpec]:
        from actionzoo.zoo import create_model

        return create_model(name, pretrained=fetched(spec, weights, progress)[0]), spec

    return _made(f"{name}-{weights.tag}", kind, load)


def _kind(name: str) -> Kind | None:
    """Return the form of a network of the zoo that is best for streams; None is that of clips."""
    family = get_spec(name).family
    if family == "vtn":
        return "omz"
    return "step" if family == "movinet" and "_stream_" in name else None


def _made(stem: str, kind: Kind, load: Load) -> Form:
    """Return files of the cache, converted unless they are there.

    Raises:
        MissingExtra: They are not, and torch is not installed.
    """
    parts = COMPOSITE if kind == "omz" else (STEP,)
    files = tuple(home() / "models" / f"{stem}-{part}.xml" for part in parts)

    def make() -> None:
        try:
            from actionzoo.conversion.forms import Wanted, pieces
            from actionzoo.conversion.openvino import save_openvino, to_openvino
        except ModuleNotFoundError as error:
            purpose = f"converting {stem!r} for streams, once, before its first use"
            raise MissingExtra("train", purpose) from error
        model, spec = load()
        for piece, file in zip(pieces(model, spec, Wanted(form=kind)), files, strict=True):
            with draft_model(file) as draft:
                save_openvino(to_openvino(piece), draft, precision="fp32")

    made_once(files[-1], make)  # it is written last: where it is, all are
    return Form(files=files)
