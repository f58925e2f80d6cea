"""An encoder and a decoder, run file by file, beside the one network that they are together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.openvino_backend import SPEC_PATH, OpenVINOBackend
from actionzoo.errors import BadWeights
from actionzoo.omz import assemble
from test_omz import SPEC, decoder, encoder, pixels, publish, published


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
