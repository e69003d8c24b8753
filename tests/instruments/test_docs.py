"""The example of the documentation runs as it stands."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from thalweg.store import Store
from thalweg.store.assemble import read_results

PAGE = Path(__file__).parents[2] / "docs" / "instruments.md"


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)[0]
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(example, found)
    assert found["watch"].frame()["figure"].n_unique() > 10
    runs = read_results(Store(tmp_path / "out"), "mine").runs
    assert (runs["arm"].item(), runs["status"].item(), runs["steps"].item()) == (
        *("momentum", "done"),
        16,
    )


@pytest.mark.parametrize(
    ("module", "package"), [("lightning", "lightning"), ("huggingface", "transformers")]
)
def test_a_package_that_is_absent_is_told(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"thalweg.instruments.{module}", raising=False)
    with pytest.raises(ImportError, match=f"needs the package {package}, which is not installed"):
        __import__(f"thalweg.instruments.{module}")
