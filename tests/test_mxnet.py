"""MXNet's files against a recorded one, in every version, and damaged in every way."""

from __future__ import annotations

import contextlib
import json
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import mxnet_files
from actionzoo.checkpoints import mxnet, read_state
from actionzoo.errors import BadWeights

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 7,
    "norm.running_mean": np.array([0.5, -1], np.float16),
    "steps": np.array([-3, 1 << 40], np.int64),
}


@pytest.fixture(scope="module")
def sample() -> bytes:
    return mxnet_files.params(ARRAYS)


def read(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    path.write_bytes(data)
    return mxnet.read(path)


def same(state: dict[str, torch.Tensor], arrays: dict[str, np.ndarray]) -> bool:
    return list(state) == list(arrays) and all(
        torch.equal(state[name], torch.from_numpy(array)) and state[name].shape == array.shape
        for name, array in arrays.items()
    )


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mxnet_sample.params", "mxnet_sample_arg.params"])
def test_a_recorded_file(shared: Path, name: str) -> None:
    recorded = json.loads((shared / "reference" / "mxnet_sample.json").read_text())
    path = shared / "reference" / name
    assert mxnet.recognises(path)
    state = mxnet.read(path)
    if "arg" in name:
        assert list(state) == ["conv0_weight", "bn0_moving_mean"]
        recorded = {
            "conv0_weight": recorded["features.0.0.weight"],
            "bn0_moving_mean": recorded["features.0.1.running_mean"],
        }
    arrays = {
        key: np.array(one["values"], one["dtype"]).reshape(one["shape"])
        for key, one in recorded.items()
    }
    assert same(state, arrays)


@pytest.mark.shared
def test_the_writer_writes_what_mxnet_wrote(shared: Path) -> None:
    path = shared / "reference" / "mxnet_sample.params"
    arrays = {name: tensor.numpy() for name, tensor in mxnet.read(path).items()}
    assert mxnet_files.params(arrays) == path.read_bytes()


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_every_version(tmp_path: Path, version: int) -> None:
    assert same(read(tmp_path / "a.params", mxnet_files.params(ARRAYS, version=version)), ARRAYS)


@pytest.mark.parametrize("dtype", mxnet_files.TYPES)
def test_every_type(tmp_path: Path, dtype: str) -> None:
    arrays = {"x": np.array([[0, 1, 1], [1, 0, 1]], dtype)}
    assert same(read(tmp_path / "a.params", mxnet_files.params(arrays)), arrays)


def test_bfloat16(tmp_path: Path) -> None:
    values = torch.tensor([1.5, -2.0, 0.0], dtype=torch.bfloat16)
    array = mxnet_files.array_bytes(values.view(torch.int16).numpy(), kind=12)
    state = read(tmp_path / "a.params", mxnet_files.file_of([array], ["x"]))
    assert torch.equal(state["x"], values)


def test_an_array_without_axes_is_a_number_in_version_3_alone(tmp_path: Path) -> None:
    number = np.array(2.5, np.float32)
    assert read(tmp_path / "a.params", mxnet_files.params({"x": number}, version=3))["x"] == 2.5
    with pytest.raises(BadWeights, match="0 axes"):
        read(tmp_path / "a.params", mxnet_files.params({"x": number}, version=2))


def test_read_state_takes_the_published_zip(tmp_path: Path) -> None:
    path = mxnet_files.write_params(tmp_path / "net-0123abcd.zip", ARRAYS)
    assert mxnet.recognises(path)
    assert same(read_state(path), ARRAYS)


def test_other_files_are_left_to_other_readers(tmp_path: Path) -> None:
    path = tmp_path / "other"
    torch.save({"x": torch.zeros(1)}, path)
    assert not mxnet.recognises(path)
    for data in (b"", b"PK", b"<html>", b"PK\x03\x04 and no zip"):
        path.write_bytes(data)
        assert not mxnet.recognises(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.params", "")
        archive.writestr("b.params", "")
    assert not mxnet.recognises(path)


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (mxnet_files.array_bytes(ARRAYS["steps"], storage=1), "sparse"),
        (mxnet_files.array_bytes(ARRAYS["steps"], kind=13), "type 13"),
        (mxnet_files.array_bytes(ARRAYS["steps"], kind=-1), "type -1"),
        (struct.pack("<IiiQ", 0xF993FAC9, 0, 1, 1 << 63), "shape"),
        (struct.pack("<Iii2q3i", 0xF993FAC9, 0, 2, 0, 1 << 62, 1, 0, 0), "cannot be used"),
        (struct.pack("<Iii", 0xF993FAC9, 0, -1), "-1 axes"),
        (struct.pack("<I", 33) + struct.pack("<33I", *range(33)), "33 axes"),
        (struct.pack("<I4I3i", 4, *[1 << 31] * 4, 1, 0, 0), "cut off"),
    ],
)
def test_arrays_that_are_no_parameters(tmp_path: Path, array: bytes, fault: str) -> None:
    with pytest.raises(BadWeights, match=fault):
        read(tmp_path / "a.params", mxnet_files.file_of([array], ["x"]))


