"""The form of a model for streams: found where it lies, made once where it does not."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo import saved, zoo
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.stepped import SteppedModel
from actionzoo.catalog import get_spec
from actionzoo.errors import BadWeights, MissingExtra
from actionzoo.pretrained import ASSETS
from actionzoo.spec import ModelSpec
from actionzoo.streaming import finding
from actionzoo.streaming.finding import Form, find_form
from colour_model import write_network
from test_omz import SPEC, decoder, encoder, publish
from test_stepped import small_vtn
from test_stepping import clips, small_movinet, stream_spec

A0 = "movinet_a0_stream_kinetics600"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let small networks be those of all runs, and of the zoo; tell what was loaded."""
    log: list[Path] = []

    def small(name: str) -> nn.Module:
        return small_movinet() if "movinet" in name else small_vtn()

    def load_run(run: Path) -> tuple[nn.Module, ModelSpec]:
        log.append(run)
        name = json.loads((run / "run.json").read_text())["config"]["model"]
        return small(name), small_spec(name)

    def create_model(name: str, *, pretrained: Path) -> nn.Module:
        log.append(pretrained)
        return small(name)

    monkeypatch.setattr(saved, "load_run", load_run)
    monkeypatch.setattr(zoo, "create_model", create_model)
    monkeypatch.setattr(finding, "fetched", lambda spec, weights, progress: [Path("weights")])
    return log


def small_spec(name: str) -> ModelSpec:
    if "movinet" in name:
        return stream_spec(side=24)
    return replace(stream_spec(16, side=32), family="vtn")


def make_run(folder: Path, model: str, weights: bytes = b"the best") -> Path:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"config": {"model": model}}))
    (folder / "checkpoints" / "best.safetensors").write_bytes(weights)
    write_network(folder / "model.xml")
    return folder


def write_pair(folder: Path, *, spec: ModelSpec | None = None) -> tuple[Path, ...]:
    """Write an encoder and a decoder, with their spec inside or as they are published."""
    files = []
    for part, network in {"encoder": encoder(), "decoder": decoder()}.items():
        if spec is not None:
            network.set_rt_info(spec.to_json(), ["actionzoo", "spec"])
        files.append(publish(folder, f"action-recognition-0001-{part}", network)[0])
    return tuple(files)


def in_torch(model: nn.Module, values: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(values)).numpy()


def test_what_is_at_hand_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_form("figures10") == Form(files=(ASSETS / "figures10.xml",))
    file = write_network(tmp_path / "one.xml")
    assert find_form(file, spec=SPEC) == Form(files=(file,), spec=SPEC)
    assert find_form(tmp_path) == Form(files=(file,))


def test_a_folder_of_an_encoder_and_a_decoder_is_not_joined(tmp_path: Path, own_home: Path) -> None:
    files = write_pair(tmp_path)
    assert find_form(tmp_path, spec=SPEC) == Form(files=files, spec=SPEC)
    with pytest.raises(BadWeights, match="tells 3 classes apart"):
        find_form(tmp_path)
    assert not own_home.exists()


def test_a_pair_that_carries_its_spec_needs_none(tmp_path: Path) -> None:
    spec = replace(SPEC, labels=("a", "b", "c"))
    files = write_pair(tmp_path, spec=spec)
    assert find_form(tmp_path) == Form(files=files, spec=spec)


def test_a_name_of_open_model_zoo_is_its_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(name: str, weights: Any, *, progress: Any) -> list[Path]:
        asked.append(weights.tag)
        return [tmp_path / file.url.rpartition("/")[2] for file in weights.files]

    monkeypatch.setattr(finding, "fetch", fetch)
    name = "driver-action-recognition-adas-0002"
    form = find_form(f"{name}@FP16")
    assert asked == ["FP16"]
    assert [one.name for one in form.files] == [f"{name}-encoder.xml", f"{name}-decoder.xml"]
    assert form.spec is not None
    assert form.spec.labels == get_spec(name).labels


