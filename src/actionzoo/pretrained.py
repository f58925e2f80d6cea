"""From a model's name to a model file: downloaded and converted at its first use, then found again.

Afterwards the file alone predicts: neither torch nor a conversion is needed any more. Open Model
Zoo's files and frozen graphs become model files without torch at all.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from actionzoo import omz
from actionzoo.catalog import get_spec, list_models
from actionzoo.download import Progress, alone, fetch, file_name, home, writing
from actionzoo.errors import BadWeights, ConfigError, MissingExtra, UnknownModel, nearest_names
from actionzoo.spec import ModelSpec, Weights

_MODEL_OF_RUN = "model.xml"
ASSETS = Path(__file__).parent / "assets"

logger = logging.getLogger(__name__)


def find_model(model: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
    """Return the file of a model.

    Args:
        model: Path of an exported model or of a run's folder, name of the bundled one, or a name
            of the zoo, with ``@TAG`` behind it where one of several published weights is meant.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        UnknownModel: There is none; the message names the nearest.
        BadWeights: The model's weights cannot be had, or are not what they should be.
        ConfigError: The cache folder cannot be written, or the model looks at optical flow.
        MissingExtra: The weights have to be converted first, and torch is not installed.
    """
    path = Path(model)
    if (path / _MODEL_OF_RUN).is_file():
        return path / _MODEL_OF_RUN
    if path.suffix == ".xml" or path.exists():
        return path
    name, _, tag = os.fspath(model).partition("@")
    if path.parent != Path() or name not in list_models():
        raise UnknownModel(
            f"no model {os.fspath(model)!r}: give the path of an exported model (FILE.xml) "
            f"or a name of the zoo; {nearest_names(name, list_models())}"
        )
    bundled = ASSETS / f"{name}.xml"
    return bundled if bundled.exists() else _converted(name, tag or None, progress)


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
    spec = get_spec(name)
    refuse_flow(spec)
    try:
        weights = spec.choose_weights(tag)
    except LookupError as error:
        raise BadWeights(
            f"{error.args[0]}; train it, or convert a checkpoint with actionzoo export {name} "
            "--weights FILE"
        ) from error
    path = home() / "models" / f"{name}-{weights.tag}.xml"
    if path.exists():
        return path
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not path.exists():
                _convert(spec.filled_with(weights), weights, path, progress)
    return path


def _convert(spec: ModelSpec, weights: Weights, path: Path, progress: Progress | None) -> None:
    """Fetch and convert, what is missing for it said before anything is downloaded."""
    if omz.is_published_by_openvino([Path(file_name(one)) for one in weights.files]):
        omz.assemble(_fetched(spec, weights, progress), spec, path)
        return
    try:
        from actionzoo.conversion import export_openvino
        from actionzoo.zoo import create_model
    except ModuleNotFoundError as error:
        purpose = f"converting {spec.name!r}, once, before its first use"
        raise MissingExtra("train", purpose) from error
    files = _fetched(spec, weights, progress)
    export_openvino(create_model(spec.name, pretrained=files[0]), spec, path, precision="fp32")


def _fetched(spec: ModelSpec, weights: Weights, progress: Progress | None) -> list[Path]:
    files = fetch(spec.name, weights, progress=progress)
    logger.info("converting %s, once", spec.name)
    return files
