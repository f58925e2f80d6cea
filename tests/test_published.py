"""Files in the published formats, from a server, through the real path, to the recorded logits."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mxnet_files
import reference
import tensorflow_files
import test_omz
from actionzoo import download, zoo
from actionzoo.catalog import get_spec
from actionzoo.download import file_name
from actionzoo.errors import BadWeights
from actionzoo.spec import File, Weights
from actionzoo.zoo import create_model

Arrays = dict[str, np.ndarray]
Write = Callable[[Path, Arrays], object]
SAMPLE = Path(__file__).parents[1] / "src" / "actionzoo" / "assets" / "sample.mp4"
I3D = "i3d_rgb_imagenet_kinetics400"


def tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(array) for name, array in arrays.items()}


def plain(path: Path, arrays: Arrays) -> None:
    torch.save(tensors(arrays), path)


def in_model_state(path: Path, arrays: Arrays) -> None:
    torch.save({"model_state": tensors(arrays), "epoch": 196}, path)


def parallel(path: Path, arrays: Arrays) -> None:
    state = {f"module.{name}": tensor for name, tensor in tensors(arrays).items()}
    torch.save({"state_dict": state}, path)


@pytest.fixture
def serve_weights(
    serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Weights]:
    """Make the files that lie in the served folder those that a model's tag stands for.

    Nothing but their checksums is changed: they are filled with other numbers than the real ones.
    """
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ACTIONZOO_MIRROR", serve)
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.001)

    def prepare(name: str, tag: str) -> Weights:
        family, spec = zoo.MODELS[name]
        weights = spec.choose_weights(tag)
        files = tuple(File(url=one.url, checksum=digest(tmp_path, one)) for one in weights.files)
        served = replace(weights, files=files)
        monkeypatch.setitem(zoo.MODELS, name, (family, replace(spec, weights=(served,))))
        return served

    return prepare


def digest(folder: Path, file: File) -> str:
    """Return the checksum of a served file in the kind that is published."""
    kind = file.checksum.partition(":")[0]
    content = (folder / file_name(file)).read_bytes()
    if file.url.endswith(".zip"):
        content = mxnet_files.unzipped(content)
    return f"{kind}:{hashlib.new(kind, content).hexdigest()}" if kind else ""


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tag", "stem", "write"),
    [
        ("resnet18_v1b_kinetics400", "854b23e4", "gluoncv_resnet18_v1b_kinetics400", plain),
        (
            "inceptionv1_kinetics400",
            "6dcdafb1",
            "gluoncv_mx_inceptionv1_kinetics400",
            mxnet_files.write_params,
        ),
        (
            "r2plus1d_resnet18_kinetics400",
            "5a14d1f9",
            "gluoncv_mx_r2plus1d_resnet18_kinetics400",
            mxnet_files.write_params,
        ),
        ("x3d_xs_kinetics400", "pytorchvideo", "pytorchvideo_x3d_xs", in_model_state),
        ("r3d_18_kinetics400", "torchvision", "torchvision_r3d_18", plain),
        ("movinet_a0_base_kinetics600", "atze00", "movinet_a0_base", parallel),
        (I3D, "piergiaj", "i3d_inceptionv1_rgb_64f", plain),
    ],
)
def test_published_weights_give_the_recorded_logits(
    name: str,
    tag: str,
    stem: str,
    write: Write,
    serve_weights: Callable[[str, str], Weights],
    tmp_path: Path,
) -> None:
    if stem not in reference.names():
        pytest.skip("the recorded references (../shared/reference) are not here")
    (file,) = get_spec(name).choose_weights(tag).files
    write(tmp_path / file_name(file), reference.arrays(stem))
    serve_weights(name, tag)
    assert reference.error(create_model(name, pretrained=tag).eval(), stem) < 1e-4


@pytest.mark.shared
def test_a_tensorflow_checkpoint_is_three_files(
    serve_weights: Callable[[str, str], Weights], shared: Path, tmp_path: Path
) -> None:
    arrays = reference.listed_arrays("i3d_tf_rgb_imagenet")
    tensorflow_files.write_checkpoint(tmp_path / "model.ckpt", arrays)
    (tmp_path / "model.ckpt.meta").write_bytes(b"the graph, which nobody reads")
    tag = get_spec(I3D).weights[0].tag
    serve_weights(I3D, tag)
    model = create_model(I3D, pretrained=tag)
    kernel = arrays["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"].transpose(4, 3, 0, 1, 2)
    assert any(np.array_equal(kernel, one.numpy()) for one in model.state_dict().values())


def test_a_truncated_download_is_refused_by_its_checksum(
    serve_weights: Callable[[str, str], Weights], tmp_path: Path
) -> None:
    name, tag = "resnet18_v1b_kinetics400", "854b23e4"
    path = tmp_path / "resnet18_v1b_kinetics400-854b23e4.pth"
    plain(path, {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)})
    serve_weights(name, tag)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadWeights, match="is not what was published: its sha1 is"):
        create_model(name, pretrained=tag)


def test_the_tag_is_that_of_one_set_of_weights(serve: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"no weights '00000000'.*'854b23e4', '46d5a985'"):
        create_model("resnet18_v1b_kinetics400", pretrained="00000000")


OMZ = "driver-action-recognition-adas-0002"


def test_openvino_files_predict_and_say_that_they_cannot_be_trained() -> None:
    with pytest.raises(BadWeights, match=f"predict but cannot be trained.*--model {OMZ}"):
        create_model(OMZ, pretrained=True)


WITHOUT_TORCH = """
import sys
from pathlib import Path
sys.modules["torch"] = None
from actionzoo import pretrained
from actionzoo.cli import main
from actionzoo.spec import ModelSpec
spec = ModelSpec.from_json(Path(sys.argv[1]).read_text())
pretrained.get_spec = lambda name: spec
sys.exit(main(sys.argv[2:]))
"""


def test_openvino_files_become_a_model_without_torch(
    serve_weights: Callable[[str, str], Weights], tmp_path: Path
) -> None:
    network = create_model(OMZ).eval()
    test_omz.publish_vtn(network, tmp_path, OMZ)
    served = serve_weights(OMZ, "FP32")
    spec = replace(get_spec(OMZ), weights=(served,))
    (tmp_path / "spec.json").write_text(spec.to_json())
    words = ["predict", str(SAMPLE), "--model", OMZ, "--format", "jsonl"]
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "spec.json"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    best = json.loads(done.stdout)["top_k"][0]
    assert best["label"] in spec.labels
    assert done.stderr == f"converting {OMZ}, once\n"
    assert (tmp_path / "home" / "models" / f"{OMZ}-FP32.xml").is_file()
