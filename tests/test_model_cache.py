"""Compiled networks that are kept: taken again, never stale, never in the way."""

import os

import numpy as np
import pytest

from actionzoo.backends import model_cache
from actionzoo.backends.openvino_backend import OpenVINOBackend, import_openvino
from colour_model import SPEC, write_network

openvino = import_openvino()
CLIP = np.random.default_rng(0).random((1, *SPEC.input.shape), np.float32)


@pytest.fixture
def compiled(monkeypatch):
    """Return a list of whether each network was taken from the folder."""
    seen = []
    real = model_cache._note

    def note(folder, before, *, taken):
        seen.append(taken)
        real(folder, before, taken=taken)

    monkeypatch.setattr(model_cache, "_note", note)
    return seen


def write(path, factor=10.0):
    """Write a network with enough parameters that OpenVINO keeps them in the ``.bin``."""
    ops = openvino.opset13
    clip = ops.parameter([-1, *SPEC.input.shape], np.float32, name="clip")
    kernel = np.full((3, 3, 1, 1, 1), factor, np.float32) * np.eye(3)[..., None, None, None]
    scaled = ops.convolution(clip, kernel.astype(np.float32), [1] * 3, [0] * 3, [0] * 3, [1] * 3)
    network = openvino.Model([ops.reduce_mean(scaled, [2, 3, 4])], [clip], "colours")
    network.inputs[0].set_names({"clip"})
    network.outputs[0].set_names({"logits"})
    network.set_rt_info(SPEC.to_json(), ["actionzoo", "spec"])
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


def answer(path, cache, **options):
    return OpenVINOBackend(path, cache=cache, **options)(CLIP)


def blobs(cache):
    return sorted(cache.rglob("*.blob"))


def test_the_second_start_takes_what_the_first_has_compiled(compiled, tmp_path):
    path, cache = write(tmp_path / "a.xml"), tmp_path / "cache"
    answers = [answer(path, cache) for _ in range(3)]
    assert compiled == [False, True, True]
    for one in answers:
        np.testing.assert_allclose(one, 10 * CLIP.mean((2, 3, 4)), rtol=1e-5)
    assert len(blobs(cache)) == 1


def test_a_changed_file_is_compiled_anew_and_leaves_nothing_behind(compiled, tmp_path):
    path, cache = write(tmp_path / "a.xml"), tmp_path / "cache"
    times = path.stat()
    answer(path, cache)
    write(path, factor=7.0)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    np.testing.assert_allclose(answer(path, cache), 7 * CLIP.mean((2, 3, 4)), rtol=1e-5)
    assert compiled == [False, False]
    assert len(blobs(cache)) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "unsigned"])
def test_a_damaged_entry_does_not_hurt(damage, compiled, tmp_path):
    path, cache = write(tmp_path / "a.xml"), tmp_path / "cache"
    answer(path, cache)
    (blob,) = blobs(cache)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.chmod(0o600)
    if damage == "unsigned":
        blob.with_suffix(".sha256").unlink()
    else:
        blob.write_bytes({"flip": content, "cut": content[:200], "empty": b""}[damage])
    for _ in range(2):
        np.testing.assert_allclose(answer(path, cache), 10 * CLIP.mean((2, 3, 4)), rtol=1e-5)
    assert compiled == [False, False, True]


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    path = write_network(tmp_path / "a.xml")
    (tmp_path / "file").write_text("in the way")
    answer(path, tmp_path / "file" / "cache")


def test_an_entry_that_the_device_does_not_take_back_is_the_last(tmp_path):
    folder = tmp_path / "cache" / "a"
    folder.mkdir(parents=True)
    kept = folder / "1.blob"
    kept.write_bytes(b"a network")
    model_cache._note(folder, [kept], taken=False)
    assert (folder / "unusable").exists()


def test_what_was_not_used_for_longest_gives_way(monkeypatch, tmp_path):
    monkeypatch.setattr(model_cache, "KEPT", 2)
    cache = tmp_path / "cache"
    paths = [write(tmp_path / f"{number}.xml") for number in range(3)]
    answer(paths[0], cache)
    (first,) = cache.iterdir()
    answer(paths[1], cache)
    os.utime(first, (1, 1))
    answer(paths[2], cache)
    assert len(list(cache.iterdir())) == 2
    assert not first.exists()


def test_a_reshaped_network_is_not_kept(tmp_path):
    from dataclasses import replace

    path, cache = write(tmp_path / "a.xml"), tmp_path / "cache"
    answer_of_fewer = OpenVINOBackend(path, cache=cache, fed=replace(SPEC.input, frames=2))
    assert answer_of_fewer(CLIP[:, :, :2]).shape == (1, 3)
    assert not cache.exists()


@pytest.mark.parametrize("device", ["AUTO:CPU", "hetero:cpu"])
def test_devices_that_hand_work_on_keep_theirs_too(device, tmp_path):
    path, cache = write(tmp_path / "a.xml"), tmp_path / "cache"
    for _ in range(2):
        got = answer(path, cache, device=device)
        np.testing.assert_allclose(got, 10 * CLIP.mean((2, 3, 4)), rtol=1e-5)
    assert len(list(cache.iterdir())) == 1