def test_a_run_of_a_stream_network_becomes_a_step_once(
    tmp_path: Path, loaded: list[Path], own_home: Path
) -> None:
    run = make_run(tmp_path / "run", A0)
    (file,) = find_form(run).files
    assert file.parent == own_home
    spec = stream_spec(side=24)
    values = clips(spec)
    np.testing.assert_allclose(
        SteppedModel(file)(values), in_torch(small_movinet(), values), rtol=1e-4, atol=1e-5
    )
    assert find_form(run).files == (file,)
    assert loaded == [run]
    make_run(run, A0, weights=b"better ones")
    assert find_form(run).files != (file,)


def test_a_run_of_vtn_becomes_an_encoder_and_a_decoder(tmp_path: Path, loaded: list[Path]) -> None:
    run = make_run(tmp_path / "run", "mobilenetv2_vtn_layernorm_kinetics400")
    backend = CompositeBackend(*find_form(run).files)
    assert backend.spec.input.color == "BGR"  # of pixels, as Open Model Zoo documents it
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 32, 32)).astype(np.float32)
    expected = in_torch(small_vtn(), pixels[:, ::-1] / np.float32(255))
    np.testing.assert_allclose(backend(pixels), expected, rtol=1e-3, atol=1e-5)


def test_a_name_is_converted_for_streams_once(
    loaded: list[Path], own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = get_spec(A0).weights[0]
    monkeypatch.setattr(finding, "published", lambda name, tag: (stream_spec(side=24), weights))
    for _ in range(2):
        (file,) = find_form(A0).files
    assert file == own_home / f"{A0}-atze00-step.xml"
    assert SteppedModel(file).spec == stream_spec(side=24)
    assert loaded == [Path("weights")]


@pytest.mark.parametrize("model", ["figures10", "movinet_a0_base_kinetics600", "of another house"])
def test_other_runs_are_looked_at_clip_by_clip(
    model: str, tmp_path: Path, loaded: list[Path]
) -> None:
    run = make_run(tmp_path / "run", model)
    assert find_form(run) == Form(files=(run / "model.xml",))
    assert loaded == []


@pytest.mark.parametrize("facts", ["", "{", "[]", '{"config": 1}'])
def test_a_folder_that_is_no_sound_run_is_still_a_model(facts: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", A0)
    (run / "run.json").write_text(facts)
    assert find_form(run) == Form(files=(run / "model.xml",))


def test_without_torch_a_run_is_looked_at_clip_by_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "actionzoo.conversion.forms", None)
    run = make_run(tmp_path / "run", A0)
    with caplog.at_level(logging.WARNING, "actionzoo"):
        assert find_form(run) == Form(files=(run / "model.xml",))
    (record,) = caplog.records
    assert record.message.startswith("looking at whole clips, which costs more: ")
    assert "pip install 'actionzoo[train]'" in record.message


def test_without_torch_a_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "actionzoo.conversion.forms", None)
    with pytest.raises(MissingExtra, match=r"converting 'movinet.*' for streams, once"):
        find_form(A0)


def test_a_network_that_cannot_be_converted_leaves_nothing(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_run(run: Path) -> tuple[nn.Module, ModelSpec]:
        raise BadWeights("it is damaged")

    monkeypatch.setattr(saved, "load_run", load_run)
    with pytest.raises(BadWeights, match="it is damaged"):
        find_form(make_run(tmp_path / "run", A0))
    assert not list(own_home.glob("*.xml"))


def test_what_is_at_hand_needs_no_torch(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path;"
        "from actionzoo.spec import ModelSpec; from actionzoo.streaming.finding import find_form;"
        "spec = ModelSpec.from_json(Path(sys.argv[1], 'spec.json').read_text());"
        "print(len(find_form(sys.argv[1], spec=spec).files), len(find_form('figures10').files))"
    )
    command: list[str] = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "1"]
