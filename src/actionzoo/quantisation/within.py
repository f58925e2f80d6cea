"""Quantisation that may cost so much accuracy and no more: layers go back to float until it holds.

NNCF ranks the layers by how much nearer the outputs come to the float network's if one of them
alone goes back, and then takes them back in that order, the accuracy measured after each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionzoo.backends.onnx_backend import import_onnxruntime
from actionzoo.backends.openvino_backend import import_openvino, openvino_core
from actionzoo.errors import ConfigError
from actionzoo.quantisation.feeds import Feeds, Progress, dataset
from actionzoo.quantisation.layers import (
    described,
    described_onnx,
    in_integers,
)
from actionzoo.quantisation.library import import_nncf
from actionzoo.quantisation.plain import (
    Preset,
    correcting_biases,
    openvino_settings,
    openvino_shapes,
    quantise_onnx,
    quantise_openvino,
)

Run = Callable[[tuple[np.ndarray, ...]], tuple[np.ndarray, ...]]
"""From what a network is fed, an array an input, to what it gives, an array an output."""
Judge = Callable[[Run], float]
"""From a network that can be run to its top-1, in [0, 1]."""

RANKED_ON = 8
"""Clips on which layers are ranked: every one is tried alone, so they cost the most."""
MOST_STEPS = 40
"""Layers that are taken back at the most; past that little would be left to gain from int8."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Quantised:
    """A quantised network, and what it cost. Accuracies are top-1 in [0, 1]."""

    network: Any
    """An OpenVINO network or an ONNX graph, as what was given."""
    before: float
    """Accuracy in float."""
    plain: float
    """With all layers quantised."""
    after: float
    """Of ``network``."""
    reverted: tuple[str, ...]
    """Layers that had to go back to float, described."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Order:
    """What is to be held, and what it is to be held with."""

    feeds: Feeds
    judge: Judge
    max_drop: float
    preset: Preset | None
    transformer: bool | None

    def holds(self, before: float, after: float) -> bool:
        """Tell whether an accuracy is high enough; a rounding of the difference is forgiven."""
        return 100 * (before - after) <= self.max_drop + 1e-6


def quantise_within(
    network: Any,
    feeds: Feeds,
    *,
    judge: Judge,
    max_drop: float,
    preset: Preset | None = None,
    transformer: bool | None = None,
    progress: Progress | None = None,
) -> Quantised:
    """Quantise a network so that it loses no more than so much accuracy.

    Args:
        network: An OpenVINO network or an ``onnx.ModelProto``, in float32; it is left as it is.
        feeds: What it is calibrated on.
        judge: Measures the accuracy; called some times, at the most ``MOST_STEPS`` and a few.
        max_drop: Points of top-1 that may be lost, in [0, 100].
        preset: See ``quantise_openvino``.
        transformer: See ``quantise_openvino``.
        progress: Told how many of ``feeds`` have been looked at.

    Raises:
        ConfigError: It cannot be calibrated on these, or loses more; the message says how much.
        MissingExtra: NNCF is not installed.
    """
    if not 0 <= max_drop <= 100:
        raise ConfigError(f"max_drop is {max_drop:g}; give points of top-1 from 0 to 100")
    order = _Order(
        feeds=feeds, judge=judge, max_drop=max_drop, preset=preset, transformer=transformer
    )
    is_openvino = isinstance(network, import_openvino().Model)
    quantise = quantise_openvino if is_openvino else quantise_onnx
    run = _run_openvino if is_openvino else _run_onnx
    plain = quantise(network, feeds, preset=preset, transformer=transformer, progress=progress)
    before, after = judge(run(network)), judge(run(plain))
    logger.info("top-1 is %.1f %% in float and %.1f %% in int8", 100 * before, 100 * after)
    if order.holds(before, after):
        return Quantised(network=plain, before=before, plain=after, after=after, reverted=())
    logger.info("looking for the layers that lose it")
    take_back = _take_back_openvino if is_openvino else _take_back_onnx
    mended, reverted = take_back(network, plain, order)
    final = judge(run(mended))
    if not order.holds(before, final):
        raise ConfigError(_missed(100 * (before - final), max_drop, len(reverted)))
    return Quantised(network=mended, before=before, plain=after, after=final, reverted=reverted)


def _missed(drop: float, max_drop: float, reverted: int) -> str:
    return (
        f"int8 loses {drop:.1f} points of top-1 where {max_drop:g} are allowed, "
        f"{drop - max_drop:.1f} too many, even with {reverted} layers back in float; allow more "
        "(--max-drop), calibrate on more clips like those to verify on, or take --precision fp16"
    )


def _take_back_openvino(network: Any, plain: Any, order: _Order) -> tuple[Any, tuple[str, ...]]:
    """Return the network with fewer layers quantised, and those that are not any more."""
    mended = _controlled(network, order)
    names = [name for name in in_integers(plain) if name not in in_integers(mended)]
    return mended, described(mended, names)


def _take_back_onnx(graph: Any, plain: Any, order: _Order) -> tuple[Any, tuple[str, ...]]:
    """Do the same for ONNX, whose outputs NNCF cannot compare: it is asked of the graph as IR."""
    network = openvino_core().read_model(graph.SerializeToString())
    feeds, preset, transformer = order.feeds, order.preset, order.transformer
    mended = in_integers(_controlled(network, order))
    whole = in_integers(quantise_openvino(network, feeds, preset=preset, transformer=transformer))
    # What a node becomes in OpenVINO is called by the node's name, or by more behind a slash.
    floats = {name.partition("/")[0] for name in whole if name not in mended}
    keep = [node.name for node in graph.graph.node if node.name in floats]
    again = quantise_onnx(graph, feeds, preset=preset, transformer=transformer, keep=keep)
    return again, described_onnx(graph, keep)


def _controlled(network: Any, order: _Order) -> Any:
    """Let NNCF take layers back, for at the most ``MOST_STEPS`` of them."""
    nncf = import_nncf()
    names = list(openvino_shapes(network))
    ranked = nncf.Dataset(
        list(order.feeds[:RANKED_ON]), lambda feed: dict(zip(names, feed, strict=True))
    )
    settings = openvino_settings(
        nncf, network, preset=order.preset, transformer=order.transformer, keep=()
    )
    clips = dataset(nncf, order.feeds, names, None)
    return correcting_biases(
        nncf,
        lambda advanced: nncf.quantize_with_accuracy_control(
            network.clone(),
            clips,
            ranked,
            _Validation(order.judge),
            max_drop=order.max_drop / 100 + 1e-8,
            subset_size=len(order.feeds),
            **settings,
            advanced_quantization_parameters=advanced,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                max_num_iterations=MOST_STEPS,
                ranking_subset_size=RANKED_ON,
                num_ranking_workers=1,
            ),
        ),
    )


class _Validation:
    """What NNCF asks of each network it tries: its accuracy, and what it makes of some feeds.

    It asks of the first one twice, which is judged once.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._judged: Any = None
        self._accuracy = 0.0

    def __call__(
        self, compiled: Any, feeds: Iterable[tuple[np.ndarray, ...]]
    ) -> tuple[float, list[list[np.ndarray]]]:
        run = _runner(compiled)
        if compiled is not self._judged:
            self._judged, self._accuracy = compiled, self._judge(run)
            logger.info("top-1 is %.1f %%", 100 * self._accuracy)
        return self._accuracy, [list(run(feed)) for feed in feeds]


def _run_openvino(network: Any) -> Run:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return _runner(openvino_core().compile_model(network, "CPU", settings))


def _runner(compiled: Any) -> Run:
    request = compiled.create_infer_request()

    def run(feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return tuple(np.array(one) for one in request.infer(list(feed)).values())

    return run


def _run_onnx(graph: Any) -> Run:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [port.name for port in session.get_inputs()]

    def run(feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return tuple(map(np.asarray, session.run(None, dict(zip(names, feed, strict=True)))))

    return run
