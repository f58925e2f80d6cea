"""Write what comes from the code: the catalogue, docs/models.md, and parts of README.md.

Run: python docs/generate.py            A test fails while one of them is out of date.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from actionzoo import catalog
from actionzoo.datasets import FORMATS, Format
from actionzoo.spec import Metric, ModelSpec, Weights
from actionzoo.training.config import TrainConfig
from actionzoo.zoo import MODELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "actionzoo"
MEASURED = ROOT / "benchmarks" / "models.json"
PAGES = ("README.md", "docs/datasets.md", "docs/training.md")
"""Pages of which parts are written here."""
SPECS = tuple(spec for _, spec in MODELS.values())


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def families_table() -> str:
    """Return a row a family: how many models, their range of size and cost, the best of them."""
    head = ("family", "models", "parameters", "GMACs a view", "best published top-1")
    families = dict.fromkeys(spec.family for spec in SPECS)
    return table(head, (_family_row(family) for family in families))


def _family_row(family: str) -> tuple[str, ...]:
    specs = [spec for spec in SPECS if spec.family == family]
    found = [(metric.value, spec.name, metric) for spec in specs for metric in _top1s(spec)]
    found = [one for one in found if one[2].dataset == "kinetics400"] or found
    best = max(found, key=lambda one: one[:2], default=None)
    return (
        f"`{family}`",
        str(len(specs)),
        _range([(spec.parameters or 0) / 1e6 for spec in specs], " M"),
        _range([(spec.macs or 0) / 1e9 for spec in specs], ""),
        f"`{best[1]}` {_accuracy(best[2])}" if best else "",
    )


def _range(values: list[float], unit: str) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return f"{low}{unit}" if low == high else f"{low} - {high}{unit}"


def _top1s(spec: ModelSpec) -> list[Metric]:
    metrics = [*spec.metrics, *(one for weights in spec.weights for one in weights.metrics)]
    return [one for one in metrics if one.name.startswith("top-1")]


def _accuracy(metric: Metric) -> str:
    return f"{metric.value:.2%} ({metric.dataset}, {metric.views.clips}x{metric.views.crops})"


def models_page() -> str:
    """Return docs/models.md."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    parts = [_INTRODUCTION]
    for dataset in dict.fromkeys(spec.dataset for spec in SPECS):
        specs = [spec for spec in SPECS if spec.dataset == dataset]
        parts.append(f"## {dataset}\n\n{_models_table(specs)}")
    parts.append(_speed_section(measured))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
# Models

Written by `docs/generate.py` from the specs in `src/actionzoo/models`. A row is one published set
of weights; `NAME@WEIGHTS` chooses it:
`actionzoo predict VIDEO --model resnet18_v1b_kinetics400@46d5a985`.

GMACs are multiply-adds of convolutions and matrix products for one view of the size given. Top-1 is
what the source published, with the views (clips x crops) it was measured with; only the bundled
model's was measured here."""


def _models_table(specs: list[ModelSpec]) -> str:
    head = (
        "name",
        "frames x stride",
        "size",
        "parameters",
        "GMACs",
        "top-1 (views)",
        "weights",
        "source",
        "licence",
    )
    rows = [_model_row(spec, weights) for spec in specs for weights in spec.weights or (None,)]
    return table(head, rows)


def _model_row(spec: ModelSpec, weights: Weights | None) -> tuple[str, ...]:
    given = weights.input if weights and weights.input else spec.input
    clip = given.sampling == "clip"
    metrics = weights.metrics if weights else spec.metrics
    top1 = next((one for one in metrics if one.name.startswith("top-1")), None)
    return (
        f"`{spec.name}`",
        f"{given.frames} x {given.stride}" if clip else f"1 of each of {spec.views.clips} segments",
        f"{given.height} x {given.width}",
        f"{(spec.parameters or 0) / 1e6:.2f} M",
        f"{(spec.macs or 0) / 1e9:.2f}",
        f"{top1.value:.2%} ({top1.views.clips}x{top1.views.crops})" if top1 else "",
        f"[`{weights.tag}`]({weights.files[0].url})" if weights else "",
        weights.source if weights else "",
        weights.license if weights else spec.license,
    )


