"""VTN: an image network sees each frame, self-attention sees all of them.

Kozlov et al., "Lightweight Network Architecture for Real-Time Action Recognition", 2019
(arXiv:1905.08711), and the training code and models that its authors published:

- The encoder, ResNet-34 or MobileNetV2, turns each frame into 512 numbers.
- The decoder adds a learnt position, mixes up to 16 such embeddings in four blocks of attention,
  classifies each and averages the logits. Its attention is divided by the root of the whole width,
  512, not of a head's, and nothing projects what the heads found.
- Open Model Zoo's two models have no layer norms, which could not be exported when they were made;
  the training code has them unless told otherwise.

Open Model Zoo's models take pixels as OpenCV reads them, BGR in [0, 255], and normalise inside. The
others take RGB that is already normalised, as the training code gives it. An encoder by itself
always takes normalised RGB.

Live, ``step`` takes one frame and the last 16 embeddings, so that each frame is encoded once.

Letters of shapes: B batch, H heads, T frames, D embedding, or a head's part of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack
from actionzoo.models.formats import Format, State
from actionzoo.models.publishers import IMAGENET_MEAN, IMAGENET_STD, accuracy
from actionzoo.models.resnet2d import ResNet2D
from actionzoo.models.resnet3d import initialise
from actionzoo.models.stages import stages_of, within
from actionzoo.spec import Figure, File, InputSpec, Metric, ModelSpec, Resize, Views, Weights

FRAMES = 16
WIDTH = 512
"""Numbers of an embedding."""
HEADS = 8
BLOCKS = 4
FEED_FORWARD = 1024
DROPOUT = 0.1

MOBILENET_LAYERS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride (Sandler et al., CVPR 2018, table 2)."""
MOBILENET_STEM = 32
MOBILENET_CHANNELS = 1280


class FromBGR(nn.Module):
    """Turn pixels in [0, 255], blue first, into what an encoder takes."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            constant = 255 * torch.tensor(values).reshape(3, 1, 1)
            self.register_buffer(name, constant, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) BGR in [0, 255] -> (N, 3, H, W) RGB, normalised."""
        return (x.flip(1) - self.mean) / self.std


def _conv(
    channels_in: int, channels_out: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolve, normalise, rectify: with a plain ReLU, where MobileNetV2 itself stops at 6."""
    return [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


class InvertedResidual(nn.Module):
    """Widen, mix 3x3 depthwise, narrow without a ReLU; add the shortcut where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.conv = nn.Sequential(
            *(_conv(channels_in, inner) if expansion > 1 else ()),
            *_conv(inner, inner, 3, stride=stride, groups=inner),
            *_conv(inner, channels_out)[:2],
        )
        self.shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) -> (N, channels_out, H / stride, W / stride)."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(Stack):
    """(N, 3, H, W) -> (N, 1280, H / 32, W / 32)."""

    stages = ("[01]", "[23]", "[456]", "[789]|1[0-3]", "1[4-8]")

    def __init__(self) -> None:
        blocks: list[nn.Module] = [nn.Sequential(*_conv(3, MOBILENET_STEM, 3, stride=2))]
        channels = MOBILENET_STEM
        for expansion, width, depth, first in MOBILENET_LAYERS:
            for i in range(depth):
                stride = 1 if i else first
                blocks.append(InvertedResidual(channels, width, expansion=expansion, stride=stride))
                channels = width
        super().__init__(*blocks, nn.Sequential(*_conv(channels, MOBILENET_CHANNELS)))


Trunk = Literal["resnet34", "mobilenetv2"]


class Encoder(nn.Module):
    """From frames to embeddings.

    Args:
        trunk: The image network.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk: ResNet2D | MobileNetV2
        self.reduce: nn.Module
        if trunk == "resnet34":
            self.trunk, self.reduce = ResNet2D(34), nn.Identity()
        else:
            self.trunk, self.reduce = MobileNetV2(), nn.Conv2d(MOBILENET_CHANNELS, WIDTH, 1)
        initialise(self)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) normalised RGB -> (N, 512, 1, 1)."""
        return self.reduce(self.trunk(frames)).mean((2, 3), keepdim=True)


