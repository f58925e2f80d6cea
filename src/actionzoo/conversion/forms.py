"""The forms in which a model leaves: one file or several, and which tensors they have.

- ``clip``: one file, from clips to logits, with whatever axes a deployment expects.
- ``omz``: as Open Model Zoo documents the family. VTN is an encoder and a decoder (``parts``).
  Inception I3D takes pixels, ``Placeholder``, in either documented layout, ``1,79,224,224,3`` or
  ``1,79,3,224,224``, normalises them inside, and ends in ``Softmax``.
- ``step``: one step of a streaming model (``stepping``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from actionzoo.conversion.adapting import adapted
from actionzoo.conversion.parts import composite
from actionzoo.conversion.pieces import FRAMES, Piece, whole_model, with_batch
from actionzoo.conversion.stepping import step_piece
from actionzoo.errors import ConfigError
from actionzoo.models.vtn import VTN
from actionzoo.spec import ModelSpec

FormName = Literal["clip", "omz", "step"]
Free = Literal["dynamic"]
"""Of a size: as many as there are when the file is used."""

VARIABLE_LENGTH = ("i3d_inception",)
"""Families whose files compute what the network does for a clip of any length. Those of others
cannot be traced so, or hold a length somewhere inside and compute something else without a word."""
LONG = 64
"""Frames of the clip by which such a network is traced; on a short one a head's window shrinks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The form that a user wants; None leaves it to the model."""

    form: FormName | None = None
    layout: str | None = None
    """Axes of the clips, in the letters that ``parse_layout`` knows."""
    frames: int | Free | None = None
    """Of a clip."""
    batch: int | Free | None = None
    """Clips at a time. What documents have a batch of 1 for is so unless told otherwise."""


def default_form(spec: ModelSpec) -> FormName:
    """Return the form in which a model is published: Open Model Zoo's, if that documents it."""
    vtn_of_pixels = spec.family == "vtn" and spec.input.color == "BGR"
    return "omz" if vtn_of_pixels or spec.name == "i3d-rgb-tf" else "clip"


def pieces(model: nn.Module, spec: ModelSpec, wanted: Wanted) -> list[Piece]:
    """Return the files to be that a model becomes in a form.

    Args:
        model: A network of the zoo's contract; it is left in eval mode.
        spec: What it eats and says.
        wanted: The form.

    Raises:
        ConfigError: The model does not have the form, or cannot be fed such clips.
    """
    form = wanted.form or default_form(spec)
    if form == "step":
        made, batch = _step(model, spec, wanted), wanted.batch
    elif form == "omz":
        made, batch = _open_model_zoo(model, spec, wanted), wanted.batch or 1
    else:
        made = [_clip(model, spec, wanted)]
        # Files that count views beside clips are fed one clip at a time.
        batch = wanted.batch or (1 if "S" in made[0].spec.input.layout else None)
    return [with_batch(one, batch) for one in made] if isinstance(batch, int) else made


def parse_layout(text: str) -> str:
    """Read a layout as Open Model Zoo and OTX write them: N for the batch, D for frames.

    Raises:
        ConfigError: It does not name each axis of a clip once.

    >>> parse_layout("NSCTHW"), parse_layout("NDHWC")
    ('BSCTHW', 'BTHWC')
    """
    letters = text.upper().replace("N", "B")
    if "T" not in letters:
        letters = letters.replace("D", "T")
    if sorted(letters) not in (sorted("BCTHW"), sorted("BCTHWS")):
        raise ConfigError(
            f"layout is {text!r}; it has N (batch), C, T or D (frames), H and W once each, in the "
            "order of the axes, and S where there is one for views, such as NCTHW, NDHWC or NSCTHW"
        )
    return letters


def _step(model: nn.Module, spec: ModelSpec, wanted: Wanted) -> list[Piece]:
    if wanted.layout is not None or wanted.frames is not None:
        raise ConfigError(
            "a step takes one frame at a time, (B, C, H, W); leave out the layout and the number "
            "of frames"
        )
    return [step_piece(model.eval(), spec)]


