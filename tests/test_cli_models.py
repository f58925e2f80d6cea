"""``actionzoo models`` as people and programs use it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from actionzoo import download
from actionzoo.catalog import get_spec, list_models
from actionzoo.cli import main
from actionzoo.pretrained import ASSETS
from actionzoo.spec import ModelSpec
from actionzoo.zoo import create_model

Capture = pytest.CaptureFixture[str]
NAME = "x3d_xs_kinetics400"


def run(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = main(["models", *map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))


def rows(capsys: Capture, *words: object) -> list[dict[str, object]]:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    listed: list[dict[str, object]] = json.loads(out)
    return listed


def test_every_model_is_listed(capsys: Capture) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    listed = dict.fromkeys(line.split()[0] for line in out.splitlines()[1:])
    assert list(listed) == list_models()


def test_the_verb_may_be_left_out_or_said(capsys: Capture) -> None:
    assert run(capsys, "x3d*")[1] == run(capsys, "list", "x3d*")[1] != run(capsys)[1]


@pytest.mark.parametrize(
    ("dataset", "source", "count"),
    [
        ("kinetics400", "GluonCV (MXNet)", 24),
        ("kinetics400", "GluonCV (PyTorch)", 31),
        ("kinetics700", "", 2),
        ("ucf101", "", 6),
        ("hmdb51", "", 4),
        ("something-something-v2", "", 5),
    ],
)
def test_the_rows_of_gluoncvs_page_are_there(
    capsys: Capture, dataset: str, source: str, count: int
) -> None:
    listed = rows(capsys, "--dataset", dataset)
    gluoncv = [one for one in listed if str(one["source"]).startswith(source or "GluonCV")]
    assert len(gluoncv) >= count
    assert all(one["license"] for one in listed)


def test_a_row_says_all_that_the_table_says(capsys: Capture) -> None:
    (row, *_) = rows(capsys, NAME)
    assert (row["frames"], row["stride"], row["height"]) == (4, 12, 182)
    assert (row["top1"], row["clips"], row["crops"]) == (0.6912, 10, 3)
    assert (row["weights"], row["license"]) == ("pytorchvideo", "Apache-2.0")


def test_weights_with_an_input_of_their_own_say_so(capsys: Capture) -> None:
    torchvision, mmaction = rows(capsys, "swin3d_t*")
    assert (torchvision["stride"], mmaction["stride"]) == (1, 2)
    assert "short_side 224 x 224" in run(capsys, "show", "swin3d_t_kinetics400")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dataset", "kinetics"], "no model has the dataset 'kinetics'; did you mean 'kinet"),
        (["--family", "x4d"], "no model has the family 'x4d'; did you mean 'x3d'"),
        (["x3dm"], "no model fits 'x3dm'"),
        (["show", "x3dm"], "there is no model 'x3dm'"),
        (["convert", "a.pth", "--model", "x3dm", "--output", "a.safetensors"], "no model 'x3dm'"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    capsys: Capture, words: list[str], sentence: str
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_show_prints_all_that_is_known(capsys: Capture) -> None:
    _, out, _ = run(capsys, "show", NAME)
    for fact in ("3,794,274", "4, every 12th", "69.12%", "10 clips x 3 crops", "X3D_XS.pyth"):
        assert fact in out


@pytest.mark.parametrize("name", list_models())
def test_every_model_can_be_shown(capsys: Capture, name: str) -> None:
    assert run(capsys, "show", name)[0] == 0
    _, out, _ = run(capsys, "show", name, "--json")
    assert ModelSpec.from_json(out).name == name


def test_download_prints_where_it_is_and_what_it_is(
    capsys: Capture, serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "X3D_XS.pyth").write_bytes(b"some bytes")
    monkeypatch.setenv("ACTIONZOO_MIRROR", serve)
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0.001)
    code, out, err = run(capsys, "download", NAME, "x3d_s_kinetics400", "--json")
    assert code == 1  # the second is not served; the first is done all the same
    (done,) = json.loads(out)
    assert Path(done["file"]).read_bytes() == b"some bytes"
    assert done["sha256"] == hashlib.sha256(b"some bytes").hexdigest()
    assert "X3D_S.pyth answered 404" in err
    assert "put it at" in err


def test_download_prints_every_file(
    capsys: Capture, serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ("index", "data-00000-of-00001", "meta"):
        (tmp_path / f"model.ckpt.{ending}").write_bytes(ending.encode())
    monkeypatch.setenv("ACTIONZOO_MIRROR", serve)
    code, out, _ = run(capsys, "download", "i3d_rgb_imagenet_kinetics400")
    assert code == 0
    assert [line.split()[0].rpartition(".")[2] for line in out.splitlines()] == [
        file.url.rpartition(".")[2]
        for file in get_spec("i3d_rgb_imagenet_kinetics400").weights[0].files
    ]


def test_convert_of_an_openvino_file_says_what_it_is_for(capsys: Capture, tmp_path: Path) -> None:
    bundled, out = ASSETS / "figures10.xml", tmp_path / "a.safetensors"
    code, _, err = run(capsys, "convert", bundled, "--model", "figures10", "--output", out)
    assert code == 2
    assert "is an OpenVINO model, not a checkpoint; it predicts as it is" in err


def test_convert_writes_our_names(capsys: Capture, tmp_path: Path) -> None:
    model = create_model(NAME)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "a.pth")
    out = tmp_path / "b" / "a.safetensors"
    code, said, _ = run(capsys, "convert", tmp_path / "a.pth", "--model", NAME, "--output", out)
    assert code == 0
    assert "3,794,274 parameters" in said
    torch.testing.assert_close(load_file(out), dict(model.state_dict()))


def test_convert_refuses_another_model(capsys: Capture, tmp_path: Path) -> None:
    torch.save(create_model("figures10").state_dict(), tmp_path / "a.pth")
    out = tmp_path / "a.safetensors"
    code, _, err = run(capsys, "convert", tmp_path / "a.pth", "--model", NAME, "--output", out)
    assert code == 2
    assert "another model or another variant" in err
    assert not out.exists()


def test_convert_with_another_number_of_classes_says_so(capsys: Capture, tmp_path: Path) -> None:
    torch.save(create_model(NAME).state_dict(), tmp_path / "a.pth")
    out = tmp_path / "a.safetensors"
    words = ["convert", tmp_path / "a.pth", "--model", NAME, "--output", out, "--num-classes", "7"]
    code, _, err = run(capsys, *words)
    assert code == 0
    assert "tells 400 classes apart, not 7" in err
