"""From a model to a folder of files with their proof, as ``actionzoo export`` does it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import actionzoo
from actionzoo import ExportConfig, Predictor
from actionzoo.backends.files import open_backend
from actionzoo.catalog import get_spec
from actionzoo.cli import main
from actionzoo.errors import BadWeights, ConfigError, MissingExtra, UnknownModel
from actionzoo.exporting import writing
from actionzoo.exporting.certificate import read_certificate
from actionzoo.exporting.folder import check_free, whole_folder
from actionzoo.exporting.origin import open_origin
from actionzoo.quantisation import Feeds, Quantised, quantise_openvino
from runs import config as run_config
from runs import write_classes, write_noise

SAMPLE = Path(actionzoo.__file__).parent / "assets" / "sample.mp4"
FEW = ("--clips", "10", "--calibration-clips", "10")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model in every way at once."""
    folder = tmp_path_factory.mktemp("export") / "out"
    ways = ("--to", "openvino,onnx", "--precision", "fp32,fp16,int8")
    assert main(["export", "figures10", *ways, "--output", str(folder), *FEW]) == 0
    return folder


def test_a_folder_a_precision_and_the_proof(exported: Path) -> None:
    files = sorted(one.relative_to(exported).as_posix() for one in exported.rglob("*.*"))
    models = [
        f"{precision}/figures10.{suffix}"
        for precision in ("fp16", "fp32", "int8")
        for suffix in ("bin", "onnx", "xml")
    ]
    assert files == [*models, "labels.txt", "parity.html", "parity.json"]
    assert (exported / "labels.txt").read_text().splitlines() == list(get_spec("figures10").labels)


def test_the_proof_compares_every_file_with_torch(exported: Path) -> None:
    certificate = read_certificate(exported / "parity.json")
    assert certificate.holds
    assert certificate.reference.stage == "torch"
    measured = {one.stage: one.measured for one in certificate.stages}
    assert sorted(measured) == sorted(
        f"{target} {precision}"
        for target in ("openvino", "onnx")
        for precision in ("fp32", "fp16", "int8")
    )
    for stage, one in measured.items():
        assert one is not None
        assert one.max_difference < {"32": 1e-5, "16": 1e-3, "t8": 0.5}[stage[-2:]]
        assert one.accuracy is not None
        assert one.accuracy.count == 10


@pytest.mark.parametrize(
    "name", ["fp16/figures10.xml", "fp16/figures10.onnx", "int8/figures10.onnx"]
)
def test_each_file_predicts_by_itself(exported: Path, name: str) -> None:
    (best,) = Predictor(exported / name)(SAMPLE).top_k(1)
    (expected,) = Predictor()(SAMPLE).top_k(1)
    assert best.label == expected.label
    assert best.score == pytest.approx(expected.score, abs=0.05)


