import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import actionzoo

NAMES = [name for name in actionzoo.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(actionzoo, name)
    assert inspect.getdoc(thing)
    assert thing.__module__.startswith("actionzoo.")


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(actionzoo.__file__).read_text())
    declared = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("actionzoo.")
        for alias in node.names
        if alias.asname
    }
    assert declared == set(NAMES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'predicted'"):
        actionzoo.predicted  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, actionzoo; print(*sorted({'numpy', 'av', 'openvino', 'torch', 'rich'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