class LayerNorm(nn.Module):
    """Centre and scale each embedding; the deviation is the unbiased one, and eps is added to it.

    An embedding that is alone stays as it is, as in the training code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the same shape."""
        if x_BTD.shape[1] == 1:
            return x_BTD
        centred = x_BTD - x_BTD.mean(2, keepdim=True)
        deviation = (centred.square().sum(2, keepdim=True) / (WIDTH - 1)).sqrt()
        return centred / (deviation + 1e-3) * self.weight + self.bias


def _norm(*, layer_norm: bool) -> nn.Module:
    return LayerNorm() if layer_norm else nn.Identity()


class Attention(nn.Module):
    """Let every frame take from all frames, and add that to it."""

    def __init__(self, *, layer_norm: bool) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.norm = _norm(layer_norm=layer_norm)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the same shape."""
        q_BHTD, k_BHTD, v_BHTD = (
            project(x_BTD).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        shares = F.softmax(q_BHTD @ k_BHTD.transpose(2, 3) / math.sqrt(WIDTH), -1)
        y = (self.dropout(shares) @ v_BHTD).transpose(1, 2).flatten(2)  # (B, T, H * D)
        return self.norm(x_BTD + self.dropout(y))


class FeedForward(nn.Module):
    """Two linear layers on each frame by itself, added to it."""

    def __init__(self, *, layer_norm: bool) -> None:
        super().__init__()
        self.widen = nn.Linear(WIDTH, FEED_FORWARD)
        self.narrow = nn.Linear(FEED_FORWARD, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.norm = _norm(layer_norm=layer_norm)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the same shape."""
        y = self.narrow(F.relu(self.widen(x_BTD)))
        return self.norm(x_BTD + self.dropout(y))


class Block(nn.Module):
    """Frames among themselves, then each frame by itself."""

    def __init__(self, *, layer_norm: bool) -> None:
        super().__init__()
        self.attention = Attention(layer_norm=layer_norm)
        self.feed_forward = FeedForward(layer_norm=layer_norm)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the same shape."""
        return self.feed_forward(self.attention(x_BTD))


class Decoder(nn.Module):
    """From the embeddings of a clip to its logits.

    Args:
        num_classes: Width of the output.
        layer_norm: Whether each addition is followed by a norm.
    """

    def __init__(self, *, num_classes: int, layer_norm: bool) -> None:
        super().__init__()
        # The first position is a constant zero.
        self.positions = nn.Embedding.from_pretrained(_waves(), freeze=False, padding_idx=0)
        self.blocks = Stack(*(Block(layer_norm=layer_norm) for _ in range(BLOCKS)))
        self.reset_head(num_classes)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)

    def mix(self, x_BTD: Tensor) -> Tensor:
        """Return embeddings of the same shape that know of one another.

        Raises:
            ConfigError: There are more than 16 frames.
        """
        frames = x_BTD.shape[1]
        if frames > FRAMES:
            raise ConfigError(f"VTN got {frames} frames; it takes 1 to {FRAMES}")
        return self.blocks(x_BTD + self.positions(torch.arange(frames, device=x_BTD.device)))

    def forward_features(self, x_BTD: Tensor) -> Tensor:
        """(B, T, 512) -> (B, 512): the mean over time, of which the classifier makes the logits."""
        return self.mix(x_BTD).mean(1)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(B, T, 512), T at most 16 -> logits (B, K).

        Raises:
            ConfigError: There are more than 16 frames.
        """
        return self.fc(self.mix(x_BTD)).mean(1)

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.fc = nn.Linear(WIDTH, num_classes)
        nn.init.normal_(self.fc.weight, std=0.02)
        nn.init.zeros_(self.fc.bias)


