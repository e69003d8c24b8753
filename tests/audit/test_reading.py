"""What cannot be read is a note; what is no folder to audit is wrong input."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.audit.conftest import Files, brief, network, write

from thalweg.audit import Finding, audit_folder
from thalweg.audit.read.tables import markdown_tables, number, read_csv
from thalweg.errors import InputError


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.path), "w"))


def test_a_foreign_pickle_is_a_note_and_never_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "unpickled"
    folder = write(tmp_path / "study", {"net.pt": network(0)})
    (folder / "bad.pt").write_bytes(pickle.dumps(Harmful(mark)))
    (found,) = audit_folder(folder)
    assert (found.check, found.severity, found.where) == ("reading", "note", "bad.pt")
    assert not mark.exists()


def test_what_is_broken_is_noted_and_the_rest_is_audited(
    audited: Callable[[Files], list[Finding]],
) -> None:
    found = audited(
        {
            "python2.py": "print 'x'",
            "broken.ipynb": [("code", "def f(:")],
            "list.pt": [1, 2, 3],
            "line.csv": "alpha,loss\n-1,2\n-0.3,1\n0.3,1\n1,2",
        }
    )
    notes = [finding.where for finding in found if finding.severity == "note"]
    assert sorted(notes) == ["broken.ipynb", "list.pt", "python2.py"]
    assert ("missing-centre", "warning") in brief(found)


def test_scripts_are_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "run"
    write(tmp_path / "study", {"main.py": f"open({str(mark)!r}, 'w')"})
    assert audit_folder(tmp_path / "study") == []
    assert not mark.exists()


def test_a_folder_with_nothing_to_audit(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(InputError, match="holds nothing to audit"):
        audit_folder(tmp_path)
    with pytest.raises(InputError, match="must be a folder"):
        audit_folder(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("**92.34 ± 0.29 %**", 92.34),
        ("−0.60", -0.6),
        ("1e-3", 1e-3),
        ("1,234", 1234),
        (".5", 0.5),
        ("inf", float("inf")),
    ],
)
def test_numbers_of_cells(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "information", "lr=0.1", "nan", "-"])
def test_cells_without_a_number(text: str) -> None:
    assert number(text) != number(text)


def test_errors_are_found_beside_a_column() -> None:
    table = read_csv("t", "arm;acc;acc_std\na;90;0.2\nb;91;0.4\n")
    assert table is not None
    assert table.errors("acc") == [0.2, 0.4]
    table = read_csv("t", "arm,acc_mean,acc_low,acc_high\na,90,89,91\n")
    assert table is not None
    assert table.errors("acc_mean") == [1.0]


def test_tables_of_markdown() -> None:
    text = "a\n\n| x | y |\n|--|:-:|\n| 1 | 2 ± 3 |\n\nb\n\n| only a head |\n|--|\n"
    (table,) = markdown_tables("README.md", text)
    assert (table.columns, table.numbers("y"), table.errors("y")) == (("x", "y"), [2.0], [3.0])
