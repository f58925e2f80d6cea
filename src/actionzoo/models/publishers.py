"""What the models of one publisher have in common: addresses, input, protocol, licence."""

from __future__ import annotations

import re
from fractions import Fraction

from actionzoo.spec import File, InputSpec, Metric, Resize, Views, Weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

GLUONCV_HOST = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com"
PYTORCHVIDEO_HOST = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
TORCHVISION_HOST = "https://download.pytorch.org/models"
MMACTION_HOST = "https://download.openmmlab.com/mmaction"

THIRTY_VIEWS = Views(clips=10, crops=3, average="logits")
"""GluonCV's protocol for clips: 10 clips of a video, 3 crops along the longer side."""
FRAMES_250 = Views(clips=25, crops=10, average="logits")
"""GluonCV's protocol for single frames, MXNet weights: 25 frames, 10 crops."""


def accuracy(
    top1: float,
    top5: float | None = None,
    *,
    dataset: str,
    views: Views,
    measured_by: str,
    split: str = "val",
) -> tuple[Metric, ...]:
    """Return published accuracies as metrics.

    Args:
        top1: Top-1 accuracy in percent, as tables print it.
        top5: Top-5 accuracy in percent, if it is published.
        dataset: What it was measured on.
        views: The protocol it was measured with.
        measured_by: Who published it.
        split: Part of the dataset.
    """
    named = (("top-1", top1), ("top-5", top5))
    return tuple(
        Metric(
            name=name,
            value=round(percent / 100, 6),
            dataset=dataset,
            split=split,
            views=views,
            measured_by=measured_by,
        )
        for name, percent in named
        if percent is not None
    )


def gluoncv_input(
    *, frames: int, stride: int, size: int = 224, keep_aspect: bool = False
) -> InputSpec:
    """Return what a GluonCV network eats.

    Its loader squashes every frame to 340 x 256 (171 x 128 for crops of 112, 450 x 340 for 299)
    unless the configuration keeps the aspect ratio; its clock is the video's own.
    """
    height, width = {112: (128, 171), 224: (256, 340), 299: (340, 450)}[size]
    squash = Resize(rule="squash", height=height, width=width)
    short_side = Resize(rule="short_side", height=height, width=height)
    return InputSpec(
        frames=frames,
        stride=stride,
        resize=short_side if keep_aspect else squash,
        height=size,
        width=size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )


def gluoncv_torch(
    name: str,
    sha1: str,
    top1: float,
    *,
    dataset: str = "kinetics400",
    split: str = "val",
    views: Views = THIRTY_VIEWS,
) -> Weights:
    """Return PyTorch weights of GluonCV; their tag is the hashtag of its model page."""
    return Weights(
        tag=sha1[:8],
        files=(
            File(url=f"{GLUONCV_HOST}/torch/models/{name}-{sha1[:8]}.pth", checksum=f"sha1:{sha1}"),
        ),
        license="Apache-2.0",
        source="GluonCV (PyTorch)",
        metrics=accuracy(top1, dataset=dataset, split=split, views=views, measured_by="GluonCV"),
    )


def gluoncv_mxnet(
    name: str,
    sha1: str,
    top1: float,
    *,
    dataset: str = "kinetics400",
    split: str = "val",
    views: Views = THIRTY_VIEWS,
) -> Weights:
    """Return MXNet weights of GluonCV: a ``.params`` file in a zip of the same name.

    Args:
        name: The model's name on GluonCV's page.
        sha1: Digest of the ``.params`` file, or the first 8 digits where no more is published. It
            is the file inside the zip that is checked.
        top1: Percent.
        dataset: Measured on.
        split: Part of the dataset.
        views: The protocol.
    """
    return Weights(
        tag=sha1[:8],
        files=(
            File(url=f"{GLUONCV_HOST}/gluon/models/{name}-{sha1[:8]}.zip", checksum=f"sha1:{sha1}"),
        ),
        license="Apache-2.0",
        source="GluonCV (MXNet)",
        metrics=accuracy(top1, dataset=dataset, split=split, views=views, measured_by="GluonCV"),
    )


def pytorchvideo_input(*, frames: int, stride: int, size: int = 224) -> InputSpec:
    """Return what a PyTorchVideo network eats: 30 frames a second, short side 256."""
    return InputSpec(
        frames=frames,
        stride=stride,
        fps=Fraction(30),
        resize=Resize(rule="short_side", height=256, width=256),
        height=size,
        width=size,
        crop_rounding="ceil",
        mean=(0.45, 0.45, 0.45),
        std=(0.225, 0.225, 0.225),
    )


def pytorchvideo(file: str, top1: float, top5: float, *, views: Views) -> Weights:
    """Return weights of the PyTorchVideo model zoo, Kinetics-400; it publishes no checksums.

    Args:
        file: Such as ``SLOW_8x8_R50.pyth``.
        top1: Percent.
        top5: Percent.
        views: The protocol of its model zoo.
    """
    return Weights(
        tag="pytorchvideo",
        files=(File(url=f"{PYTORCHVIDEO_HOST}/{file}"),),
        license="Apache-2.0",
        source="PyTorchVideo",
        metrics=accuracy(
            top1, top5, dataset="kinetics400", views=views, measured_by="PyTorchVideo"
        ),
    )


def torchvision_input(*, resize: tuple[int, int], size: int) -> InputSpec:
    """Return what torchvision's convolutional networks eat: 16 frames at 15 a second, squashed.

    Args:
        resize: Height and width before the crop.
        size: Side of the crop.
    """
    return InputSpec(
        frames=16,
        fps=Fraction(15),
        resize=Resize(rule="squash", height=resize[0], width=resize[1]),
        height=size,
        width=size,
        crop_rounding="round",
        mean=(0.43216, 0.394666, 0.37645),
        std=(0.22803, 0.22145, 0.216989),
    )


def torchvision(
    file: str,
    top1: float,
    top5: float,
    *,
    clips: int,
    sha256: str | None = None,
    tag: str = "torchvision",
) -> Weights:
    """Return weights of torchvision, Kinetics-400.

    Args:
        file: Such as ``r3d_18-b3b3357e.pth``: the name ends in the first digits of its digest.
        top1: Percent.
        top5: Percent.
        clips: Clips a video; one crop each.
        sha256: The whole digest where it is published.
        tag: Where a model has several weights.
    """
    digest = sha256 or file.removesuffix(".pth").rpartition("-")[2]
    return Weights(
        tag=tag,
        files=(File(url=f"{TORCHVISION_HOST}/{file}", checksum=f"sha256:{digest}"),),
        license="BSD-3-Clause",
        source="torchvision",
        metrics=accuracy(
            top1,
            top5,
            dataset="kinetics400",
            views=Views(clips=clips),
            measured_by="torchvision",
        ),
    )


def mmaction(
    path: str, *, metrics: tuple[Metric, ...] = (), input: InputSpec | None = None
) -> Weights:
    """Return weights of mmaction2; their tag is the part of the digest that ends the file's name.

    Args:
        path: Below the host, such as ``v1.0/recognition/tsn/NAME/NAME_20220906-cd10898e.pth``.
        metrics: What was measured with them.
        input: What they were trained on, where it is not the input of the model.
    """
    digest = re.split("[-_]", path.removesuffix(".pth"))[-1]
    return Weights(
        tag=digest,
        files=(File(url=f"{MMACTION_HOST}/{path}", checksum=f"sha256:{digest}"),),
        license="Apache-2.0",
        source="mmaction2",
        metrics=metrics,
        input=input,
    )
