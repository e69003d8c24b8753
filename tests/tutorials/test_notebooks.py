"""The tutorials, run cell by cell by a kernel as a reader's notebook would."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"


def test_there_are_three_tutorials_without_outputs():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03"]
    for path in NOTEBOOKS:
        code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        assert code and all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs_to_a_figure_and_a_verdict(path, tmp_path, monkeypatch):
    # The kernel writes next to nothing of its own, and nothing into the reader's home.
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    notebook = nbformat.read(path, 4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()  # raises what a cell raises
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert all(output.output_type != "error" for output in outputs)
    drawn = [output.data for output in outputs if PLOTLY in output.get("data", {})]
    assert drawn and all({"image/png", "text/plain"} <= set(data) for data in drawn)
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert "resolved" in printed
