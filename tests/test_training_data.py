"""What a dataset is divided into before a run."""

from pathlib import Path

import pytest

from actionzoo.datasets import VideoDataset, open_dataset
from actionzoo.errors import BadDataset, ConfigError
from actionzoo.training.config import TrainConfig
from actionzoo.training.data import divide, open_for_training
from actionzoo.training.run import train


def table(folder: Path, *rows: str) -> Path:
    """Write a table of videos that need not be there."""
    (folder / "videos.csv").write_text("\n".join(["path,label,split,group", *rows]) + "\n")
    return folder / "videos.csv"


def test_the_splits_of_a_dataset_are_kept_and_its_test_is_left_alone(tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},{split}," for label in "ab" for n, split in enumerate(SPLITS)]
    dataset = open_for_training(table(tmp_path, *rows), TrainConfig())
    data = divide(dataset, TrainConfig())
    training, validation = data.training, data.validation
    assert training.paths() == ["a0.mp4", "a1.mp4", "b0.mp4", "b1.mp4"]
    assert validation.paths() == ["a2.mp4", "b2.mp4"]


SPLITS = ("train", "train", "val", "test")


def test_files_in_quarantine_are_not_learnt_from(tmp_path: Path) -> None:
    file = table(tmp_path, "a.mp4,a,,", "b.mp4,b,,", "c.mp4,b,,")
    (tmp_path / "quarantine.txt").write_text("b.mp4\tit is damaged\n")
    config = TrainConfig(quarantine=str(tmp_path / "quarantine.txt"))
    assert open_for_training(file, config).paths() == ["a.mp4", "c.mp4"]


def test_rows_that_cannot_be_used_stop_training_unless_that_is_wanted(tmp_path: Path) -> None:
    file = table(tmp_path, "a.mp4,a,,", "b.mp4,b,,", "c.mp4,b")
    with pytest.raises(BadDataset, match="skip_malformed=true in training"):
        open_for_training(file, TrainConfig())
    assert len(open_for_training(file, TrainConfig(skip_malformed=True))) == 2


def test_without_a_split_to_validate_a_share_of_what_trains_is_kept(tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},train,{n // 2}" for label in "ab" for n in range(20)]
    tests = [f"{label}{n}.mp4,{label},test," for label in "ab" for n in range(20, 30)]
    config = TrainConfig(val_share=0.2)
    dataset = open_for_training(table(tmp_path, *rows, *tests), config)
    data = divide(dataset, config)
    training, validation = data.training, data.validation
    assert sorted(training.paths() + validation.paths()) == sorted(
        row.partition(",")[0] for row in rows
    )
    assert validation.label_counts() == {"a": 4, "b": 4}
    assert not set(training.groups()) & set(validation.groups())
    assert divide(dataset, config).validation.paths() == validation.paths()
    assert "no split 'val': 20 % of each class are kept for validation" in data.notes[0]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["a.mp4,a,,", "b.mp4,a,,"], "has videos of 1 classes"),
        (["a.mp4,a,test,", "b.mp4,b,test,"], "has the splits test, but no 'train'"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(
    rows: list[str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        open_for_training(table(tmp_path, *rows), TrainConfig())


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_video_without_a_label_is_named_before_anything_is_written(
    split: str, tmp_path: Path
) -> None:
    rows = [f"{label}{n}.mp4,{label},{one}," for label in "ab" for n, one in enumerate(SPLITS)]
    file = table(tmp_path, *rows, f"new.mp4,,{split},", "other.mp4,,test,")
    sentence = r"1 of the 7 videos .* have no label, 'new\.mp4' the first"
    with pytest.raises(ConfigError, match=sentence):
        train(file, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_video_without_label_and_split_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = table(
        tmp_path, *(f"{label}{n}.mp4,{label},," for label in "ab" for n in range(5)), "x,,,"
    )
    data = divide(open_for_training(file, TrainConfig()), TrainConfig())
    assert len(data.training) + len(data.validation) == 10
    assert "1 samples have no label" in caplog.text


def test_where_there_is_no_dataset_nothing_is_learnt(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"there is no '.*nowhere'"):
        open_for_training(tmp_path / "nowhere", TrainConfig())


def test_videos_with_several_labels_are_known_as_such(tmp_path: Path) -> None:
    file = table(tmp_path, *(f"{n}.mp4,a|b,," for n in range(4)), "9.mp4,c,,", "8.mp4,c,,")
    data = divide(open_for_training(file, TrainConfig()), TrainConfig(val_share=0.4))
    assert data.several_labels
    assert sum(data.class_counts()) == 2 * len(data.training) - 1


def test_one_fold_of_several_is_taken(tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},," for label in "ab" for n in range(6)]
    dataset = open_dataset(table(tmp_path, *rows))
    folds = [["val" if n % 3 == fold else "train" for n in range(12)] for fold in range(3)]
    convert_splits(dataset, folds, tmp_path / "folds.csv")
    config = TrainConfig(fold=2)
    data = divide(open_for_training(tmp_path / "folds.csv", config), config)
    assert data.validation.paths() == ["a1.mp4", "a4.mp4", "b1.mp4", "b4.mp4"]
    with pytest.raises(ConfigError, match="fold"):
        open_for_training(tmp_path / "folds.csv", TrainConfig(fold=4))


def convert_splits(dataset: VideoDataset, folds: list[list[str]], file: Path) -> None:
    """Write a table of a dataset that is split in several ways."""
    names = ",".join(f"split_{number}" for number in range(1, len(folds) + 1))
    lines = [
        ",".join([path, dataset[place].label or "", *(fold[place] for fold in folds)])
        for place, path in enumerate(dataset.paths())
    ]
    file.write_text("\n".join([f"path,label,{names}", *lines]) + "\n")


def test_doubtful_classes_are_named(tmp_path: Path) -> None:
    rows = ["a.mp4,a,train,", "b.mp4,b,train,", "b2.mp4,b,train,", "c.mp4,c,val,", "d.mp4,b,val,"]
    data = divide(open_for_training(table(tmp_path, *rows), TrainConfig()), TrainConfig())
    told = " / ".join(data.notes)
    assert "in validation but not in training, where they cannot be learnt: 'c'" in told
    assert "with one video only, which is hardly enough to learn from: 'a'" in told


def test_nothing_to_validate_with_is_said_before_anything_is_learnt(tmp_path: Path) -> None:
    file = table(tmp_path, "a.mp4,a,,1", "b.mp4,b,,1")
    with pytest.raises(ConfigError, match=r"larger share|is left"):
        divide(open_for_training(file, TrainConfig()), TrainConfig())
