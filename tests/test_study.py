"""A study before its trials: begun, written down, taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from actionzoo.errors import ActionZooError, BadDataset, ConfigError
from actionzoo.training.search import Value, parse_searches
from actionzoo.training.study import JOURNAL, Study, begin_study, next_trial, resume_study
from runs import config, write_classes, write_noise

RATES = "learning_rate=1e-4..1e-2,log"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"), videos=4)


def begin(data: Path | None, folder: Path, *searches: str, trials: int = 4) -> Study:
    return begin_study(data, folder, config(), parse_searches(searches), fixed=(), trials=trials)


def proposed(study: Study, count: int) -> list[dict[str, Value]]:
    """Let trials end with the same value, and return their settings."""
    settings = []
    for _ in range(count):
        trial = next_trial(study, trials=9)
        settings.append({one.key: one.suggest(trial) for one in study.searches})
        study.trials.tell(trial, 1.0)
    return settings


def test_a_study_is_taken_up_as_it_was(data: Path, tmp_path: Path) -> None:
    whole = begin(data, tmp_path / "a", RATES, "augment=0..2")
    assert whole.most is None
    expected = proposed(whole, 12)
    # What would be chosen comes first; nothing comes twice.
    assert expected[0] == {"learning_rate": 3e-3, "augment": 1.0}
    assert len({str(one) for one in expected}) == 12
    study = begin(data, tmp_path / "b", RATES, "augment=0..2")
    assert proposed(study, 5) == expected[:5]
    with (tmp_path / "b" / JOURNAL).open("a") as file:
        file.write('{"op_code": 4, "wor')  # killed while it wrote a line
    again = resume_study(None, tmp_path / "b", None, [])
    assert (again.base, again.searches, again.usual, again.metric) == (
        *(study.base, study.searches, study.usual),
        "val_loss",
    )
    assert proposed(again, 7) == expected[5:]


def test_few_values_are_all_tried_once(data: Path, tmp_path: Path) -> None:
    searches = ("optimizer.name=sgd|adamw", "mix.mixup=0|0.2")
    study = begin(data, tmp_path / "study", *searches)
    assert study.most == 4
    tried = [tuple(one.values()) for one in proposed(study, 4)]
    assert tried[0] == ("adamw", "0")
    assert set(tried) == {("adamw", "0"), ("adamw", "0.2"), ("sgd", "0"), ("sgd", "0.2")}


def test_a_trial_that_was_left_is_gone_on_with(data: Path, tmp_path: Path) -> None:
    study = begin(data, tmp_path / "study", RATES)
    proposed(study, 2)
    left = next_trial(study, trials=9)
    rate = study.searches[0].suggest(left)
    left.report(1.0, 1)
    again = resume_study(None, tmp_path / "study", None, [])
    trial = next_trial(again, trials=9)
    assert (trial.number, again.searches[0].suggest(trial)) == (2, rate)


def test_the_learning_rate_that_would_be_chosen_is_searched_around(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "actionzoo.training")
    study = begin_study(data, tmp_path / "study", config(), [], fixed=["mix.mixup"], trials=4)
    keys = [one.key for one in study.searches]
    assert keys == ["learning_rate", "augment", "input.frames", "optimizer.weight_decay"]
    assert "searched: learning_rate=0.0003..0.03,log" in caplog.text
    # The stride is chosen anew for each number of frames.
    assert (study.base.input.stride, study.base.epochs) == (None, 3)


@pytest.mark.parametrize(
    ("searches", "sentence"),
    [
        (["learning_rat=1..2"], "did you mean 'learning_rate'"),
        (["input.frames=4|2"], "'figures10' cannot be fed 2 frames"),
        (["model=x3d|figures10", "freeze=none|stages=x"], "freeze is 'stages=x'"),
    ],
)
def test_nothing_is_written_when_a_search_cannot_be_used(
    searches: Sequence[str], sentence: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ActionZooError, match=sentence):
        begin(data, tmp_path / "study", *searches)
    assert not (tmp_path / "study").exists()


def test_a_setting_is_given_or_searched(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'learning_rate' is both given and searched"):
        begin_study(
            *(data, tmp_path / "study", config(), parse_searches([RATES])),
            fixed=["learning_rate"],
            trials=4,
        )


def test_data_and_a_folder_of_its_own_are_needed(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data to learn from"):
        begin(None, tmp_path / "study", RATES)
    with pytest.raises(BadDataset, match="there is no"):
        begin(tmp_path / "none", tmp_path / "study", RATES)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        begin(data, tmp_path, RATES)


def test_a_study_goes_on_with_what_it_was_started_with(data: Path, tmp_path: Path) -> None:
    study = begin(data, tmp_path / "study", RATES)
    resume_study(data, study.folder, config(), parse_searches([RATES]))
    with pytest.raises(ConfigError, match=r"other settings \(epochs: 3 -> 4\)"):
        resume_study(data, study.folder, config("epochs=4"), [])
    with pytest.raises(ConfigError, match=r"searches learning_rate=0\.0001\.\.0\.01,log; go on"):
        resume_study(data, study.folder, None, parse_searches(["augment=0..1"]))
    more = write_classes(tmp_path / "more", videos=4)
    write_noise(more / "dark" / "new.mp4", 50, seed=77)
    with pytest.raises(ConfigError, match="are not those that the study"):
        resume_study(more, study.folder, None, [])


@pytest.mark.parametrize("journal", [None, "", "no journal\n{}\n", "{}\n"])
def test_what_is_no_study_cannot_go_on(journal: str | None, tmp_path: Path) -> None:
    if journal is not None:
        (tmp_path / JOURNAL).write_text(journal)
    with pytest.raises(ConfigError, match="is no study to go on with"):
        resume_study(None, tmp_path, None, [])
