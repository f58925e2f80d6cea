"""From a name to an answer: real files in published formats, a real server, the real cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actionzoo import catalog, download, pretrained
from actionzoo.backends.openvino_backend import SPEC_PATH, OpenVINOBackend
from actionzoo.cli import main
from actionzoo.errors import BadWeights, ConfigError, UnknownModel
from actionzoo.predictor import Predictor
from actionzoo.pretrained import find_model
from actionzoo.spec import ModelSpec
from actionzoo.zoo import create_model
from test_omz import SPEC as OMZ_SPEC
from test_omz import decoder, encoder, in_turn, pixels, publish

NAME = "x3d_xs_kinetics400"
SAMPLE = Path(__file__).parents[1] / "src" / "actionzoo" / "assets" / "sample.mp4"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of the smallest X3D, under our names."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("published") / "X3D_XS.pyth"
    torch.save({"model_state": create_model(NAME).state_dict()}, path)
    return path


@pytest.fixture
def mirror(checkpoint: Path, serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve the checkpoint where the model's weights are looked for; the cache is empty."""
    shutil.copy(checkpoint, tmp_path)
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ACTIONZOO_MIRROR", serve)
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.001)
    return serve


def test_a_name_becomes_a_file_that_predicts(mirror: str, checkpoint: Path) -> None:
    path = find_model(NAME)
    backend = OpenVINOBackend(path)
    spec = catalog.get_spec(NAME)
    assert backend.spec == spec.filled_with(spec.weights[0])
    clip = np.random.default_rng(0).standard_normal((1, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = create_model(NAME, pretrained=checkpoint).eval()(torch.from_numpy(clip)).numpy()
    np.testing.assert_allclose(backend(clip), expected, rtol=1e-3, atol=1e-5)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from actionzoo.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_afterwards_neither_torch_nor_the_network_is_needed(
    mirror: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(SAMPLE), "--model", NAME, "--format", "jsonl"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "converting x3d_xs_kinetics400, once" in first.err
    monkeypatch.setenv("ACTIONZOO_OFFLINE", "1")
    command = [sys.executable, "-c", WITHOUT_TORCH, *words]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stderr == ""
    assert first.out.partition("elapsed")[0] == again.stdout.partition("elapsed")[0]


def test_without_torch_the_first_use_says_what_to_install(mirror: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "predict", str(SAMPLE), "--model", NAME]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("pip install 'actionzoo[train]'")
    assert not list(tmp_path.rglob("home/weights/*/*"))  # nothing was downloaded for it


def test_several_processes_convert_once(mirror: str, tmp_path: Path) -> None:
    program = f"from actionzoo.pretrained import find_model; print(find_model({NAME!r}))"
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    first, second = (one.communicate()[0] for one in both)
    assert first == second
    assert first.strip() == str(tmp_path / "home" / "models" / f"{NAME}-pytorchvideo.xml")


def test_a_damaged_checkpoint_is_refused_and_nothing_is_kept(mirror: str, tmp_path: Path) -> None:
    whole = (tmp_path / "X3D_XS.pyth").read_bytes()
    (tmp_path / "X3D_XS.pyth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadWeights, match=r"X3D_XS\.pyth' is damaged, cut off"):
        find_model(NAME)
    assert not list((tmp_path / "home" / "models").glob("*.xml"))


def test_the_tag_chooses_among_weights(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadWeights, match=f"'{NAME}' has no weights 'none'; it has 'pytorchvideo'"):
        find_model(f"{NAME}@none")
    assert find_model(f"{NAME}@pytorchvideo").stem == f"{NAME}-pytorchvideo"


def test_a_model_without_published_weights_says_what_can_be_done(
    mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(catalog.get_spec(NAME), weights=())
    monkeypatch.setattr(pretrained, "get_spec", lambda name: spec)
    with pytest.raises(BadWeights, match=r"no weights .* are published; train it, or convert"):
        find_model(NAME)


def test_the_bundled_model_and_paths_are_themselves(tmp_path: Path) -> None:
    assert find_model("figures10").name == "figures10.xml"
    assert find_model(tmp_path / "some.xml") == tmp_path / "some.xml"


PAIR = ("action-recognition-0001-encoder", "action-recognition-0001-decoder")


def lay_out(folder: Path, made: Mapping[str, Any], precision: str = "FP16") -> None:
    """Write an encoder and a decoder as Open Model Zoo's downloader does."""
    for name, network in made.items():
        place = folder / "intel" / "action-recognition-0001" / name / precision
        place.mkdir(parents=True, exist_ok=True)
        publish(place, name, network)


def told(network: Any, spec: ModelSpec) -> Any:
    network.set_rt_info(spec.to_json(), SPEC_PATH)
    return network


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_folder_of_open_model_zoo_predicts(
    own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path / "omz", dict(zip(PAIR, (encoder(), decoder()), strict=True)))
    words = ["predict", str(SAMPLE), "--model", str(tmp_path / "omz"), "--format", "jsonl"]
    assert main(words) == 2
    assert "tells 3 classes apart" in capsys.readouterr().err
    (tmp_path / "spec.json").write_text(OMZ_SPEC.to_json())
    for _ in range(2):
        assert main([*words, "--spec", str(tmp_path / "spec.json")]) == 0
        assert json.loads(capsys.readouterr().out)["top_k"][0]["label"] in OMZ_SPEC.labels
    assert len(list((own_home / "models").glob("*.xml"))) == 1


def test_an_exported_pair_brings_its_own_labels_and_is_never_an_old_one(
    own_home: Path, tmp_path: Path
) -> None:
    clip, folder = pixels(1), tmp_path / "export"
    answers = []
    for width, labels in ((3, ("a", "b", "c")), (4, ("a", "b", "c", "d"))):
        spec = replace(OMZ_SPEC, labels=labels)
        made = (told(encoder(), spec), told(decoder(classes=width), spec))
        for precision in ("fp16", "int8"):
            (folder / precision).mkdir(exist_ok=True, parents=True)
            for name, network in zip(PAIR, made, strict=True):
                publish(folder / precision, name, network)
        backend = OpenVINOBackend(find_model(folder))
        assert backend.spec == spec
        files = [folder / "fp16" / f"{name}.xml" for name in PAIR]
        np.testing.assert_allclose(backend(clip), in_turn(files, clip[0]), rtol=1e-4)
        answers.append(backend(clip).shape)
    assert answers == [(1, 3), (1, 4)]


def test_half_of_a_pair_is_refused(own_home: Path, tmp_path: Path) -> None:
    publish(tmp_path, PAIR[0], encoder())
    with pytest.raises(BadWeights, match=r"without its decoder"):
        find_model(tmp_path)
    with pytest.raises(BadWeights, match=r"is only the encoder .* give the folder that holds both"):
        Predictor(tmp_path / f"{PAIR[0]}.xml")


def test_a_folder_without_a_model_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadWeights, match=r"holds no model file \(\.xml or \.onnx\)"):
        find_model(tmp_path)
    # A folder of videos may be called as a model.
    (tmp_path / "figures10").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("figures10").name == "figures10.xml"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="did you mean 'figures10'"):
        find_model("figures")
    with pytest.raises(UnknownModel):
        find_model("../assets/figures10")


def test_export_takes_published_weights_too(
    mirror: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", NAME, "--clips", "1", "--output", str(out)]) == 0
    spec, file = catalog.get_spec(NAME), out / "fp16" / f"{NAME}.xml"
    assert OpenVINOBackend(file).spec == spec.filled_with(spec.weights[0])
    assert main(["export", NAME, "--weights", "1234abcd", "--output", str(tmp_path / "b")]) == 2
    assert "there is no weights file '1234abcd'" in capsys.readouterr().err


def test_a_model_of_optical_flow_is_refused_before_it_is_downloaded(mirror: str) -> None:
    with pytest.raises(ConfigError, match="looks at optical flow"):
        find_model("i3d_flow_imagenet_kinetics400")
