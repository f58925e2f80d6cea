"""Say which human action a video shows.

>>> import actionzoo
>>> actionzoo.predict("clip.mp4").top_k(3)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actionzoo.catalog import get_spec as get_spec
    from actionzoo.catalog import list_models as list_models
    from actionzoo.clip import Clip as Clip
    from actionzoo.clip import Frame as Frame
    from actionzoo.clip import VideoInfo as VideoInfo
    from actionzoo.datasets import Sample as Sample
    from actionzoo.datasets import VideoDataset as VideoDataset
    from actionzoo.datasets import open_dataset as open_dataset
    from actionzoo.errors import ActionZooError as ActionZooError
    from actionzoo.exporting.config import ExportConfig as ExportConfig
    from actionzoo.exporting.run import export as export
    from actionzoo.prediction import LabelScore as LabelScore
    from actionzoo.prediction import Prediction as Prediction
    from actionzoo.prediction import Segment as Segment
    from actionzoo.prediction import StreamPrediction as StreamPrediction
    from actionzoo.predictor import Predictor as Predictor
    from actionzoo.predictor import predict as predict
    from actionzoo.spec import InputSpec as InputSpec
    from actionzoo.spec import Metric as Metric
    from actionzoo.spec import ModelSpec as ModelSpec
    from actionzoo.spec import Resize as Resize
    from actionzoo.spec import Views as Views
    from actionzoo.spec import Weights as Weights
    from actionzoo.streaming.run import stream as stream
    from actionzoo.timeline.config import TimelineConfig as TimelineConfig
    from actionzoo.timeline.result import Timeline as Timeline
    from actionzoo.timeline.run import find_segments as find_segments
    from actionzoo.training.config import TrainConfig as TrainConfig
    from actionzoo.training.run import train as train
    from actionzoo.video import open_video as open_video
    from actionzoo.zoo import create_model as create_model

__version__ = "0.1.0"

# Public name -> its module. Imported at first use: `import actionzoo` costs nothing.
_HOMES = {
    "ActionZooError": "errors",
    "Clip": "clip",
    "ExportConfig": "exporting.config",
    "Frame": "clip",
    "InputSpec": "spec",
    "LabelScore": "prediction",
    "Metric": "spec",
    "ModelSpec": "spec",
    "Prediction": "prediction",
    "Predictor": "predictor",
    "Resize": "spec",
    "Sample": "datasets",
    "Segment": "prediction",
    "StreamPrediction": "prediction",
    "Timeline": "timeline.result",
    "TimelineConfig": "timeline.config",
    "TrainConfig": "training.config",
    "VideoDataset": "datasets",
    "VideoInfo": "clip",
    "Views": "spec",
    "Weights": "spec",
    "create_model": "zoo",
    "export": "exporting.run",
    "find_segments": "timeline.run",
    "get_spec": "catalog",
    "list_models": "catalog",
    "open_dataset": "datasets",
    "open_video": "video",
    "predict": "predictor",
    "stream": "streaming.run",
    "train": "training.run",
}
_EXTRAS = {"datasets": "data", "exporting": "export"}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'actionzoo' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"actionzoo.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        from actionzoo.errors import MissingExtra

        extra = _EXTRAS.get(_HOMES[name].partition(".")[0], "train")
        raise MissingExtra(extra, f"actionzoo.{name}") from error


def __dir__() -> list[str]:
    return sorted(__all__)
