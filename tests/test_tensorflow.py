from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from actionzoo.checkpoints import read_state, tensorflow
from actionzoo.errors import BadWeights
from actionzoo.zoo import create_model
from tensorflow_files import (
    field,
    frozen_graph,
    node,
    operation,
    shape_message,
    snap,
    snap_copy,
    snap_literal,
    variable,
    varint,
    write_checkpoint,
)

UNIT = "RGB/inception_i3d/Mixed_3b/Branch_0/Conv3d_0a_1x1"
ENDINGS = ("index", "data-00000-of-00001", "meta")


def tensors() -> dict[str, np.ndarray]:
    """Variables of three units, enough for several blocks of an index."""
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for unit in ("RGB/inception_i3d/Conv3d_1a_7x7", UNIT, "RGB/inception_i3d/Mixed_3c/Branch_0"):
        made[f"{unit}/conv_3d/w"] = rng.standard_normal((3, 1, 1, 2, 4)).astype(np.float32)
        for name in ("beta", "moving_mean", "moving_variance"):
            made[f"{unit}/batch_norm/{name}"] = rng.random((1, 1, 1, 1, 4)).astype(np.float32)
    return made


def same(state: dict[str, Tensor], expected: dict[str, np.ndarray]) -> None:
    assert sorted(state) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(state[name].numpy(), array, strict=True)


def graph(folder: Path, content: bytes) -> Path:
    path = folder / "rgb.frozen.pb"
    path.write_bytes(content)
    return path


def test_a_frozen_graph_gives_its_variables(tmp_path: Path) -> None:
    path = graph(tmp_path, frozen_graph(tensors()))
    assert tensorflow.recognises(path)
    same(read_state(path), tensors())


def test_the_published_names_fill_the_network(shared: Path, tmp_path: Path) -> None:
    """The listing has the names and shapes of DeepMind's own checkpoint."""
    listing = shared / "spec" / "state_dicts" / "i3d_tf_rgb_imagenet.txt"
    rows = [row.split("\t") for row in listing.read_text().splitlines() if "\t" in row]
    rng = np.random.default_rng(0)
    arrays = {name: rng.random(literal_eval(shape), np.float32) for name, shape in rows}
    model = create_model("i3d-rgb-tf", pretrained=graph(tmp_path, frozen_graph(arrays)))
    kernel = arrays["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"].transpose(4, 3, 0, 1, 2)
    assert any(np.array_equal(one.detach().numpy(), kernel) for one in model.parameters())


def test_its_ending_does_not_matter(tmp_path: Path) -> None:
    path = graph(tmp_path, frozen_graph(tensors()))
    same(read_state(path.rename(tmp_path / "downloaded")), tensors())


def test_one_number_stands_for_a_whole_tensor(tmp_path: Path) -> None:
    ones = field(1, 1) + field(2, shape_message((2, 3))) + field(5, np.float32(1).tobytes())
    content = node("beta", "Const", value=ones) + operation("beta/read", "Identity", "beta")
    assert torch.equal(read_state(graph(tmp_path, content))["beta"], torch.ones(2, 3))


def test_numbers_may_stand_one_by_one(tmp_path: Path) -> None:
    two = field(1, 1) + field(2, shape_message((2,))) + field(5, np.float32([1, 2]).tobytes())
    content = node("beta", "Const", value=two) + operation("beta/read", "Identity", "beta:0")
    assert torch.equal(read_state(graph(tmp_path, content))["beta"], torch.tensor([1.0, 2.0]))


def test_a_constant_of_another_type_is_no_parameter(tmp_path: Path) -> None:
    content = variable("step", np.int32([1, 2]))
    text = field(1, 7) + field(8, b"a note")
    content += node("note", "Const", value=text) + operation("read", "Identity", "note")
    assert list(read_state(graph(tmp_path, content))) == ["step"]


@pytest.mark.parametrize("given", ENDINGS)
@pytest.mark.parametrize("snappy", [False, True])
@pytest.mark.parametrize("per_block", [1, 5, 100])
def test_a_checkpoint_gives_its_variables(
    given: str, snappy: bool, per_block: int, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "model.ckpt", tensors(), snappy=snappy, per_block=per_block)
    path = tmp_path / f"model.ckpt.{given}"
    path.touch()
    assert tensorflow.recognises(path)
    same(read_state(path), tensors())


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<f2", "<i4", "<i8"])
def test_types_and_shapes_are_kept(kind: str, tmp_path: Path) -> None:
    expected = {
        "empty": np.zeros((0, 3), kind),
        "scalar": np.array(7, kind),
        "vector": np.arange(5).astype(kind),
    }
    same(read_state(write_checkpoint(tmp_path / "model.ckpt", expected)), expected)


