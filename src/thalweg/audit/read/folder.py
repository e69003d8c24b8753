"""The files of a folder that another program has left; nothing in them is run or unpickled."""

from dataclasses import dataclass, field
from pathlib import Path

from thalweg.audit.read.scripts import Script, parse_notebook, parse_script
from thalweg.audit.read.tables import Table, markdown_tables, read_csv
from thalweg.audit.read.tensors import TensorFile, sort_tensors
from thalweg.errors import InputError
from thalweg.tensor_files import SUFFIXES, read_tensors
from thalweg.validation import brief

LARGEST = 2**30
"""Bytes beyond which a file is left unread."""

TEXTS = (".csv", ".tsv", ".py", ".ipynb", ".md", ".rst", ".txt")

SKIPPED = ("__pycache__", "node_modules", "site-packages")


@dataclass
class Folder:
    """What was read.

    Attributes:
        root: The folder.
        tensors: Files of weights and masks.
        tables: CSV files, and the tables of texts.
        scripts: Python files and notebooks.
        texts: Texts by file: Markdown and the like.
        unread: Reasons by file.
    """

    root: Path
    tensors: list[TensorFile] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> list[TensorFile]:
        return [file for file in self.tensors if file.weights]

    @property
    def masks(self) -> list[TensorFile]:
        return [file for file in self.tensors if file.masks]


def read_folder(root: Path) -> Folder:
    """Read all files of a folder, and of the folders in it, that an audit can look at.

    A file that cannot be read is noted with its reason.

    Raises:
        InputError: There is no such folder, or nothing in it to audit.
    """
    if not root.is_dir():
        raise InputError(f"{root}: must be a folder")
    folder = Folder(root)
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") or part in SKIPPED for part in relative.parts)
        if hidden or path.suffix not in (*SUFFIXES, *TEXTS) or not path.is_file():
            continue
        name = relative.as_posix()
        try:
            if path.stat().st_size > LARGEST:
                folder.unread[name] = f"is larger than {LARGEST // 2**20} MiB"
            else:
                _read(folder, path, name)
        except Exception as error:  # a foreign file may hold anything, and its reader raise it
            folder.unread[name] = brief(error)
    if not (folder.tensors or folder.tables or folder.scripts or folder.texts or folder.unread):
        raise InputError(
            f"{root}: holds nothing to audit (neither results of thalweg nor any "
            f"{', '.join((*SUFFIXES, *TEXTS))})"
        )
    return folder


def _read(folder: Folder, path: Path, name: str) -> None:
    if path.suffix in SUFFIXES:
        found = sort_tensors(name, read_tensors(path))
        if found is None:
            folder.unread[name] = "holds no tensors by name"
        else:
            folder.tensors.append(found)
        return
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".csv", ".tsv"):
        table = read_csv(name, text)
        if table is not None:
            folder.tables.append(table)
    elif path.suffix == ".py":
        folder.scripts.append(parse_script(name, text))
    else:
        if path.suffix == ".ipynb":
            script, text = parse_notebook(name, text)
            folder.scripts.append(script)
        folder.texts[name] = text
        folder.tables += markdown_tables(name, text)