def _waves() -> Tensor:
    """Return the positions before training, (16, 512): waves from short to long, the first zero."""
    column = torch.arange(WIDTH)
    lengths = 10_000 ** (2 * (column // 2) / WIDTH)
    angles = torch.arange(FRAMES)[:, None] / lengths
    waves = torch.where(column % 2 == 0, angles.sin(), angles.cos())
    waves[0] = 0
    return waves


class Window(NamedTuple):
    """What a stream remembers."""

    embeddings: Tensor
    """Of the last 16 frames, (B, 16, 512), the oldest first."""
    empty: Tensor
    """Whether no frame was seen yet, (B,) bool."""


class VTN(nn.Module):
    """The whole network.

    Args:
        trunk: The image network of the encoder.
        num_classes: Width of the output.
        layer_norm: Whether the decoder has layer norms.
        from_bgr: Whether it takes BGR in [0, 255] and normalises it.
    """

    def __init__(self, trunk: Trunk, *, num_classes: int, layer_norm: bool, from_bgr: bool) -> None:
        super().__init__()
        self.normalise = FromBGR() if from_bgr else nn.Identity()
        self.encoder = Encoder(trunk)
        self.decoder = Decoder(num_classes=num_classes, layer_norm=layer_norm)
        self.stages = (
            *within(r"encoder\.trunk", stages_of(self.encoder.trunk)),
            r"encoder\.reduce|decoder\.(positions|blocks)",
        )

    def embed(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, T, 512): each frame by itself."""
        frames = clip.transpose(1, 2).flatten(0, 1)  # (B * T, 3, H, W)
        embeddings = self.encoder(self.normalise(frames)).flatten(1)  # (B * T, 512)
        return embeddings.unflatten(0, (-1, clip.shape[2]))

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32, T at most 16 -> (B, 512): the mean over time."""
        return self.decoder.forward_features(self.embed(clip))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32, T at most 16 -> logits (B, K).

        Raises:
            ConfigError: There are more than 16 frames.
        """
        return self.decoder(self.embed(clip))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.decoder.reset_head(num_classes)

    def initial_state(self, batch: int) -> Window:
        """Return what a stream remembers before its first frame."""
        weight = self.decoder.positions.weight
        empty = torch.ones(batch, dtype=torch.bool, device=weight.device)
        return Window(weight.new_zeros(batch, FRAMES, WIDTH), empty)

    def step(self, frame: Tensor, state: Window) -> tuple[Tensor, Window]:
        """Look at one frame more.

        Before there are 16, the first one stands for those missing: the stream is taken for having
        shown it all the time. Feed frames at the spec's pace, every second one of 30 a second.

        Args:
            frame: (B, 3, H, W), coloured and scaled as a frame of a clip.
            state: What the step before returned, or ``initial_state``.

        Returns:
            Logits (B, K) of the last 16 frames, as ``forward`` gives for them, and the new state.
        """
        new = self.embed(frame[:, :, None])  # (B, 1, 512)
        moved = torch.cat([state.embeddings[:, 1:], new], 1)
        embeddings = torch.where(state.empty[:, None, None], new, moved)
        return self.decoder(embeddings), Window(embeddings, torch.zeros_like(state.empty))


OMZ_INPUT = InputSpec(
    frames=FRAMES,
    stride=2,
    fps=Fraction(30),
    short="loop",
    resize=Resize(rule="short_side", height=224, width=224),
    height=224,
    width=224,
    crop_rounding="round",
    color="BGR",
    value_range=(0.0, 255.0),
)
TRAINING_INPUT = replace(
    OMZ_INPUT, color="RGB", value_range=(0.0, 1.0), mean=IMAGENET_MEAN, std=IMAGENET_STD
)

OMZ_HOST = "https://storage.openvinotoolkit.org/repositories/open_model_zoo"


def _file(name: str, precision: str, release: str, file: str, size: str, sha384: str) -> File:
    part = f"{name}-{file.partition('.')[0]}"
    return File(
        url=f"{OMZ_HOST}/{release}/models_bin/1/{name}/{part}/{precision}/{name}-{file}",
        checksum=f"sha384:{sha384}",
        size_bytes=int(size),
    )


def _open_model_zoo(name: str, table: str, metrics: tuple[Metric, ...]) -> tuple[Weights, ...]:
    """Return a model's weights in each precision, OpenVINO networks of encoder and decoder.

    Args:
        name: Such as ``action-recognition-0001``.
        table: Precision, release, file, bytes and SHA-384 of each file.
        metrics: What was measured, with full precision.
    """
    words = table.split()
    rows = [words[start : start + 5] for start in range(0, len(words), 5)]
    return tuple(
        Weights(
            tag=precision,
            files=tuple(_file(name, *row) for row in rows if row[0] == precision),
            license="Apache-2.0",
            source="Open Model Zoo",
            metrics=metrics if precision == "FP32" else (),
        )
        for precision in dict.fromkeys(row[0] for row in rows)
    )


def _omz_accuracy(*, clip: float, video: float, dataset: str) -> tuple[Metric, ...]:
    """Return both accuracies of Open Model Zoo: logits averaged over 3 clips, and clip by clip."""
    return tuple(
        Metric(
            name=name,
            value=value,
            dataset=dataset,
            split="val",
            views=Views(clips=3, average="logits"),
            measured_by="Open Model Zoo",
        )
        for name, value in (("top-1", video), ("clip accuracy", clip))
    )


def _figures(encoder: tuple[float, float], decoder: tuple[float, float]) -> tuple[Figure, ...]:
    """Return Open Model Zoo's GFLOPs and MParams of both parts, with what they leave out."""
    rows = (
        ("encoder GFLOPs", encoder[0], ENCODER_GFLOPS),
        ("encoder MParams", encoder[1], ENCODER_MPARAMS),
        ("decoder GFLOPs", decoder[0], DECODER_GFLOPS),
        ("decoder MParams", decoder[1], DECODER_MPARAMS),
    )
    return tuple(
        Figure(name=name, value=value, source="Open Model Zoo", counts=counts)
        for name, value, counts in rows
    )


ENCODER_GFLOPS = (
    "of one frame: 2 operations for each multiply-add of a convolution, 2 for each output of a "
    "ReLU, 3 for each of a sum, one for each value a pooling looks at, 2 for each input value"
)
ENCODER_MPARAMS = (
    "weights of convolutions, biases into which the norms are folded, and 3 channel means"
)
DECODER_GFLOPS = (
    "2 operations for each multiply-add of 16 frames, but one of the 8 heads for all of attention, "
    "and one frame for the classifier"
)
DECODER_MPARAMS = (
    "weights and biases of the feed-forward layers and weights of the classifier: no projections "
    "to queries, keys and values, no positions"
)

ACTION_FILES = """
FP32 2023.0 encoder.xml 102122
40bd944900fdab423965720424569fd989bbe05374469fa791e91ba3853bffa30c551e4762ed12da3a5d05d3bbbf32dd
FP32 2023.0 encoder.bin 85104652
7b89b971a5e3e6d5f14517eeed9b91d377415597cc036099d01d3f330cc28c5cea59ba9839f01de1c81270098d2b334f
FP32 2023.0 decoder.xml 172278
92e2f481146ed2d5df2d4968357bd8cb715e28e9b70b018b4264df9c895543a0ef34dacb2f353e4f0938b638f1edd0ef
FP32 2023.0 decoder.bin 30238492
62070f77ac8f9ec2e8b807fec4d22546e40253ab9d2f428844ac226753887ad089e4a2501e65486566e87492f7888f53
FP16 2023.0 encoder.xml 143657
db66d8d37aa48b197bc30b7e3f6f1cba0b8e9697038ffb54757eaa99f2843702eae0c8b5537ea5d3e2bb5ff02ff0eb3b
FP16 2023.0 encoder.bin 42552326
69feda3a3e9d3c2cac288d5d34a4b86243be087204fb453508e98f68d4b73c2d3ab6d8ed34c3dd7fdc6ca618496ad4f8
FP16 2023.0 decoder.xml 190650
a66dcdb8efa8ab5ab0231cfe92fd5c39fc8849cc3abdd495f889bdae738b2f3d504becbc64f06434909a6eb0cb7b234e
FP16 2023.0 decoder.bin 15119354
5ab91a287b80af26ca34be6014e41f74441f842206760d1372ede295e350fc27a32b059304a4fe06b288ab7c35e66b37
FP16-INT8 2023.0 encoder.xml 265949
530883d1b9d8e25fd4d55fb2f1b37841a7c2561a58c57401503d852e11f17c306bdd874eed4754e66123d4b88307b1c4
FP16-INT8 2023.0 encoder.bin 21319022
db12d56ddb783ca2dd2020a597eba6c3c9a1501334fc60cb7d46211f45d3f35dab1bb5a4226447e8562fd0824bb74c2d
FP16-INT8 2023.0 decoder.xml 276509
b03ba339cbbec1c7b44adfa6ab1092208f6525a8a620eff32bb96f5ecf5d27f7a9b4aae0e62404241b769b425e3fe438
FP16-INT8 2023.0 decoder.bin 7601377
0642f7c6de528c7c9c1de47c29cf55bdc5566f671cd1aa179dcd8735cfeea8802d87001fbfd783f37913b4d9b6391d06
"""

DRIVER_FILES = """
FP32 2023.0 encoder.xml 133347
dac32f5f8c904964224387756f78552514ad7542edb314f28a4cf3fe800104f56e756f0de5fd16eb7efe496e9db79d31
FP32 2023.0 encoder.bin 11450764
ff339d731695263d72ec58442c9b2a4d5970120461428a7788944a0793e47d934c166047cb13cd3b414f48c2fbb983a3
FP32 2023.0 decoder.xml 216384
9a64e6b33a2a9d0bdc5755feca31095ed2683dc0df830e46f96a2d421a14607e69589d3197fc31b144fc2c5ef2b4d2e3
FP32 2023.0 decoder.bin 29436128
510f239486d80bca3b6c5810423a88d6e41c5d8008461bbdb4cada2857b27e75884a28f499f8e9f5c49c4d538c4305d2
FP16 2023.0 encoder.xml 194660
9bb367ed7db6baf17e894588e7023904fd4f23329b453d7a46c59abfa9cedac804123b8709fb51dd7526c845661a0b74
FP16 2023.0 encoder.bin 5725382
b15beee00b8ff135f4f1258a2cb6a678e547463dde5b0bd4419f4362e0ce17009a39243b810efecb8d1c8bafdf620dcd
FP16 2023.0 decoder.xml 234762
6a6bb75e5a9b853034d1af63e9ec22c28601a568e6ca1534355dcf0d121658b88a58727901f0595fd26d0c8774446ad3
FP16 2023.0 decoder.bin 14718156
8c38df5ad90e0d3254e9d65ecb7e29e592b46303efc803de62956abf8dbf9e3ebad3373daa39a34c47d5c974837799e0
FP16-INT8 2022.3 encoder.xml 409409
5130ca47d415cfe79f3841aebab809ec33702ec08055ef03dab0877c4910d2459448db992622a8ae98a69fc4513f0adb
FP16-INT8 2022.3 encoder.bin 2989114
7f4148429851f944f656139220b292c24b14637813b78a3bd2702f531db39ab62139b251b5908e1221424f365bd1c82f
FP16-INT8 2022.3 decoder.xml 321637
e80ee48d2a403dbe37c8e37278af4cc039072db79504537dce76f9fafaf5576bc5d80bb2f0178c9c0cfe38bc26ce8e03
FP16-INT8 2022.3 decoder.bin 7398823
aa537bf22258a4b91661bf52a98a759eb6a3e6c7939484b53732dfa809730c85884078c306a0ba83cebc09b1ca803c81
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One name: a network, what it is fed, what is known of it."""

    summary: str
    dataset: str
    trunk: Trunk
    input: InputSpec
    parameters: int
    macs: int
    layer_norm: bool
    weights: tuple[Weights, ...] = ()
    metrics: tuple[Metric, ...] = ()
    figures: tuple[Figure, ...] = ()


def _training_accuracy(top1: float) -> tuple[Metric, ...]:
    return accuracy(
        top1,
        dataset="kinetics400",
        views=Views(clips=10, average="logits"),
        measured_by="OpenVINO Training Extensions",
    )


VARIANTS = {
    "action-recognition-0001": Variant(
        summary="VTN ResNet-34 of Open Model Zoo: frame by frame, then attention; 400 actions.",
        dataset="kinetics400",
        trunk="resnet34",
        input=OMZ_INPUT,
        parameters=28_844_240,
        macs=58_733_756_416,
        layer_norm=False,
        weights=_open_model_zoo(
            "action-recognition-0001",
            ACTION_FILES,
            _omz_accuracy(clip=0.565, video=0.565283, dataset="kinetics400"),
        ),
        figures=_figures(encoder=(7.340, 21.276), decoder=(0.147, 4.405)),
    ),
    "driver-action-recognition-adas-0002": Variant(
        summary="VTN MobileNetV2 of Open Model Zoo: what a driver does; 9 actions.",
        dataset="driver_actions",
        trunk="mobilenetv2",
        input=OMZ_INPUT,
        parameters=10_238_729,
        macs=5_424_273_408,
        layer_norm=False,
        weights=_open_model_zoo(
            "driver-action-recognition-adas-0002",
            DRIVER_FILES,
            _omz_accuracy(clip=0.920221, video=0.938253, dataset="driver_actions"),
        ),
        figures=_figures(encoder=(0.676, 2.863), decoder=(0.147, 4.205)),
    ),
    "resnet34_vtn_kinetics400": Variant(
        summary="VTN ResNet-34 as its training repository normalises pixels; 400 actions.",
        dataset="kinetics400",
        trunk="resnet34",
        input=TRAINING_INPUT,
        parameters=28_844_240,
        macs=58_733_756_416,
        layer_norm=False,
        metrics=_training_accuracy(68.32),
    ),
    "mobilenetv2_vtn_kinetics400": Variant(
        summary="VTN MobileNetV2 as its training repository normalises pixels; 400 actions.",
        dataset="kinetics400",
        trunk="mobilenetv2",
        input=TRAINING_INPUT,
        parameters=10_439_312,
        macs=5_427_476_480,
        layer_norm=False,
        metrics=_training_accuracy(62.51),
    ),
    "resnet34_vtn_layernorm_kinetics400": Variant(
        summary="VTN ResNet-34 with layer norms, the training repository's default; 400 actions.",
        dataset="kinetics400",
        trunk="resnet34",
        input=TRAINING_INPUT,
        parameters=28_852_432,
        macs=58_733_756_416,
        layer_norm=True,
    ),
    "mobilenetv2_vtn_layernorm_kinetics400": Variant(
        summary="VTN MobileNetV2 with layer norms, the training repository's default; 400 actions.",
        dataset="kinetics400",
        trunk="mobilenetv2",
        input=TRAINING_INPUT,
        parameters=10_447_504,
        macs=5_427_476_480,
        layer_norm=True,
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="vtn",
        summary=variant.summary,
        dataset=variant.dataset,
        input=variant.input,
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
        metrics=variant.metrics,
        figures=variant.figures,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> VTN:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name]
    return VTN(
        variant.trunk,
        num_classes=len(spec.labels),
        layer_norm=variant.layer_norm,
        from_bgr=variant.input.color == "BGR",
    )


def _as_linear(state: State) -> State:
    """Lay out projections and 1x1 convolutions as linear layers; name a part alone as itself."""
    laid: State = {}
    for name, tensor in state.items():
        laid[name] = tensor
        if tensor.ndim == 3 and tensor.shape[2] == 1:
            laid[name] = tensor.squeeze(2)
        elif tensor.ndim == 3:  # heads, width, width of a head
            laid[name] = tensor.transpose(1, 2).flatten(0, 1)
    parts = {name.partition(".")[0] for name in laid}
    if len(parts) > 1:
        return laid
    return {name.partition(".")[2]: tensor for name, tensor in laid.items()}


FORMATS = (
    Format(
        source="OpenVINO Training Extensions",
        mark=r"resnet\.0\.(0\.)?weight|self_attention_decoder\.position_encoding\.enc\.weight",
        renames=(
            # In a ResNet a block's number follows that of its layer; MobileNetV2 has no layers.
            (r"^resnet\.0\.(?=\w+$)", "encoder.trunk.conv1."),
            (r"^resnet\.1\.(?=\w+$)", "encoder.trunk.bn1."),
            (r"^resnet\.4\.(?=\d)", "encoder.trunk.layer1."),
            (r"^resnet\.5\.(?=\d)", "encoder.trunk.layer2."),
            (r"^resnet\.6\.(?=\d)", "encoder.trunk.layer3."),
            (r"^resnet\.7\.(?=\d)", "encoder.trunk.layer4."),
            (r"^resnet\.", "encoder.trunk."),
            (r"^reduce_conv\.", "encoder.reduce."),
            (r"^self_attention_decoder\.position_encoding\.enc\.", "decoder.positions."),
            (r"^self_attention_decoder\.layers\.", "decoder.blocks."),
            (r"\.slf_attn\.", ".attention."),
            (r"\.pos_ffn\.", ".feed_forward."),
            (r"\.w_qs$", ".query.weight"),
            (r"\.w_ks$", ".key.weight"),
            (r"\.w_vs$", ".value.weight"),
            (r"\.w_1\.", ".widen."),
            (r"\.w_2\.", ".narrow."),
            (r"\.layer_norm\.a_2$", ".norm.weight"),
            (r"\.layer_norm\.b_2$", ".norm.bias"),
            (r"^fc\.", "decoder.fc."),
        ),
        finish=_as_linear,
    ),
)

REFERENCES: Mapping[str, Callable[[], nn.Module]] = {
    "vtn_encoder_resnet34": partial(Encoder, "resnet34"),
    "vtn_decoder_400": partial(Decoder, num_classes=400, layer_norm=False),
    "vtn_decoder_400_layernorm": partial(Decoder, num_classes=400, layer_norm=True),
    "vtn_decoder_9": partial(Decoder, num_classes=9, layer_norm=False),
}
