"""Write the parts of README.md that come from the code: the table of models and the file tree.

Run: python docs/generate.py            A test fails while README.md is out of date.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from actionzoo.spec import Metric, ModelSpec
from actionzoo.zoo import get_spec, list_models

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "actionzoo"


def models_table() -> str:
    """Return a row a model of the zoo."""
    head = ("name", "frames x stride @ fps", "size", "parameters", "GMACs a view", "top-1 (views)")
    rows = [head, ("---",) * len(head), *(_row(get_spec(name)) for name in list_models())]
    rows = [(*row, end) for row, end in zip(rows, ("licence", "---", *_licences()), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _licences() -> list[str]:
    return [get_spec(name).license for name in list_models()]


def _row(spec: ModelSpec) -> tuple[str, ...]:
    given = spec.input
    best = next((one for one in spec.metrics if one.name == "top-1"), None)
    return (
        f"[`{spec.name}`]({spec.weights[0].url})" if spec.weights else f"`{spec.name}`, bundled",
        f"{given.frames} x {given.stride} @ {given.fps or 'own'}",
        f"{given.height} x {given.width}",
        f"{(spec.parameters or 0) / 1e6:.2f} M",
        f"{(spec.macs or 0) / 1e9:.2f}",
        _accuracy(best) if best else "",
    )


def _accuracy(metric: Metric) -> str:
    views = f"{metric.views.clips}x{metric.views.crops}"
    return f"{metric.value:.1%} ({views}, {metric.dataset}, {metric.measured_by})"


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


def generated(readme: str) -> str:
    """Return README's text with what lies between its marks made anew."""
    for mark, text in (("models", models_table()), ("tree", f"```\n{tree()}\n```")):
        block = f"<!-- {mark} -->\n{text}\n<!-- end of {mark} -->"
        readme = re.sub(
            rf"<!-- {mark} -->.*?<!-- end of {mark} -->", lambda _, b=block: b, readme, flags=re.S
        )
    return readme


if __name__ == "__main__":
    file = ROOT / "README.md"
    file.write_text(generated(file.read_text(encoding="utf-8")), encoding="utf-8")
