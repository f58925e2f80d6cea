"""Preprocessing as a part of the graph: frames of any size go in, as a camera or file gives them.

The frames are scaled, cropped and normalised as the spec says. What the reader leaves to the
decoder's library is done here by two matrices, one from the rows of a frame to those of the crop,
one from columns to columns: dense operators that every engine has, of which only the axis that is
summed over is of any size.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from actionzoo.backends.axes import arranged
from actionzoo.conversion.pieces import BATCH, Piece, file_stem
from actionzoo.errors import ConfigError
from actionzoo.spec import ColorOrder, InputSpec, ModelSpec, Resize, Rounding

LAYOUT = "BTHWC"
"""Axes of frames as decoders give them."""


def with_preprocessing(
    model: nn.Module, spec: ModelSpec, *, color: ColorOrder
) -> tuple[nn.Module, ModelSpec]:
    """Put preprocessing before a model and scores behind it.

    Args:
        model: A network of the zoo's contract; it is left in eval mode.
        spec: What it eats and says.
        color: Order of the channels of the frames.

    Returns:
        A module from frames (B, T, H, W, C) uint8 to scores (B, K), for any H and W, which sees the
        centre crop; and its spec.

    Raises:
        ConfigError: The model does not look at pictures.
    """
    if spec.input.channels != 3:
        raise ConfigError(
            f"{spec.name!r} looks at optical flow, which is not computed from frames; export it "
            "without --embed-preprocessing"
        )
    turned = spec.input.color != color
    order = slice(None, None, -1) if turned else slice(None)
    module = nn.Sequential(Preprocessing(spec.input, turned=turned), model)
    if spec.input.output == "logits":
        module.append(nn.Sigmoid() if spec.several_labels else nn.Softmax(dim=-1))
    whole = replace(
        spec.input,
        whole_frames=True,
        color=color,
        mean=spec.input.mean[order],
        std=spec.input.std[order],
        layout=LAYOUT,
        input_name="frames",
        output_name="scores",
        output="scores",
    )
    views = replace(spec.views, crops=1, average="scores")
    return module.eval(), replace(spec, input=whole, views=views)


def whole_frames_piece(model: nn.Module, spec: ModelSpec, *, color: ColorOrder) -> Piece:
    """Return a model with preprocessing as one piece, from frames of any size to scores.

    Raises:
        ConfigError: The model does not look at pictures.
    """
    module, whole = with_preprocessing(model, spec, color=color)
    # No size that the model itself has: an axis as long as another is taken to be the same.
    example = torch.zeros(2, whole.input.frames, 63, 93, 3, dtype=torch.uint8)
    return Piece(
        name=file_stem(spec),
        module=module,
        example=(example,),
        inputs=(whole.input.input_name,),
        outputs=(whole.input.output_name,),
        spec=whole,
        feed=lambda clips: [(arranged(clips.astype("uint8"), LAYOUT),)],
        free=({0: BATCH, 2: "height", 3: "width"},),
    )


class Preprocessing(nn.Module):
    """Scale, crop and normalise frames.

    (B, T, H, W, C) uint8 -> clips in the spec's layout, float32.

    Args:
        spec: What the network behind it is fed.
        turned: Whether the frames' channels are in the other order.
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, spec: InputSpec, *, turned: bool) -> None:
        super().__init__()
        self.spec, self.turned = spec, turned
        low, high = spec.value_range
        mean, std = (torch.tensor(one).reshape(-1, 1, 1, 1) for one in (spec.mean, spec.std))
        self.register_buffer("factor", (high - low) / 255 / std, persistent=False)
        self.register_buffer("offset", (low - mean) / std, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        batch, time, height, width, channels = frames.shape
        rows, columns = self._matrices(height, width)
        pixels = frames.reshape(batch * time, height, width * channels).float()
        # The product of a batch, for matmul would copy all frames.
        pixels = torch.bmm(rows.expand(batch * time, -1, -1), pixels)  # (B * T, h, W * C)
        pixels = pixels.reshape(batch, time, self.spec.height, width, channels)
        pixels = nn.functional.linear(pixels.permute(0, 4, 1, 2, 3), columns)  # (B, C, T, h, w)
        if self.turned:
            pixels = pixels.flip(1)
        return _arranged(pixels * self.factor + self.offset, self.spec.layout)

    def _matrices(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return what makes rows of rows (h, H), and columns of columns (w, W)."""
        spec = self.spec
        # As tensors: OpenVINO knows no minimum and maximum of sizes.
        device = self.factor.device
        sides = [torch.full((), side, dtype=torch.int64, device=device) for side in (height, width)]
        rows, columns = resized_sides(spec.resize, *sides)
        rounding = spec.crop_rounding
        return (
            crop_weights(height, rows, spec.height, rounding),
            crop_weights(width, columns, spec.width, rounding),
        )


def _arranged(clips: Tensor, layout: str) -> Tensor:
    """Put the axes of clips (B, C, T, H, W) in the order of a layout."""
    turned = clips.permute(["BCTHW".index(axis) for axis in layout if axis != "S"])
    return turned.unsqueeze(layout.index("S")) if "S" in layout else turned


def resized_sides(resize: Resize, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Do what ``transforms.resized_size`` does, for sides that are known when the graph is run.

    Args:
        resize: The rule.
        height: Shape (), int64, at least 1.
        width: Likewise.
    """
    rows, columns = torch.full_like(height, resize.height), torch.full_like(width, resize.width)
    if resize.rule == "squash":
        return rows, columns
    # A whole bound may be put on a number before or after it is rounded.
    bound = torch.maximum if resize.rule == "short_side" else torch.minimum
    new_height = bound(rows, divided(height * columns, width, resize.rounding))
    new_width = bound(columns, divided(width * rows, height, resize.rounding))
    return new_height.clamp(min=1), new_width.clamp(min=1)


def divided(number: Tensor, by: Tensor | int, rounding: Rounding) -> Tensor:
    """Return ``transforms.round_by`` of a quotient of whole numbers, none of them negative.

    >>> [int(divided(torch.tensor(5), 2, how)) for how in ("floor", "round", "ceil")]
    [2, 2, 3]
    """
    if rounding == "ceil":
        return (number + by - 1) // by
    whole = number // by
    if rounding == "floor":
        return whole
    rest = number - whole * by
    return whole + (2 * rest + whole % 2 > by).long()


def crop_weights(side: int, resized: Tensor, crop: int, rounding: Rounding) -> Tensor:
    """Return how much of each pixel of a side is in each pixel of the centre crop.

    A triangle as wide as two pixels of the larger of both pictures, centred; what it would take
    from beyond the border it takes from the border, as swscale's bilinear filter does.

    Args:
        side: Pixels of the frame.
        resized: How many they become, shape () int64.
        crop: Pixels of the crop.
        rounding: How half an odd margin becomes whole.

    Returns:
        Shape (crop, side) float32; each row sums to 1, or to 0 where the scaled frame does not
        reach.
    """
    # 2 * crop is there and gone again so that nothing is negative, and even so that halves stay.
    first = divided(resized + 3 * crop, 2, rounding) - 2 * crop
    wanted = torch.arange(crop, device=resized.device) + first
    places = torch.minimum(wanted.clamp(min=0), resized - 1)
    # In whole numbers, of which a side is 2 * side * resized long: exact even where an engine
    # computes in 16 bits.
    reach = 2 * resized.clamp(min=side)
    centres = ((2 * places + 1) * side)[:, None]
    pixels = torch.arange(side, device=resized.device)
    distances = (2 * pixels + 1) * resized - centres
    weights = (reach - distances.abs()).clamp(min=0) / reach
    before = _beyond(reach + distances[:, :1], reach, resized) * (pixels == 0)
    behind = _beyond(reach - distances[:, -1:], reach, resized) * (pixels == side - 1)
    weights = weights + before + behind
    return weights / weights.sum(1, keepdim=True) * (wanted == places)[:, None]


def _beyond(height: Tensor, reach: Tensor, resized: Tensor) -> Tensor:
    """Sum the weights of the pixels behind the border.

    Args:
        height: Of the triangle at the border, where ``reach`` is its whole height.
        reach: See ``crop_weights``; a pixel further on, it is lower by 2 * ``resized``.
        resized: Likewise.
    """
    height = height.clamp(min=0)
    pixels = height // (2 * resized)
    return pixels * ((height - resized * (pixels + 1)) / reach)
