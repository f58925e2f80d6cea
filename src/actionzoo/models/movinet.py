"""MoViNet: mobile networks for whole clips or for a stream (Kondratyuk et al., CVPR 2021).

- Inverted bottlenecks whose widths and kernels were searched for; time is never strided.
- A base network sees the whole clip at once: its depthwise kernels reach before and behind.
- A stream network looks back only. A depthwise kernel over space is followed by one over the frames
  so far, and every mean over time is a mean so far. What a frame leaves for the next ones is a
  state that ``step`` takes and returns; the network itself remembers nothing.

The weights were converted from TensorFlow, so rows and columns are padded as there ("SAME"): as
much as the size needs, any odd one behind. Published by Atze00/MoViNet-pytorch.

Shapes: B batch, C channels, T frames, H rows, W columns, D embedding, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.convolution import Conv3d
from actionzoo.models.formats import Format, State
from actionzoo.models.publishers import accuracy
from actionzoo.models.resnet3d import initialise
from actionzoo.spec import File, InputSpec, ModelSpec, Resize, Views, Weights

EPS = 1e-3
"""Of the batch norms, as in TensorFlow."""
EMBEDDING = 2048

STAGES = ("stem", *(rf"blocks\.{i}" for i in range(5)), "head_(expand|widen)")

StreamState = tuple[Tensor, ...]
"""All that a stream network knows of the frames so far: their number (B,); for each block its last
frames (B, C, kernel - 1, H, W), where its kernel spans time, and the mean so far (B, C); at the end
the mean of the head (B, C). Of zeros before the first frame."""


def _round_width(width: int) -> int:
    """Round a number of channels to a multiple of 8, at least 8 and not below 90 % of it."""
    rounded = max(8, (width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def _halved(size: int) -> int:
    """Rows or columns that a stride of 2 leaves."""
    return (size + 1) // 2


def _same_padding(size: int, kernel: int) -> tuple[int, int]:
    """Pixels that stride 2 needs before and behind, so that every second position gets a window.

    >>> _same_padding(172, 3), _same_padding(43, 3), _same_padding(86, 5)
    ((0, 1), (1, 1), (1, 2))
    """
    total = max((_halved(size) - 1) * 2 + kernel - size, 0)
    return total // 2, total - total // 2


def _halve(x: Tensor) -> Tensor:
    """Average 3x3 windows of every second row and column; padding does not count in the mean."""
    _, channels, frames, height, width = x.shape
    y = x.flatten(1, 2)  # (B, C * T, H, W): in 3-D, PyTorch takes no map smaller than the window
    padding = (height % 2, width % 2)  # with ceil_mode, this is "SAME"
    y = F.avg_pool2d(y, 3, 2, padding, ceil_mode=True, count_include_pad=False)
    return y.unflatten(1, (channels, frames))  # (B, C, T, H / 2, W / 2)


def _means_so_far(x: Tensor, mean: Tensor, seen: Tensor) -> Tensor:
    """Average each frame with all before it.

    Args:
        x: (B, C, T).
        mean: Of the frames before them (B, C).
        seen: How many frames there are up to each, itself counted (B, T).

    Returns:
        (B, C, T).
    """
    before = mean[:, :, None]
    return before + (x - before).cumsum(2) / seen[:, None]


class ConvNorm(nn.Module):
    """Convolve and normalise; rows and columns are padded as TensorFlow does.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        kernel: Frames, rows and columns; rows and columns alike.
        stride: Of rows and columns, 1 or 2.
        depthwise: Each channel by itself.
        pad_time: Keep the number of frames; otherwise only whole windows are convolved.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: Triple = (1, 1, 1),
        *,
        stride: int = 1,
        depthwise: bool = False,
        pad_time: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        space = kernel[1] // 2 if stride == 1 else 0
        self.conv = Conv3d(
            channels_in,
            channels_out,
            kernel,
            (1, stride, stride),
            (kernel[0] // 2 if pad_time else 0, space, space),
            groups=channels_in if depthwise else 1,
            bias=False,
        )
        self.norm = nn.BatchNorm3d(channels_out, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, channels_out, T, H / stride, W / stride), sizes rounded up."""
        if self.stride == 2:
            kernel = self.conv.kernel_size[1]
            rows, columns = (_same_padding(size, kernel) for size in x.shape[3:])
            x = F.pad(x, (*columns, *rows))
        return self.norm(self.conv(x))


class SqueezeExcite(nn.Module):
    """Scale each channel by a number in (0, 1) computed from all channel means of the clip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = _round_width(width // 4)
        self.squeeze = Conv3d(width, inner, 1)
        self.excite = Conv3d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (B, C, T, H, W) with its channels weighed."""
        mean = x.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        return x * torch.sigmoid(self.excite(F.silu(self.squeeze(mean))))


class StreamSqueezeExcite(nn.Module):
    """Weigh the channels of each frame by its own means and those of the frames so far."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = _round_width(2 * (width // 4))
        self.squeeze = Conv3d(2 * width, inner, 1)
        self.excite = Conv3d(inner, width, 1)

    def forward(self, x: Tensor, seen: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``x`` (B, C, T, H, W) weighed, and the mean so far (B, C) after it."""
        here = x.mean((3, 4))  # (B, C, T)
        means = _means_so_far(here, mean, seen)
        both = torch.cat([means, here], 1)[..., None, None]  # (B, 2C, T, 1, 1)
        weights = self.excite(F.hardswish(self.squeeze(both)))
        # TensorFlow's hard sigmoid, of slope 1/5; PyTorch's has 1/6.
        return x * (0.2 * weights + 0.5).clamp(0, 1), means[:, :, -1]


class Block(nn.Module):
    """Inverted bottleneck of a base network: widen, mix depthwise, weigh, narrow, add.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        inner: Channels inside.
        kernel: Of the depthwise convolution.
        stride: Of rows and columns, 1 or 2.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, inner: int, kernel: Triple, stride: int
    ) -> None:
        super().__init__()
        self.stride = stride
        self.expand = ConvNorm(channels_in, inner)
        self.depthwise = ConvNorm(inner, inner, kernel, stride=stride, depthwise=True)
        self.squeeze_excite = SqueezeExcite(inner)
        self.project = ConvNorm(inner, channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 or channels_in != channels_out:
            self.shortcut = ConvNorm(channels_in, channels_out)
        self.scale = nn.Parameter(torch.zeros(()))  # a new block begins as its shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, channels_out, T, H / stride, W / stride)."""
        y = F.silu(self.expand(x))
        y = F.silu(self.depthwise(y))
        y = self.project(self.squeeze_excite(y))
        shortcut = self.shortcut(_halve(x) if self.stride == 2 else x)
        return shortcut + self.scale * y


class StreamBlock(nn.Module):
    """Inverted bottleneck of a stream network: space and time are mixed one after the other.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        inner: Channels inside.
        kernel: Of the depthwise convolutions; where it spans one frame, only space is mixed.
        stride: Of rows and columns, 1 or 2.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, inner: int, kernel: Triple, stride: int
    ) -> None:
        super().__init__()
        frames, rows, columns = kernel
        self.stride = stride
        self.inner = inner
        self.reach = frames - 1  # frames before the present one that the kernel spans
        self.memories = 2 if self.reach else 1  # tensors of a state that are this block's
        self.expand = ConvNorm(channels_in, inner)
        self.depthwise = ConvNorm(inner, inner, (1, rows, columns), stride=stride, depthwise=True)
        if self.reach:
            self.temporal = ConvNorm(inner, inner, (frames, 1, 1), depthwise=True, pad_time=False)
        self.squeeze_excite = StreamSqueezeExcite(inner)
        self.project = ConvNorm(inner, channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 or channels_in != channels_out:
            self.shortcut = ConvNorm(channels_in, channels_out)
        self.scale = nn.Parameter(torch.zeros(()))  # a new block begins as its shortcut

    def memory_shapes(self, height: int, width: int) -> list[tuple[int, ...]]:
        """Return the shapes, without the batch, of what the block keeps.

        Args:
            height: Rows of its output.
            width: Columns of its output.
        """
        frames = [(self.inner, self.reach, height, width)] if self.reach else []
        return [*frames, (self.inner,)]

    def forward(
        self, x: Tensor, seen: Tensor, memory: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Continue after the frames that ``memory`` is of.

        Args:
            x: (B, channels_in, T, H, W).
            seen: How many frames there are up to each, itself counted (B, T).
            memory: What this returned for the frame before, of ``memory_shapes``.

        Returns:
            (B, channels_out, T, H / stride, W / stride), and the memory after these frames.
        """
        *past, mean = memory
        y = F.hardswish(self.expand(x))
        y = F.hardswish(self.depthwise(y))
        if self.reach:
            frames = torch.cat([*past, y], 2)  # (B, inner, past + T, H, W)
            past = [frames[:, :, -self.reach :]]
            y = F.hardswish(self.temporal(frames))
        y, mean = self.squeeze_excite(y, seen, mean)
        shortcut = self.shortcut(_halve(x) if self.stride == 2 else x)
        return shortcut + self.scale * self.project(y), (*past, mean)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Blocks of one width and size."""

    width: int
    blocks: tuple[tuple[int, Triple], ...]
    """Channels inside and kernel of each."""
    stride: int = 2
    """Of the first block."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """The widths and kernels that the search found for one size of network."""

    stem: int
    stages: tuple[Stage, ...]
    head: int
    size: int
    """Side of the crop, pixels."""


def _stages(architecture: Architecture, block: type[Block] | type[StreamBlock]) -> nn.Sequential:
    """Build all blocks: a sequence of stages, each a sequence of blocks."""
    channels = (architecture.stem, *(stage.width for stage in architecture.stages))
    return nn.Sequential(
        *(
            Stack(
                *(
                    block(
                        stage.width if i else channels_in,
                        stage.width,
                        inner=inner,
                        kernel=kernel,
                        stride=1 if i else stage.stride,
                    )
                    for i, (inner, kernel) in enumerate(stage.blocks)
                )
            )
            for channels_in, stage in zip(channels, architecture.stages, strict=False)
        )
    )


class MoViNet(nn.Module):
    """A base network: it sees a clip as a whole.

    Args:
        architecture: Widths and kernels.
        num_classes: Width of the output.
    """

    stages = STAGES

    def __init__(self, architecture: Architecture, *, num_classes: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, architecture.stem, (1, 3, 3), stride=2)
        self.blocks = _stages(architecture, Block)
        self.head_expand = ConvNorm(architecture.stages[-1].width, architecture.head)
        self.head_widen = nn.Linear(architecture.head, EMBEDDING)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(EMBEDDING, num_classes)
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        x = self.blocks(F.silu(self.stem(clip)))
        x = F.silu(self.head_expand(x)).mean((2, 3, 4))  # (B, C)
        return F.silu(self.head_widen(x))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K)."""
        return self.classifier(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.classifier = nn.Linear(EMBEDDING, num_classes)


class StreamMoViNet(nn.Module):
    """A stream network: frame after frame, each answer from all frames so far.

    ``forward`` computes what ``step`` says at the last frame of a clip. Means run over all frames
    since the state was made, so every video begins with a state of its own.

    Args:
        architecture: Widths and kernels.
        num_classes: Width of the output.
    """

    stages = STAGES

    def __init__(self, architecture: Architecture, *, num_classes: int) -> None:
        super().__init__()
        self.size = architecture.size
        self.stem = ConvNorm(3, architecture.stem, (1, 3, 3), stride=2)
        self.blocks = _stages(architecture, StreamBlock)
        self.head_expand = ConvNorm(architecture.stages[-1].width, architecture.head)
        self.head_widen = nn.Linear(architecture.head, EMBEDDING)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(EMBEDDING, num_classes)
        initialise(self)

    def initial_state(
        self, batch: int, *, height: int | None = None, width: int | None = None
    ) -> StreamState:
        """Return the state before the first frame.

        Args:
            batch: Number of streams that run side by side.
            height: Rows of the frames to come; None takes those of the spec.
            width: Columns of them.
        """
        zeros = self.head_widen.weight.new_zeros
        shapes = self._state_shapes(height or self.size, width or self.size)
        return tuple(zeros((batch, *shape)) for shape in shapes)

    def step(self, frame: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """Look at one more frame.

        Args:
            frame: (B, 3, H, W) float32.
            state: What this returned for the frame before, or ``initial_state``. It stays as it is.

        Returns:
            Logits (B, K), and the state after the frame.

        Raises:
            ConfigError: The state is of other streams: of another number or size of frames.
        """
        batch, _, height, width = frame.shape
        expected = [(batch, *shape) for shape in self._state_shapes(height, width)]
        if [tuple(one.shape) for one in state] != expected:
            raise ConfigError(
                f"the state does not fit {batch} frames of {height} x {width}; begin with "
                f"initial_state({batch}, height={height}, width={width})"
            )
        features, state = self._watch(frame[:, :, None], state)
        return self.classifier(self.dropout(features)), state

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        batch, _, _, height, width = clip.shape
        features, _ = self._watch(clip, self.initial_state(batch, height=height, width=width))
        return features

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K) at the last frame."""
        return self.classifier(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.classifier = nn.Linear(EMBEDDING, num_classes)

    def _watch(self, clip: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """Return the features (B, 2048) at the last frame of a clip, and the state after it."""
        before, *memories, mean = state
        seen = before[:, None] + torch.arange(1, clip.shape[2] + 1, device=clip.device)  # (B, T)
        kept, after = iter(memories), [seen[:, -1]]
        x = F.hardswish(self.stem(clip))
        for stack, block in self._each_block():
            x, memory = stack.run(block, x, seen, tuple(islice(kept, block.memories)))
            after += memory
        x = F.hardswish(self.head_expand(x)).mean((3, 4))  # (B, C, T)
        mean = _means_so_far(x, mean, seen)[:, :, -1]
        return F.silu(self.head_widen(mean)), (*after, mean)

    def _each_block(self) -> Iterator[tuple[Stack, StreamBlock]]:
        """Return the blocks, each with the stack that it is in."""
        return ((stack, block) for stack in self.blocks for block in stack)  # type: ignore[misc, attr-defined]

    def _state_shapes(self, height: int, width: int) -> list[tuple[int, ...]]:
        """Return the shapes of a state, without the batch, for frames of a size."""
        shapes: list[tuple[int, ...]] = [()]
        height, width = _halved(height), _halved(width)  # the stem
        for _, block in self._each_block():
            if block.stride == 2:
                height, width = _halved(height), _halved(width)
            shapes += block.memory_shapes(height, width)
        return [*shapes, (self.head_widen.in_features,)]


CUBE: Triple = (3, 3, 3)
LONG: Triple = (5, 3, 3)
WIDE: Triple = (1, 5, 5)
FLAT: Triple = (1, 3, 3)

A0 = Architecture(
    stem=8,
    stages=(
        Stage(width=8, blocks=((24, WIDE),)),
        Stage(width=32, blocks=((80, CUBE),) * 3),
        Stage(width=56, blocks=((184, LONG), (112, CUBE), (184, CUBE))),
        Stage(width=56, stride=1, blocks=((184, LONG), *((184, CUBE),) * 3)),
        Stage(width=104, blocks=((384, LONG), (280, WIDE), (280, WIDE), (344, WIDE))),
    ),
    head=480,
    size=172,
)
A1 = Architecture(
    stem=16,
    stages=(
        Stage(width=16, blocks=((40, WIDE), (40, CUBE))),
        Stage(width=40, blocks=((96, CUBE), (120, CUBE), (96, CUBE), (96, CUBE))),
        Stage(width=64, blocks=((216, LONG), *((n, CUBE) for n in (128, 216, 168, 216)))),
        Stage(
            width=64,
            stride=1,
            blocks=(
                (216, LONG),
                (216, CUBE),
                (216, CUBE),
                (128, CUBE),
                (128, WIDE),
                (216, CUBE),
            ),
        ),
        Stage(
            width=136,
            blocks=(
                (456, LONG),
                *((360, WIDE),) * 3,
                (456, WIDE),
                (456, CUBE),
                (544, FLAT),
            ),
        ),
    ),
    head=600,
    size=172,
)
A2 = Architecture(
    stem=16,
    stages=(
        Stage(width=16, blocks=((40, WIDE), (40, CUBE), (64, CUBE))),
        Stage(width=40, blocks=tuple((n, CUBE) for n in (96, 120, 96, 96, 120))),
        Stage(width=72, blocks=((240, LONG), *((n, CUBE) for n in (160, 240, 192, 240)))),
        Stage(
            width=72,
            stride=1,
            blocks=((240, LONG), *((240, CUBE),) * 3, (144, WIDE), (240, CUBE)),
        ),
        Stage(
            width=144,
            blocks=(
                (480, LONG),
                *((n, WIDE) for n in (384, 384, 480, 480)),
                (480, CUBE),
                (576, FLAT),
            ),
        ),
    ),
    head=640,
    size=224,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one of the six networks."""

    architecture: Architecture
    stream: bool
    parameters: int
    macs: int
    """Of a clip of 50 frames."""
    file: str
    """Of the published weights."""
    top1: float
    top5: float


VARIANTS = {
    "movinet_a0_base_kinetics600": Variant(
        architecture=A0,
        stream=False,
        parameters=3_111_799,
        macs=2_630_733_808,
        file="modelA0_statedict_v3",
        top1=72.28,
        top5=90.92,
    ),
    "movinet_a1_base_kinetics600": Variant(
        architecture=A1,
        stream=False,
        parameters=4_690_296,
        macs=5_865_612_704,
        file="modelA1_statedict_v3",
        top1=76.69,
        top5=93.40,
    ),
    "movinet_a2_base_kinetics600": Variant(
        architecture=A2,
        stream=False,
        parameters=5_249_562,
        macs=11_558_071_168,
        file="modelA2_statedict_v3",
        top1=78.62,
        top5=94.17,
    ),
    "movinet_a0_stream_kinetics600": Variant(
        architecture=A0,
        stream=True,
        parameters=3_748_031,
        macs=2_426_445_040,
        file="modelA0_stream_statedict_v3",
        top1=72.05,
        top5=90.63,
    ),
    "movinet_a1_stream_kinetics600": Variant(
        architecture=A1,
        stream=True,
        parameters=6_447_352,
        macs=5_540_325_200,
        file="modelA1_stream_statedict_v3",
        top1=76.45,
        top5=93.25,
    ),
    "movinet_a2_stream_kinetics600": Variant(
        architecture=A2,
        stream=True,
        parameters=7_326_962,
        macs=10_700_453_120,
        file="modelA2_stream_statedict_v3",
        top1=78.40,
        top5=94.05,
    ),
}

WEIGHTS_FOLDER = "https://raw.githubusercontent.com/Atze00/MoViNet-pytorch/main/weights"


def _weights(variant: Variant) -> Weights:
    return Weights(
        tag="atze00",
        files=(File(url=f"{WEIGHTS_FOLDER}/{variant.file}"),),
        license="MIT",
        source="Atze00/MoViNet-pytorch",
        # Of the TensorFlow weights that these were converted from; nobody measured these.
        metrics=accuracy(
            variant.top1,
            variant.top5,
            dataset="kinetics600",
            views=Views(),
            measured_by="TensorFlow Model Garden",
        ),
    )


def _summary(name: str, variant: Variant) -> str:
    size = name.split("_")[1].upper()
    if variant.stream:
        return f"MoViNet-{size} Stream: for live video, frame by frame; 600 actions."
    return f"MoViNet-{size} Base: small, for ten seconds at once; 600 actions."


def _spec(name: str, variant: Variant) -> ModelSpec:
    side = variant.architecture.size
    return ModelSpec(
        name=name,
        family="movinet",
        summary=_summary(name, variant),
        dataset="kinetics600",
        input=InputSpec(
            frames=50,
            fps=Fraction(5),
            resize=Resize(rule="short_side", height=side, width=side),
            height=side,
            width=side,
        ),
        labels=load_labels("kinetics600"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="MIT",
        weights=(_weights(variant),),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> MoViNet | StreamMoViNet:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name]
    network = StreamMoViNet if variant.stream else MoViNet
    return network(variant.architecture, num_classes=len(spec.labels))


def _in_three_dimensions(state: State) -> State:
    """Give every weight our shape: convolutions over time, rows, columns; linear layers as such.

    In stream networks theirs convolve frames one by one (C, 1, H, W), or time by a kernel of
    (frames, 1) (C, 1, T, 1); their linear layers are convolutions of one position.
    """
    return {name: _reshaped(name, tensor) for name, tensor in state.items()}


def _reshaped(name: str, tensor: Tensor) -> Tensor:
    if name in ("head_widen.weight", "classifier.weight"):
        return tensor.flatten(1)
    if tensor.ndim == 4:
        return tensor[..., None] if ".temporal." in name else tensor[:, :, None]
    return tensor


FORMATS = (
    Format(
        source="Atze00/MoViNet-pytorch",
        mark=r"blocks\.b0_l0\.alpha",
        renames=(
            (r"^blocks\.b(\d+)_l(\d+)\.", r"blocks.\1.\2."),
            (r"\.deep\.conv_2\.", ".temporal."),
            (r"\.deep\.", ".depthwise."),
            (r"\.conv_1\.", "."),
            (r"\.se\.fc1\.conv[23]d\.", ".squeeze_excite.squeeze."),
            (r"\.se\.fc2\.conv[23]d\.", ".squeeze_excite.excite."),
            (r"\.conv[23]d\.", ".conv."),
            (r"\.res\.[01]\.", ".shortcut."),
            (r"\.alpha$", ".scale"),
            (r"^conv1\.", "stem."),
            (r"^conv7\.", "head_expand."),
            (r"^classifier\.0\.conv\.", "head_widen."),
            (r"^classifier\.3\.conv\.", "classifier."),
        ),
        finish=_in_three_dimensions,
    ),
)

REFERENCES: Mapping[str, Callable[[], MoViNet | StreamMoViNet]] = {
    spec.name.removesuffix("_kinetics600"): partial(build, spec)
    for spec in SPECS[:-1]  # the last, A2 stream, was not recorded
}
