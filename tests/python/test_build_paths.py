"""The wheel carries what a C++ build needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relweave import build_paths

SNIPPETS = Path(__file__).resolve().parents[1] / "docs" / "run_snippets.py"


def test_cmake_dir_holds_the_package_configuration():
    files = {path.name for path in Path(build_paths.cmake_dir()).iterdir()}

    assert {"relweaveConfig.cmake", "relweaveConfigVersion.cmake", "relweaveTargets.cmake"} <= files


def test_include_dir_holds_the_public_headers():
    assert (Path(build_paths.include_dir()) / "relweave" / "core" / "config.hpp").is_file()


def test_module_prints_the_cmake_dir():
    command = [sys.executable, "-m", "relweave.build_paths"]

    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed.strip() == build_paths.cmake_dir()


def test_missing_folders_are_reported_with_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(build_paths, "_PREFIX", tmp_path)

    with pytest.raises(FileNotFoundError, match=r"CMake configuration.*install it with pip"):
        build_paths.cmake_dir()
    with pytest.raises(FileNotFoundError, match=r"headers.*install it with pip"):
        build_paths.include_dir()


@pytest.mark.parametrize(("answer", "code"), [(42, 0), (41, 1)])
def test_programs_of_the_documents_run_with_the_model_that_python_wrote(answer, code, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python tested\nimport pathlib\npathlib.Path('model').write_text('42')\n```\n\n"
        "```cpp tested\n#include <fstream>\n#include <relweave/core/views.hpp>\n"
        "int main(int, char** argv) {\n"
        f"  int x = 0;\n  std::ifstream(argv[1]) >> x;\n  return x - {answer};\n}}\n```\n"
    )

    done = subprocess.run([sys.executable, SNIPPETS, page], capture_output=True, text=True)

    assert done.returncode == code, done.stdout
    assert f"{'FAILED' if code else 'ok'}: page.md cpp" in done.stdout