def _open_model_zoo(model: nn.Module, spec: ModelSpec, wanted: Wanted) -> list[Piece]:
    if spec.family == "vtn":
        assert isinstance(model, VTN)
        return _composite(model, spec, wanted)
    if spec.family == "i3d_inception" and spec.input.channels == 3:
        return [_i3d(model, spec, wanted)]
    raise ConfigError(
        f"Open Model Zoo documents no form for {spec.name!r}; it does for VTN and for Inception "
        "I3D on RGB frames: use the form clip"
    )


def _composite(model: VTN, spec: ModelSpec, wanted: Wanted) -> list[Piece]:
    if wanted.layout is not None:
        raise ConfigError(
            f"layout is {wanted.layout!r}, but the encoder of {spec.name!r} takes frames, NCHW; "
            "leave it out, or use the form clip"
        )
    if wanted.frames == "dynamic":
        raise _fixed_length(spec)
    return composite(model, with_frames(model, spec, wanted.frames))


def _i3d(model: nn.Module, spec: ModelSpec, wanted: Wanted) -> Piece:
    """Return an Inception I3D from ``Placeholder``, pixels, to ``Softmax``."""
    layout = "BTHWC" if wanted.layout is None else parse_layout(wanted.layout)
    spec = with_frames(model, spec, wanted.frames)
    module, pixels = adapted(model, spec, layout=layout, color="RGB", scores=True)
    named = replace(pixels.input, input_name="Placeholder", output_name="Softmax")
    return _of_any_length(whole_model(module, replace(pixels, input=named)), wanted)


def _clip(model: nn.Module, spec: ModelSpec, wanted: Wanted) -> Piece:
    """Return a model from clips, whose axes may be asked for, to logits."""
    spec = with_frames(model, spec, wanted.frames)
    if wanted.layout is not None:
        model, spec = adapted(model, spec, layout=parse_layout(wanted.layout))
    return _of_any_length(whole_model(model, spec), wanted)


def with_frames(model: nn.Module, spec: ModelSpec, frames: int | Free | None) -> ModelSpec:
    """Return the spec for clips of another length.

    Raises:
        ConfigError: The network cannot take them.
    """
    if frames is None or frames in ("dynamic", spec.input.frames):
        return spec
    if int(frames) < 1:
        raise ConfigError(f"frames is {frames}; a clip has at least 1")
    changed = replace(spec, input=replace(spec.input, frames=int(frames)))
    try:
        # Only shapes are computed.
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            shape = model.eval()(torch.zeros(2, *changed.input.shape)).shape
    except RuntimeError as error:
        raise _cannot_take(changed, str(error).splitlines()[0]) from error
    if shape != (2, len(spec.labels)):
        raise _cannot_take(changed, f"it makes {tuple(shape)} of them")
    return changed


def _cannot_take(spec: ModelSpec, reason: str) -> ConfigError:
    return ConfigError(
        f"{spec.name!r} cannot take clips of {spec.input.frames} frames ({reason}); leave the "
        "number of frames out, or give another"
    )


def _of_any_length(piece: Piece, wanted: Wanted) -> Piece:
    """Return a piece whose clips may be of any length, if that is wanted.

    Raises:
        ConfigError: The network is not known to compute the same then.
    """
    if wanted.frames != "dynamic":
        return piece
    if piece.spec.family not in VARIABLE_LENGTH:
        raise _fixed_length(piece.spec)
    (axes,), (example,) = piece.axes(), piece.example
    time = piece.spec.input.layout.index("T")
    sizes = list(example.shape)
    sizes[time] = max(sizes[time], LONG)
    return replace(piece, example=(torch.zeros(sizes),), free=({**axes, time: FRAMES},))


def _fixed_length(spec: ModelSpec) -> ConfigError:
    return ConfigError(
        f"{spec.name!r} is made for clips of one length; give their number of frames instead of "
        f"dynamic (only {', '.join(VARIABLE_LENGTH)} leaves it open)"
    )
