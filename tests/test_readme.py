"""What the README shows is what happens."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from actionzoo.cli import _parse
from actionzoo.synthetic import make_dataset
from actionzoo.training.config import TrainConfig
from actionzoo.training.run import train

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language, page=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.M | re.S)


def test_what_is_generated_is_up_to_date():
    place = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(place)
    place.loader.exec_module(generate)
    old = [file.name for file, text in generate.files().items() if file.read_text() != text]
    assert not old, "run python docs/generate.py"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder as the pages suppose it: some clips, and a model that was trained on them."""
    folder = tmp_path_factory.mktemp("work")
    make_dataset(folder / "clips", clips_per_class=2)
    config = TrainConfig(model="figures10", features="cache", epochs=0)
    train(folder / "clips", config=config, output=folder / "runs" / "1")
    return folder


def test_python_blocks_of_the_readme_run(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})
        assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_python_blocks_of_the_pages_run(page, work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    for code in blocks("python", page.read_text(encoding="utf-8")):
        exec(compile(code, page.name, "exec"), {})
        assert capsys.readouterr().out


def test_the_first_block_prints_what_follows_it(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, flags=re.S).groups()
    exec(compile(code, "README.md", "exec"), {})
    printed, expected = capsys.readouterr().out.splitlines(), shown.splitlines()
    assert len(printed) == len(expected)
    # The best of all; the order of the others hangs on thousandths.
    *label, score = printed[0].split()
    *expected_label, expected_score = expected[0].split()
    assert label == expected_label
    assert float(score) == pytest.approx(float(expected_score), abs=0.02)


def shell_lines():
    for page in PAGES:
        for block in blocks("", page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                typed = re.match(r"(\$ )?actionzoo [a-z]+ [^P]", line)
                if typed and "[" not in line and not line.endswith("\\"):
                    yield line.removeprefix("$ ")


@pytest.mark.parametrize("line", list(shell_lines()))
def test_shell_lines_are_understood(line):
    assert callable(_parse(shlex.split(line, comments=True)[1:]).run)


def test_the_example_stands_before_line_30():
    lines = README.splitlines()
    assert lines.index("```python") < 30
    assert lines.index("$ actionzoo predict src/actionzoo/assets/sample.mp4") < 45
