"""From a model's name to a model file: downloaded and converted at its first use, then found again.

Afterwards the file alone predicts: neither torch nor a conversion is needed any more. Open Model
Zoo's files and frozen graphs become model files without torch at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from actionzoo import omz
from actionzoo.backends.files import SUFFIXES
from actionzoo.backends.folders import model_files
from actionzoo.backends.parts import split_stem
from actionzoo.catalog import get_spec, list_models
from actionzoo.download import Progress, alone, fetch, file_name, home, writing
from actionzoo.errors import BadWeights, ConfigError, MissingExtra, UnknownModel, nearest_names
from actionzoo.spec import ModelSpec, Weights

_MODEL_OF_RUN = "model"
ASSETS = Path(__file__).parent / "assets"

logger = logging.getLogger(__name__)


def find_model(
    model: str | os.PathLike[str],
    *,
    spec: ModelSpec | None = None,
    suffixes: Sequence[str] = SUFFIXES,
    progress: Progress | None = None,
) -> Path:
    """Return the file of a model.

    Args:
        model: Path of a model file, of a run's folder or of a folder with one model (a file, what
            ``actionzoo export`` wrote, or the encoder and the decoder of Open Model Zoo); name of
            the bundled one, or a name of the zoo, with ``@TAG`` behind it where one of several
            published weights is meant.
        spec: Of an encoder and a decoder that carry none.
        suffixes: Endings of the files that are wanted from a folder.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        UnknownModel: There is none; the message names the nearest.
        BadWeights: The model's weights cannot be had, or are not what they should be; a folder
            holds several models, or half a one.
        ConfigError: The cache folder cannot be written, or the model looks at optical flow.
        MissingExtra: The weights have to be converted first, and torch is not installed.
    """
    path = Path(model)
    name, _, tag = os.fspath(model).partition("@")
    known = path.parent == Path() and name in list_models()
    if path.is_dir():
        found = _in_folder(path, spec, suffixes)
        if found is not None:
            return found
        if not known:
            raise BadWeights(
                f"{os.fspath(path)!r} holds no model file ({' or '.join(suffixes)}); give a run's "
                "folder, or what actionzoo export wrote"
            )
    elif path.suffix.lower() in SUFFIXES or path.exists():
        return path
    if not known:
        raise UnknownModel(
            f"no model {os.fspath(model)!r}: give the path of an exported model "
            f"({' or '.join(f'FILE{one}' for one in SUFFIXES)}) or a name of the zoo; "
            f"{nearest_names(name, list_models())}"
        )
    bundled = ASSETS / f"{name}.xml"
    return bundled if bundled.exists() else _converted(name, tag or None, progress)


def _in_folder(folder: Path, spec: ModelSpec | None, suffixes: Sequence[str]) -> Path | None:
    """Return the file of a folder's model, put together if it is an encoder and a decoder."""
    for suffix in suffixes:
        if (folder / f"{_MODEL_OF_RUN}{suffix}").is_file():
            return folder / f"{_MODEL_OF_RUN}{suffix}"
    files = model_files(folder, suffixes=suffixes)
    if len(files) < 2:
        return next(iter(files), None)
    digest = hashlib.sha256((spec.to_json() if spec else "").encode())
    for file in [*files, *(one.with_suffix(".bin") for one in files)]:
        if file.is_file():
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    path = home() / "models" / f"{split_stem(files[0].stem)[0]}-{digest.hexdigest()[:16]}.xml"

    def make() -> None:
        logger.info("putting %s together, once", " and ".join(file.name for file in files))
        omz.assemble(files, spec or omz.composite_spec(files), path)

    return made_once(path, make)


def refuse_flow(spec: ModelSpec) -> None:
    """Refuse a model of optical flow, before anything is downloaded for it.

    Raises:
        ConfigError: It is one.
    """
    if spec.input.channels != 3:
        raise ConfigError(
            f"{spec.name!r} looks at optical flow, which is not computed from videos; use a model "
            "of pictures, or this one's network with flow of your own"
        )


def _converted(name: str, tag: str | None, progress: Progress | None) -> Path:
    """Return the cached model file of published weights, made now if it is the first time."""
    spec, weights = published(name, tag)
    path = home() / "models" / f"{name}-{weights.tag}.xml"
    return made_once(path, lambda: _convert(spec, weights, path, progress))


def published(name: str, tag: str | None) -> tuple[ModelSpec, Weights]:
    """Return what is published of a model: its spec as it is with the weights, and these.

    Args:
        name: Of the zoo.
        tag: Of one of several weights; None takes the default ones.

    Raises:
        BadWeights: There are none.
        ConfigError: The model looks at optical flow.
    """
    spec = get_spec(name)
    refuse_flow(spec)
    try:
        weights = spec.choose_weights(tag)
    except LookupError as error:
        raise BadWeights(
            f"{error.args[0]}; train it, or convert a checkpoint with actionzoo export {name} "
            "--weights FILE"
        ) from error
    return spec.filled_with(weights), weights


def made_once(path: Path, make: Callable[[], None]) -> Path:
    """Return a file of the cache, made unless it is there, by one process at a time.

    Raises:
        ConfigError: The cache folder cannot be written.
    """
    if path.exists():
        return path
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not path.exists():
                make()
    return path


def _convert(spec: ModelSpec, weights: Weights, path: Path, progress: Progress | None) -> None:
    """Fetch and convert, what is missing for it said before anything is downloaded."""
    if omz.is_published_by_openvino([Path(file_name(one)) for one in weights.files]):
        omz.assemble(fetched(spec, weights, progress), spec, path)
        return
    try:
        from actionzoo.conversion import export_openvino
        from actionzoo.zoo import create_model
    except ModuleNotFoundError as error:
        purpose = f"converting {spec.name!r}, once, before its first use"
        raise MissingExtra("train", purpose) from error
    files = fetched(spec, weights, progress)
    export_openvino(create_model(spec.name, pretrained=files[0]), spec, path, precision="fp32")


def fetched(spec: ModelSpec, weights: Weights, progress: Progress | None) -> list[Path]:
    """Return the files of published weights, which are to be converted now.

    Raises:
        BadWeights: They cannot be had, or are not what was published.
    """
    files = fetch(spec.name, weights, progress=progress)
    logger.info("converting %s, once", spec.name)
    return files
