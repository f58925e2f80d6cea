"""An encoder and a decoder, run file by file, beside the one network that they are together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.openvino_backend import SPEC_PATH, OpenVINOBackend
from actionzoo.errors import BadWeights
from actionzoo.omz import assemble
from test_omz import SPEC, WIDTH, decoder, encoder, in_turn, pixels, publish, published


def carrying_their_spec(folder: Path) -> list[Path]:
    networks = {"encoder": encoder(), "decoder": decoder()}
    for network in networks.values():
        network.set_rt_info(SPEC.to_json(), SPEC_PATH)
    return [file for name, one in networks.items() for file in publish(folder, name, one)]


def test_both_files_one_after_the_other_are_the_whole(tmp_path: Path) -> None:
    files = carrying_their_spec(tmp_path)
    clips = pixels(3)
    expected = OpenVINOBackend(assemble(files, SPEC, tmp_path / "whole.xml"))(clips)
    backend = CompositeBackend(files[0], files[2])
    assert backend.spec == SPEC
    np.testing.assert_allclose(backend.submit(clips).result(), expected, rtol=1e-5)


def test_without_a_spec_of_their_own_one_is_needed(tmp_path: Path) -> None:
    files = published(tmp_path)
    with pytest.raises(BadWeights, match="is a model without a spec"):
        CompositeBackend(files[0], files[2])
    backend = CompositeBackend(files[0], files[2], spec=SPEC)
    assert backend.spec == SPEC
    np.testing.assert_allclose(backend(pixels(1)), in_turn(files, pixels(1)[0]), rtol=1e-5)


def test_frames_are_encoded_one_by_one(tmp_path: Path) -> None:
    """So that a stream need see each of them once."""
    encoder_file, _, decoder_file, _ = published(tmp_path)
    backend = CompositeBackend(encoder_file, decoder_file, spec=SPEC)
    (clip,) = pixels(1)
    embeddings = [backend.encode(frame[None]) for frame in clip.transpose(1, 0, 2, 3)]
    assert embeddings[0].shape == (1, WIDTH)
    np.testing.assert_array_equal(backend.decode(np.stack(embeddings, 1)), backend(clip[None]))


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("walk", "run")},
        {"input": replace(SPEC.input, height=32)},
        {"input": replace(SPEC.input, frames=5)},
    ],
)
def test_files_of_another_model_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    files = published(tmp_path)
    with pytest.raises(BadWeights, match="are not an encoder and a decoder for"):
        CompositeBackend(files[0], files[2], spec=replace(SPEC, **changes))


def test_files_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    files = published(tmp_path)
    with pytest.raises(BadWeights, match="are not an encoder and a decoder for"):
        CompositeBackend(files[2], files[0], spec=SPEC)
