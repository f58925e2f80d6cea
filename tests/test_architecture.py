"""The layers of docs/architecture.md, held by reading the imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "actionzoo"

LAYERS = [
    {"errors"},
    {"spec", "clip", "prediction", "labels"},
    {
        "sources",
        "closing",
        "line",
        "whole",
        "workers",
        "sampling",
        "transforms",
        "catalog",
        "download",
        "models",
        "pages",
    },
    {"video", "outputs", "backends", "checkpoints", "augment", "protocols"},
    {"reader", "placements", "synthetic", "weights", "omz", "conversion", "quantisation"},
    {"zoo", "datasets", "batches"},
    {"pretrained", "loading", "saved"},
    {"predictor"},
    {"streaming"},
    {"drawing"},
    {"timeline"},
    {"evaluation"},
    {"training"},
    {"exporting"},
    {"live", "web"},
    {"cli", "__main__"},
]
LAYER_OF = {module: number for number, modules in enumerate(LAYERS) for module in modules}
# A heavy library is imported here and nowhere else.
HOMES = {
    "av": {"video"},
    "openvino": {"backends", "checkpoints", "conversion", "omz", "quantisation", "exporting"},
    "torch": {
        "models",
        "checkpoints",
        "backends",
        "weights",
        "zoo",
        "saved",
        "batches",
        "augment",
        "loading",
        "evaluation",
        "training",
        "conversion",
        "exporting",
    },
    "lightning": {"training"},
    "torchmetrics": {"evaluation", "training"},
    "safetensors": {"checkpoints", "weights", "saved", "training"},
    "nncf": {"quantisation", "exporting"},
    "optuna": {"training"},
    "onnx": {"conversion", "quantisation", "exporting"},
    "onnxruntime": {"backends"},
    "filelock": {"download"},
    "platformdirs": {"download"},
    "jsonargparse": {"training"},
    "rich": {"cli", "outputs", "live"},
    "PIL": {"drawing"},
    "gradio": {"web"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "pyarrow": {"datasets", "evaluation"},
    "datumaro": {"datasets"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit(path):
    """The module, or the folder of modules, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module in ("actionzoo", "actionzoo.models"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    own = unit(path)
    assert own in LAYER_OF, f"{own} stands in no layer: add it here and in docs/architecture.md"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "actionzoo" or len(parts) == 1 or parts[1] not in LAYER_OF:
            continue
        other = parts[1]
        inside = other == own or (own, other) == ("__main__", "cli")
        assert inside or LAYER_OF[other] < LAYER_OF[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_at_home(path):
    for name in imports(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert unit(path) in HOMES[library], f"{path.name} imports {library}"


def test_every_module_has_a_test_file():
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    modules = [path for path in FILES if path.stem not in ("__init__", "__main__")]
    untested = [path.name for path in modules if not tests & {path.stem, unit(path)}]
    assert not untested