def test_the_folder_predicts_with_what_is_recommended(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(SAMPLE), "--model", str(exported), "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["top_k"][0]["label"] == "jumping jack"


def test_an_exported_file_is_exported_once_more(exported: Path, tmp_path: Path) -> None:
    certificate = actionzoo.export(
        exported / "fp32" / "figures10.onnx",
        output=tmp_path / "again",
        config=ExportConfig(precision=("fp16",), clips=3),
    )
    assert certificate.holds
    assert certificate.reference.stage == "the file given"
    assert open_backend(tmp_path / "again" / "fp16" / "figures10.xml").spec == get_spec("figures10")


def test_openvino_does_not_become_onnx(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is OpenVINO's, which cannot become ONNX; export the"):
        actionzoo.export(
            exported / "fp32" / "figures10.xml",
            output=tmp_path / "out",
            config=ExportConfig(to=("onnx",), clips=3),
        )
    assert not (tmp_path / "out").exists()


def test_an_older_export_stays_until_the_new_one_is_whole(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["export", "figures10", "--output", str(out), "--clips", "3"]
    assert main(words) == 0
    before = (out / "parity.json").read_bytes()
    assert main(words) == 2
    assert main([*words, "--overwrite", "--verify", str(tmp_path / "missing")]) == 2
    assert (out / "parity.json").read_bytes() == before
    assert main([*words, "--overwrite", "--precision", "fp32"]) == 0
    assert sorted(one.name for one in out.iterdir()) == [
        "fp32",
        "labels.txt",
        "parity.html",
        "parity.json",
    ]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out"]


# Of a run: its own videos.


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    videos = write_classes(folder / "videos", videos=9)
    return actionzoo.train(videos, output=folder / "run", config=run_config("epochs=8"))


def test_a_run_is_calibrated_and_verified_on_its_own_videos(run: Path, tmp_path: Path) -> None:
    config = ExportConfig(precision=("int8",), max_drop=100)
    certificate = actionzoo.export(run, output=tmp_path / "out", config=config)
    assert certificate.source == f"run {run}"
    assert certificate.clips_source == str(run.parent / "videos")
    # int8 is never alone: there is something to compare it with.
    assert [one.stage for one in certificate.stages] == ["openvino fp16", "openvino int8"]
    first = certificate.stages[0].measured
    assert first is not None
    assert first.accuracy is not None
    assert first.accuracy.count == len(certificate.clips) == 9


def test_int8_that_loses_too_much_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object, **named: object) -> None:
        raise ConfigError("int8 loses 7.0 points of top-1 where 0.5 are allowed")

    monkeypatch.setattr(writing, "quantise_within", lost)
    config = ExportConfig(precision=("fp32", "int8"), max_drop=0.5)
    certificate = actionzoo.export(run, output=tmp_path / "out", config=config)
    assert not certificate.holds
    assert certificate.stages[1].refused is not None
    assert "7.0 points" in certificate.stages[1].refused
    assert certificate.recommended.stage == "openvino fp32"
    assert not (tmp_path / "out" / "int8").exists()


def test_layers_that_went_back_are_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(network: object, feeds: Feeds, **named: object) -> Quantised:
        mended = quantise_openvino(network, feeds)
        return Quantised(network=mended, before=1, plain=0.9, after=1, reverted=("layer 2 of 9",))

    monkeypatch.setattr(writing, "quantise_within", held)
    config = ExportConfig(precision=("fp32", "int8"), max_drop=100)
    certificate = actionzoo.export(run, output=tmp_path / "out", config=config)
    assert "back in floating point: layer 2 of 9" in certificate.stages[1].notes
    assert "layer 2 of 9" in (tmp_path / "out" / "parity.html").read_text()


def test_an_accuracy_without_labels_cannot_be_held(exported: Path, tmp_path: Path) -> None:
    write_noise(tmp_path / "videos" / "one.mp4", 128.0)
    config = ExportConfig(precision=("int8",), max_drop=1, verify=str(tmp_path / "videos"))
    with pytest.raises(ConfigError, match="--max-drop needs labelled videos of the model"):
        actionzoo.export("figures10", output=tmp_path / "out", config=config)


def test_fine_tuning_needs_a_run(tmp_path: Path) -> None:
    config = ExportConfig(precision=("int8",), qat=True)
    with pytest.raises(ConfigError, match="--qat fine-tunes the network of a run on its videos"):
        actionzoo.export("figures10", output=tmp_path / "out", config=config)


def test_what_is_not_installed_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    config = ExportConfig(precision=("fp32", "int8"))
    with pytest.raises(MissingExtra, match=r"pip install 'actionzoo\[export\]'"):
        actionzoo.export("figures10", output=tmp_path / "out", config=config)
    assert not caplog.records


# A folder takes its place whole.


def half_an_export(folder: Path) -> None:
    with whole_folder(folder) as draft:
        (draft / "half").touch()
        raise RuntimeError


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        half_an_export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_holds_something_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="holds something else than an export"):
        check_free(tmp_path, overwrite=True)
    with pytest.raises(ConfigError, match=r"thesis.txt' is a file"):
        check_free(tmp_path / "thesis.txt", overwrite=True)
    check_free(tmp_path / "new", overwrite=False)


# What can be exported.


def test_untrained_networks_are_the_same_each_time() -> None:
    first, second = (open_origin("figures10", weights="none").module for _ in range(2))
    assert first is not None
    assert second is not None
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert one.equal(other)


def test_what_cannot_be_exported_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"no model 'figure10': .* did you mean 'figures10'"):
        open_origin("figure10")
    with pytest.raises(
        ConfigError, match=r"does not say what network it is of; name it: actionzoo"
    ):
        open_origin(tmp_path / "x3d.pth")
    with pytest.raises(BadWeights, match="there is no weights file"):
        open_origin("x3d_s_kinetics400", weights="missing.pth")
    with pytest.raises(ConfigError, match="has its own parameters; leave it out"):
        open_origin(tmp_path / "model.xml", weights="none")
    with pytest.raises(ConfigError, match="names its weights, and --weights 'none' others"):
        open_origin("x3d_s_kinetics400@kinetics400", weights="none")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"precision": ("fp8",)}, "precision is 'fp8'; it is one or more of fp32, fp16, int8"),
        ({"to": ()}, "to is nothing; it is one or more of openvino, onnx"),
        ({"clips": 0}, "clips is 0; it is at least 1"),
        ({"max_drop": 0.5}, "max_drop is of no use without int8 in precision"),
        ({"calibrate": "clips"}, "calibrate is of no use without int8 in precision"),
        ({"qat_epochs": 3, "precision": ("int8",)}, "qat_epochs is of no use without qat"),
        ({"labels": "weizmann10"}, "labels is of no use without verify"),
        ({"max_drop": -1.0, "precision": ("int8",)}, "it is in points, 0 to 100"),
    ],
)
def test_what_cannot_be_wanted_says_so(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        replace(ExportConfig(), **wrong)  # type: ignore[arg-type]