@pytest.mark.parametrize("names", [[], ["x"], ["x", "y", "z"]])
def test_arrays_and_names_have_to_be_as_many(tmp_path: Path, names: list[str]) -> None:
    arrays = [mxnet_files.array_bytes(ARRAYS["steps"])] * 2
    with pytest.raises(BadWeights, match=f"2 arrays have {len(names)} names"):
        read(tmp_path / "a.params", mxnet_files.file_of(arrays, names))


def test_a_file_cut_anywhere(tmp_path: Path, sample: bytes) -> None:
    path = tmp_path / "a.params"
    for length in range(8, len(sample)):
        with pytest.raises(BadWeights):
            read(path, sample[:length])
    with pytest.raises(BadWeights, match="1 bytes follow"):
        read(path, sample + b"\0")


def test_a_lying_file_takes_no_memory(tmp_path: Path, sample: bytes) -> None:
    """Numbers overwritten at every place, by the most that fits and by what may seem to fit."""
    path = tmp_path / "a.params"
    tracemalloc.start()
    for place in range(8, len(sample) - 8):
        for lie in (b"\xff" * 7 + b"\x7f", b"\0\0\0\x40" * 2):
            with contextlib.suppress(BadWeights):
                read(path, sample[:place] + lie + sample[place + 8 :])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_random_damage(tmp_path: Path, sample: bytes) -> None:
    zipped = mxnet_files.write_params(tmp_path / "a.zip", ARRAYS).read_bytes()
    rng = random.Random(0)
    for kind, whole in (("params", sample), ("zip", zipped)):
        path = tmp_path / f"b.{kind}"
        for _ in range(500):
            damaged = bytearray(whole)
            for _ in range(rng.choice((1, 1, 2, 8))):
                byte = rng.choice((0, 1, 0x7F, 0xFF, rng.getrandbits(8)))
                damaged[rng.randrange(len(damaged))] = byte
            path.write_bytes(damaged[: rng.choice((len(whole), rng.randrange(len(whole))))])
            with contextlib.suppress(BadWeights):
                if mxnet.recognises(path):
                    mxnet.read(path)


def test_a_changed_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.params", mxnet_files.params(ARRAYS))
    data = bytearray(path.read_bytes())
    data[data.index(ARRAYS["conv.weight"].tobytes())] ^= 1
    with pytest.raises(BadWeights, match="damaged"):
        read(path, bytes(data))


def test_a_zip_bomb_is_not_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    size = 80 << 20
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.params", "w") as member,
    ):
        head = mxnet_files.params({"x": np.zeros(0, np.uint8)})[:-9]
        member.write(head[:36] + struct.pack("<q", size) + head[44:])
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    assert mxnet.recognises(path)
    tracemalloc.start()
    with pytest.raises(BadWeights, match="unfolds"):
        mxnet.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_path_outside_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.params", mxnet_files.params(ARRAYS))
    assert same(mxnet.read(path), ARRAYS)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["a.zip"]


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(mxnet_files.write_params(tmp_path / "a.zip", ARRAYS).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(BadWeights, match="encrypted"):
        read(tmp_path / "a.zip", bytes(data))