def _speed_section(measured: dict[str, Any]) -> str:
    if not measured:
        return "## Speed\n\nNot measured yet: `python benchmarks/models.py`."
    head = (
        "name",
        "GMACs",
        "eager ms",
        "channels-last ms",
        "OpenVINO ms",
        "eager / OpenVINO",
        "share of peak",
    )
    models = sorted(measured["models"].items(), key=lambda one: one[1]["macs"])
    rows = (_speed_row(name, row, measured["peak"]) for name, row in models)
    return f"## Speed\n\n{_speed_text(measured)}\n\n{table(head, rows)}"


def _speed_text(measured: dict[str, Any]) -> str:
    return (
        f"Milliseconds for one view, float32, measured by `benchmarks/models.py` on\n"
        f"{measured['machine']}. Peak is that machine's own, of large float32 matrix products:\n"
        f"{measured['peak'] / 1e9:.0f} G multiply-adds a second, which a convolution may exceed.\n"
        "Names that share a network and a size share a row."
    )


def _speed_row(name: str, row: dict[str, Any], peak: float) -> tuple[str, ...]:
    seconds = row["openvino"]
    return (
        f"`{name}`",
        f"{row['macs'] / 1e9:.2f}",
        *(f"{row[way] * 1e3:.1f}" for way in ("eager", "channels_last", "openvino")),
        f"{row['eager'] / seconds:.1f}",
        f"{row['macs'] / seconds / peak:.0%}",
    )


def tree() -> str:
    """Return a line a file: its path and the first sentence of its docstring."""
    files = sorted(PACKAGE.rglob("*.py"), key=lambda file: (len(file.parts), file))
    lines = [f"src/actionzoo/{_path(file)}  {_summary(file)}" for file in files]
    width = max(line.index("  ") for line in lines)
    return "\n".join(
        f"{path:{width}}  {text}" for path, text in (line.split("  ", 1) for line in lines)
    )


def _path(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def _summary(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).removesuffix(".")


def formats_table() -> str:
    """Return a row a format of datasets: its name, what it is, what it can say."""
    head = ("name", "what it is", "splits", "groups", "times", "several labels")
    return table(head, (_format_row(one) for one in FORMATS))


def _format_row(one: Format) -> tuple[str, ...]:
    holds = one.holds
    splits = ", ".join(holds.splits) if holds.splits else "any"
    ways = "" if holds.folds == 1 else "; several folds"
    marks = ("yes" if held else "" for held in (holds.groups, holds.times, holds.several_labels))
    return (f"`{one.name}`", one.title, splits + ways, *marks)


def settings_table() -> str:
    """Return a row a setting of a run: its key, what it is unless given, what it does."""
    head = ("key", "unless given", "what it does")
    return table(head, _setting_rows(TrainConfig, ""))


def _setting_rows(kind: type, prefix: str) -> Iterable[tuple[str, str, str]]:
    described, defaults = _field_docstrings(kind), kind()
    groups = []
    for one in fields(kind):
        default = getattr(defaults, one.name)
        if is_dataclass(default):
            groups.append((type(default), f"{prefix}{one.name}."))
        else:
            value = json.dumps(default)
            yield f"`{prefix}{one.name}`", f"`{value}`", described.get(one.name, "")
    for group, name in groups:
        yield from _setting_rows(group, name)


def _field_docstrings(kind: type) -> dict[str, str]:
    """Return what is written below each field of a dataclass."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    told = {}
    for one, following in itertools.pairwise(body.body):
        if isinstance(one, ast.AnnAssign) and isinstance(following, ast.Expr):
            text = ast.literal_eval(following.value)
            told[one.target.id] = " ".join(text.split()).replace("``", "`").replace("|", "\\|")
    return told


def generated(file: Path) -> str:
    """Return a page with what lies between its marks made anew."""
    page = file.read_text(encoding="utf-8")
    made = (
        ("models", families_table()),
        ("formats", formats_table()),
        ("settings", settings_table()),
        ("tree", f"```\n{tree()}\n```"),
    )
    for mark, text in made:
        block = f"<!-- {mark} -->\n{text}\n<!-- end of {mark} -->"
        page = re.sub(
            rf"<!-- {mark} -->.*?<!-- end of {mark} -->", lambda _, b=block: b, page, flags=re.S
        )
    return page


def files() -> dict[Path, str]:
    """Return the text of every file that is generated, in whole or in part."""
    return {
        catalog.FILE: catalog.write(SPECS),
        ROOT / "docs" / "models.md": models_page(),
        **{ROOT / name: generated(ROOT / name) for name in PAGES},
    }


if __name__ == "__main__":
    for file, text in files().items():
        file.write_text(text, encoding="utf-8")
