from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from actionzoo.checkpoints import read_state
from actionzoo.errors import BadWeights
from actionzoo.models import x3d


def small_model(num_classes: int = 4) -> x3d.X3D:
    return x3d.X3D(depths=(1, 1, 1, 1), pool=(1, 1, 1), num_classes=num_classes)


@pytest.fixture(scope="module")
def saved() -> nn.Module:
    return small_model()


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(as_zip: bool, tmp_path: Path) -> None:
    bomb = {"state_dict": Bomb(tmp_path / "exploded")}
    torch.save(bomb, tmp_path / "bomb.pth", _use_new_zipfile_serialization=as_zip)
    with pytest.raises(BadWeights, match=r"bomb\.pth' holds more than tensors.*nothing was run"):
        read_state(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "only points to a file in Git LFS",
        ),
        (b"just some words", "is damaged, cut off or no checkpoint"),
        (bytes(range(256)) * 9, "is damaged, cut off or no checkpoint"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_checkpoint_is_called_what_it_is(
    content: bytes, sentence: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"some{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=f"some{suffix}' {sentence}"):
        read_state(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_checkpoint_is_refused(saved: nn.Module, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"some{suffix}"
    write = save_file if suffix == ".safetensors" else torch.save
    write(saved.state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadWeights, match="is damaged, cut off"):
        read_state(path)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.pth", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(BadWeights, match="is damaged, cut off or no checkpoint"):
        read_state(tmp_path / "some.pth")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], 5, {}])
def test_a_checkpoint_without_tensors_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "some.pth")
    with pytest.raises(BadWeights, match="holds no tensors"):
        read_state(tmp_path / "some.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="there is no weights file"):
        read_state(tmp_path / "none.pth")