def test_another_file_is_none_of_these(tmp_path: Path) -> None:
    for name in ("model.pth", "model.index"):
        torch.save({"weight": torch.ones(2)}, tmp_path / name)
        assert not tensorflow.recognises(tmp_path / name)
        assert read_state(tmp_path / name)["weight"].sum() == 2


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    index = write_checkpoint(tmp_path / "model.ckpt", tensors())
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    index.rename(tmp_path / "elsewhere")
    with pytest.raises(BadWeights, match=r"has no 'model\.ckpt\.index' beside it"):
        read_state(data)
    (tmp_path / "elsewhere").rename(index)
    data.unlink()
    with pytest.raises(BadWeights, match=r"has no 'model\.ckpt\.data-00000-of-00001' beside it"):
        read_state(index)


def test_several_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"in 3 shards.*sharded=False"):
        read_state(write_checkpoint(tmp_path / "model.ckpt", tensors(), shards=3))


DAMAGED = "is damaged, cut off or no checkpoint"


@pytest.mark.parametrize(
    "changes",
    [
        {4: 1 << 40},
        {5: 1 << 40},
        {5: 4},
        {2: shape_message((1 << 40, 1 << 20))},
        {2: shape_message((0, (1 << 64) - 1))},
        {2: shape_message((1,) * 9)},
        {2: 5},
        {1: b"float"},
    ],
)
def test_a_checkpoint_that_lies_is_refused(changes: dict[int, int | bytes], tmp_path: Path) -> None:
    name = f"{UNIT}/conv_3d/w"
    path = write_checkpoint(tmp_path / "model.ckpt", tensors(), changes={name: changes})
    with pytest.raises(BadWeights, match=DAMAGED):
        read_state(path)


@pytest.mark.parametrize("ending", ENDINGS[:2])
def test_a_changed_bit_is_noticed(ending: str, tmp_path: Path) -> None:
    index = write_checkpoint(tmp_path / "model.ckpt", tensors())
    path = tmp_path / f"model.ckpt.{ending}"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=DAMAGED):
        read_state(index)


def test_a_graph_that_lies_is_refused(tmp_path: Path) -> None:
    huge = field(1, 1) + field(2, shape_message((1 << 50,))) + field(5, b"\0\0\0\0")
    content = node("beta", "Const", value=huge) + operation("beta/read", "Identity", "beta")
    with pytest.raises(BadWeights, match=DAMAGED):
        read_state(graph(tmp_path, content))


def each_cut(content: bytes) -> list[bytes]:
    return [content[:size] for size in range(0, len(content), 13)]


def each_changed_byte(content: bytes) -> list[bytes]:
    return [
        content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        for place in range(0, len(content), 11)
    ]


@pytest.mark.parametrize("damage", [each_cut, each_changed_byte])
@pytest.mark.parametrize(
    ("kind", "checked"),
    [("graph", True), ("index", True), ("index", False), ("snappy", True), ("snappy", False)],
)
def test_damage_is_an_error_of_one_kind(
    damage: Callable[[bytes], list[bytes]],
    kind: str,
    checked: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the checksums fit, as those of a file do that was made to do harm."""
    if not checked:
        monkeypatch.setattr(tensorflow, "_verify", lambda data, stored: None)
    if kind == "graph":
        path = graph(tmp_path, frozen_graph(tensors()))
    else:
        path = write_checkpoint(tmp_path / "model.ckpt", tensors(), snappy=kind == "snappy")
    for content in damage(path.read_bytes()):
        path.write_bytes(content)
        with suppress(ValueError):
            assert all(isinstance(one, Tensor) for one in tensorflow.read(path).values())


@pytest.mark.parametrize("data", [b"", b"a", b"ab" * 500, bytes(100), bytes(range(256)) * 4])
def test_snappy_undoes_what_it_did(data: bytes) -> None:
    assert tensorflow._unsnap(memoryview(snap(data))) == data


def test_snappy_copies_from_far_away() -> None:
    far = np.random.default_rng(0).bytes(80000)
    stream = varint(len(far) + 60) + snap_literal(far[:40000]) + snap_literal(far[40000:])
    stream += snap_copy(70000, 60)
    assert tensorflow._unsnap(memoryview(stream)) == far + far[10000:10060]


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3720, appendix B.4, and the check value of CRC-32C."""
    for data, crc in (
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ):
        assert tensorflow.crc32c(np.frombuffer(data, np.uint8)) == crc
