"""The notebooks of examples/, executed in a copy with the kernel of this interpreter."""

import json
import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("examples/notebooks")
NOTEBOOKS = sorted(path.name for path in (ROOT / FOLDER).glob("*.ipynb"))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Return a copy of the notebooks' folder, and beside it what they read of the repository."""
    root = tmp_path_factory.mktemp("repository")
    for folder in (FOLDER, Path("tests/data/completejourney")):
        shutil.copytree(ROOT / folder, root / folder)
    return root / FOLDER


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_to_its_end_without_a_warning(name, scratch):
    notebook = nbformat.read(scratch / name, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(scratch)}},
    )

    client.execute()

    said = [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    ]
    assert "Warning" not in "".join(said)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name):
    notebook = json.loads((ROOT / FOLDER / name).read_text(encoding="utf-8"))

    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3
