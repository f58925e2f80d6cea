"""From videos to what a model says of them, through a network whose answer is known."""

import json
import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from actionzoo.cli import main
from actionzoo.datasets import Sample, VideoDataset
from actionzoo.evaluation import evaluate as module
from actionzoo.evaluation.evaluate import evaluate, fitting_protocols
from actionzoo.evaluation.networks import load_network
from actionzoo.predictor import Predictor
from actionzoo.protocols import PROTOCOLS, get_protocol, own_protocol
from colour_model import SPEC, write_network, write_painted
from videos import video_bytes, write_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six videos in class folders, one of them broken, two of which are hard."""
    root = tmp_path_factory.mktemp("data")
    write_painted(root / "red" / "a.mp4", "red", "red", "red")
    write_painted(root / "red" / "b.mp4", "red", "blue", "blue", width=128)
    write_painted(root / "blue" / "c.mp4", "blue", "blue", "blue")
    write_painted(root / "blue" / "d.mp4", "green")
    (root / "blue" / "e.mp4").write_bytes(b"no video")
    write_painted(root / "green" / "f.mp4", "green", "green", fps=Fraction(15))
    return root


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_network(write_network(tmp_path_factory.mktemp("model") / "colours.xml"))


def dataset_of(folder, *, labels=None):
    """The videos in an order of their own."""
    names = ["green/f", "red/b", "blue/e", "blue/c", "red/a", "blue/d"]
    samples = [
        Sample(path=folder / f"{name}.mp4", labels=(name.split("/")[0],), group=name[-1])
        for name in names
    ]
    return VideoDataset.from_samples(samples, root=folder, labels=labels)


def test_the_answers_stand_in_the_order_of_the_dataset(folder, network):
    done = []
    dataset = dataset_of(folder)
    (one,) = evaluate(network, dataset, progress=lambda *told: done.append(told))
    assert one.paths == ("green/f.mp4", "red/b.mp4", "blue/c.mp4", "red/a.mp4", "blue/d.mp4")
    assert one.groups == tuple("fbcad")
    assert one.labels == SPEC.labels
    assert one.targets.tolist() == [1, 0, 2, 0, 2]
    assert one.scores.argmax(1).tolist() == [1, 2, 2, 0, 1]
    assert done == [(count, 6) for count in range(1, 7)]
    assert one.backend == "openvino"
    assert one.list_hash == dataset.list_hash()


def test_a_broken_video_is_a_failure_and_is_not_replaced(folder, network):
    (one,) = evaluate(network, dataset_of(folder))
    ((path, reason),) = one.failures
    assert path == "blue/e.mp4"
    assert "e.mp4" in reason


def test_the_models_own_views_give_what_prediction_says(folder, network):
    (one,) = evaluate(network, dataset_of(folder), protocols=[own_protocol(network.spec)])
    predictor = Predictor(network.name)
    for path, scores in zip(one.paths, one.scores, strict=True):
        np.testing.assert_allclose(scores, predictor(folder / path).scores, atol=1e-6)


def test_single_views_are_counted(folder, network):
    """Of b.mp4 the first of two clips is red, the second blue."""
    (one,) = evaluate(network, dataset_of(folder), protocols=[own_protocol(network.spec, crops=1)])
    assert one.clip_hits.tolist() == [1.0, 0.5, 1.0, 1.0, 0.0]


def test_logits_are_the_mean_over_the_views(folder, network):
    protocols = [get_protocol("torchvision-5x1"), get_protocol("gluoncv-30-aspect")]
    scores, logits = evaluate(network, dataset_of(folder), protocols=protocols)
    row = scores.paths.index("red/b.mp4")
    # Clips from 0, 5, 11, 17, 23 at stride 2: all, three quarters and nothing of them is red.
    expected = np.array([1.75 / 5, 0.0, 3.25 / 5]) * 10
    np.testing.assert_allclose(scores.logits[row], expected, atol=0.1)
    mean_of_logits = np.exp(logits.logits[row]) / np.exp(logits.logits[row]).sum()
    np.testing.assert_allclose(logits.scores[row], mean_of_logits, rtol=1e-5)
    # The mean of scores is another: nearly 1, nearly 1, and nearly 0 three times.
    assert scores.scores[row][0] == pytest.approx((1 + 1 / (1 + np.exp(-5.0))) / 5, abs=0.01)


def test_protocols_together_say_what_each_says_alone(folder, network):
    dataset = dataset_of(folder)
    protocols = fitting_protocols(network)
    assert len(protocols) > 8
    together = evaluate(network, dataset, protocols=protocols)
    for one, protocol in zip(together, protocols, strict=True):
        (alone,) = evaluate(network, dataset, protocols=[protocol])
        np.testing.assert_array_equal(one.logits, alone.logits)
        np.testing.assert_array_equal(one.clip_hits, alone.clip_hits)
        assert one.protocol["name"] == protocol.name


def test_a_video_is_opened_once_for_all_protocols(folder, network, monkeypatch):
    opened = []

    def counted(path, **options):
        opened.append(path.name)
        return open_video(path, **options)

    open_video = module.open_video
    monkeypatch.setattr(module, "open_video", counted)
    evaluate(network, dataset_of(folder), protocols=fitting_protocols(network))
    assert sorted(opened) == [f"{name}.mp4" for name in "abcdef"]


def test_clips_that_are_one_are_computed_once(folder, network, monkeypatch):
    """d.mp4 has ten frames: clips of seven start at 0, 1, 2, 3 only."""
    backend = network.fed(network.spec.input)
    views = []

    def submit(clips):
        views.append(len(clips))
        return original(clips)

    original = backend.submit
    monkeypatch.setattr(backend, "submit", submit)
    dataset = dataset_of(folder).select([5])
    protocol = own_protocol(network.spec, clips=10, crops=1)
    (one,) = evaluate(network, dataset, protocols=[protocol])
    assert sum(views) == 4
    assert one.protocol["clips"] == 10


def test_a_protocol_may_feed_another_size(network):
    wide = replace(network.spec.input, height=24, width=24)
    assert network.fed(wide).spec.input.shape == (3, 4, 24, 24)
    assert network.fed(wide) is network.fed(wide)


def test_only_what_suits_a_model_is_among_all(network):
    names = [one.name for one in fitting_protocols(network)]
    assert names[:2] == ["single", "own"]
    assert not {"omz-i3d", "omz-3x16s2", "torchvision-1x128", "gluoncv-250"} & set(names)
    assert {"gluoncv-30", "pyslowfast-30", "torchvision-5x1"} <= set(names)
    assert len(names) < len(PROTOCOLS)


def test_a_part_of_a_video_is_looked_at_alone(folder, network):
    samples = [
        Sample(path=folder / "red/b.mp4", labels=("red",), end_seconds=0.3),
        Sample(path=folder / "red/b.mp4", labels=("blue",), start_seconds=0.4),
    ]
    (one,) = evaluate(network, VideoDataset.from_samples(samples, root=folder))
    assert one.scores.argmax(1).tolist() == one.targets.tolist() == [0, 2]


def test_a_file_that_ends_early_is_looked_at_as_far_as_it_goes(tmp_path, network):
    data = bytearray(video_bytes("matroska", numbers=range(30)))
    at = data.index(b"\x44\x89\x88") + 3  # the duration in milliseconds
    data[at : at + 8] = struct.pack(">d", 50_000.0)
    (tmp_path / "a.mkv").write_bytes(data.replace(b"DURATION", b"XURATION"))
    dataset = VideoDataset.from_samples([Sample(path=tmp_path / "a.mkv", labels=("red",))])
    (one,) = evaluate(network, dataset)
    assert len(one.paths) == 1


def test_folders_of_pictures_are_videos(tmp_path, network):
    write_pictures(tmp_path / "a", range(12))
    dataset = VideoDataset.from_samples([Sample(path=tmp_path / "a", labels=("red",))])
    protocols = [get_protocol("single"), get_protocol("mvit-5x1")]
    assert all(len(one.paths) == 1 for one in evaluate(network, dataset, protocols=protocols))


def test_several_labels_are_scored_each_by_itself(folder, network):
    samples = [
        Sample(path=folder / "red/b.mp4", labels=("red", "blue")),
        Sample(path=folder / "blue/d.mp4", labels=("green",)),
    ]
    dataset = VideoDataset.from_samples(samples, root=folder)
    for average in ("logits", "scores"):
        protocol = replace(get_protocol("single"), average=average)
        (one,) = evaluate(network, dataset, protocols=[protocol])
        assert one.targets.tolist() == [[1, 0, 1], [0, 1, 0]]
        # of one view both averages are the same
        np.testing.assert_allclose(one.scores, 1 / (1 + np.exp(-one.logits)), rtol=1e-5)
        assert np.isnan(one.clip_hits).all()


def test_a_network_that_ends_in_scores_has_their_logarithms(tmp_path, folder):
    spec = replace(SPEC.input, output="scores")
    network = load_network(write_network(tmp_path / "scores.xml", input=spec))
    (one,) = evaluate(network, dataset_of(folder), protocols=[get_protocol("single")])
    np.testing.assert_allclose(one.scores.sum(1), 1, rtol=1e-5)
    row = one.paths.index("red/a.mp4")
    assert one.logits[row].argmax() == 0
    assert one.logits[row][0] == pytest.approx(np.log(10), abs=0.1)


def test_nothing_that_can_be_read_is_an_empty_evaluation(folder, network):
    (one,) = evaluate(network, dataset_of(folder).select([2]))
    assert one.paths == ()
    assert one.logits.shape == (0, 3)
    assert len(one.failures) == 1


# the command line


def run(capsys, *words):
    code = main(["evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_the_verb_prints_the_numbers_and_tells_of_failures(capsys, folder, network):
    code, out, err = run(capsys, network.name, folder)
    assert code == 1
    assert "5 videos, 1 could not be read" in out
    assert "60.0%" in out
    assert "e.mp4" in err
    assert "not split" in err


def test_several_protocols_and_what_makes_the_difference(capsys, folder, network):
    names = ["--protocol", "single", "--protocol", "torchvision-5x1"]
    code, out, _ = run(capsys, network.name, folder, *names)
    assert code == 1
    assert "torchvision-5x1: 5 clips rather than 1" in out
    assert "points to single" in out


def test_the_files_of_an_evaluation_can_be_evaluated_again(capsys, folder, network, tmp_path):
    code, out, _ = run(capsys, network.name, folder, "--output", tmp_path / "out", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["videos"] == 5
    assert told["protocols"][0]["metrics"]["top1"]["value"] == pytest.approx(0.6)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "evaluation.json",
        "evaluation.parquet",
        "report.html",
    }
    _, again, _ = run(capsys, tmp_path / "out", folder, "--json")
    assert json.loads(again)["protocols"][0]["metrics"] == told["protocols"][0]["metrics"]


def test_what_predict_wrote_can_be_evaluated(capsys, folder, network, tmp_path):
    file = tmp_path / "answers.jsonl"
    options = ["--model", network.name, "--recursive", "--format", "jsonl", "--output", file]
    main(["predict", str(folder), *map(str, options)])
    code, out, _ = run(capsys, file, folder, "--json")
    assert code == 1
    assert json.loads(out)["protocols"][0]["metrics"]["top1"]["value"] == pytest.approx(0.6)


def test_a_test_split_is_taken_where_there_is_one(capsys, folder, network, tmp_path):
    for split, name in (("train", "red/a"), ("test", "green/f")):
        target = tmp_path / split / f"{name}.mp4"
        target.parent.mkdir(parents=True)
        target.write_bytes((folder / f"{name}.mp4").read_bytes())
    code, out, err = run(capsys, network.name, tmp_path, "--json")
    assert code == 0
    assert (json.loads(out)["split"], json.loads(out)["videos"]) == ("test", 1)
    assert "split test" in err


def test_options_that_cannot_go_together_are_refused(capsys, folder, network, tmp_path):
    code, _, err = run(capsys, network.name, folder, "--clips", "2", "--protocol", "single")
    assert code == 2
    assert "--clips and --crops" in err
    (tmp_path / "a.csv").write_text("path,label\n")
    code, _, err = run(capsys, tmp_path / "a.csv", folder, "--backend", "torch")
    assert code == 2
    assert "leave out --backend" in err


def test_help_lists_the_protocols(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    out, _ = capsys.readouterr()
    assert all(f"  {one.name} " in out for one in PROTOCOLS)


def test_labels_may_be_renamed(capsys, folder, network, tmp_path):
    (tmp_path / "names.txt").write_text("blue\ngreen\nred\n")
    code, _, _ = run(capsys, network.name, folder, "--labels", tmp_path / "names.txt")
    assert code == 1
    (tmp_path / "names.txt").write_text("blue\nred\n")
    code, _, err = run(capsys, network.name, folder, "--labels", tmp_path / "names.txt")
    assert code == 2
    assert "names 2 classes but the dataset has 3" in err
