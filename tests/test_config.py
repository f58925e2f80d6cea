"""Settings: from recipes and words to a checked config, and back."""

from dataclasses import replace
from pathlib import Path

import pytest

from actionzoo.augment import AugmentConfig
from actionzoo.errors import ConfigError
from actionzoo.training.config import (
    MODERATE,
    TrainConfig,
    changed_settings,
    config_values,
    load_config,
    parse_config,
    write_config,
)


def test_settings_come_from_a_recipe_and_then_from_the_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "some.yaml"
    recipe.write_text("epochs: 3\nlearning_rate: 2e-3\naugment:\n  flip: true\n  shift: 0.1\n")
    config = load_config(recipe, ["epochs=5", "augment.flip=false", "augment.zoom=[0.5, 2]"])
    assert (config.epochs, config.learning_rate) == (5, 0.002)
    assert config.augment == AugmentConfig(flip=False, shift=0.1, zoom=(0.5, 2))
    assert config.batch_size == TrainConfig().batch_size


def test_a_recipe_of_the_package_is_found_by_its_name() -> None:
    assert load_config(Path("otx-x3d")).batch_size == 8
    with pytest.raises(ConfigError, match="there is no recipe 'finetun'; did you mean 'finetune'"):
        load_config(Path("finetun"))


def test_without_a_recipe_there_are_defaults() -> None:
    assert load_config(None) == TrainConfig()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("epoch=3", r"no setting 'epoch'; did you mean 'epochs'\?"),
        ("augment.flips=true", r"no setting 'augment\.flips'; did you mean 'flip'\?"),
        ("epochs", "'epochs' is no setting; write key=value"),
        ("epochs=many", "epochs.*many"),
        ("seed=", "seed has no value"),
        ("optimizer=", "optimizer has no value"),
        ("epochs=0", "epochs is 0"),
        ("workers=-1", "workers is -1"),
        ("val_share=1", "val_share is 1"),
        ("schedule=linear", "schedule is 'linear'; it is a group"),
        ("schedule.name=linear", "schedule.*linear"),
        ("freeze=stages", "freeze is 'stages'; it is none, backbone, stages=N or bn"),
        ("freeze=bn=2", "freeze is 'bn=2'"),
        ("optimizer.layer_decay=0", "layer_decay is 0"),
        ("schedule.milestones=[5, 3]", r"milestones are \[5.0, 3.0\]"),
        ("average={ema_decay: 0.9, swa_start: 0.5}", "two averages"),
        ("augment={area: [0.5, 1], short_side: [64, 96]}", "two ways to cut"),
        ("augment.area=[0.5, 2]", "at most 1"),
        ("augment.hue=0.6", "hue is 0.6"),
        ("mix.share=2", "share is 2"),
        ("distill.temperature=0", "temperature is 0"),
        ("augment=3", "augment"),
        ("augment.zoom=[1]", "zoom"),
        ("augment.zoom=[0, 1]", "zoom is"),
        ("augment.shift=x: y: z", "the value of 'augment.shift=x: y: z'"),
        ("epochs.more=1", "epochs"),
        ("augment.flip.x=1", "flip"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_config(None, [override])


@pytest.mark.parametrize("text", ["- epochs", "epochs: [", "just words"])
def test_a_recipe_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"some\.yaml"):
        load_config(tmp_path / "some.yaml")
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*none\.yaml"):
        load_config(tmp_path / "none.yaml")


def test_a_config_is_written_as_a_recipe_that_says_the_same(tmp_path: Path) -> None:
    config = load_config(None, ["augment.area=[0.2, 1]", "schedule.milestones=[3, 5.5]", "seed=4"])
    write_config(config, tmp_path / "some.yaml")
    assert load_config(tmp_path / "some.yaml") == config
    assert parse_config(config_values(config)) == config


def test_a_recipe_changes_clips_as_it_says_and_no_more(tmp_path: Path) -> None:
    recipe = tmp_path / "some.yaml"
    recipe.write_text("augment: {noise: 0.1}")
    assert load_config(recipe).augment == AugmentConfig(noise=0.1)
    assert load_config(None).augment == MODERATE
    assert load_config(None, ["augment.flip=false"]).augment == replace(MODERATE, flip=False)


def test_what_differs_between_two_configs_is_said_by_key() -> None:
    other = load_config(None, ["epochs=5", "optimizer.name=sgd", "augment.flip=true"])
    changes = changed_settings(TrainConfig(), other)
    assert changes[0] == "epochs: None -> 5"
    assert "optimizer.name: adamw -> sgd" in changes
    assert changed_settings(other, other) == []
