"""Pages of the documentation, done as they say."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Block:
    """A fenced block; ``file`` is what its first line names, if it is a comment of a file alone."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = re.match(r"# (\S+\.(?:py|toml))\n", self.text)
        return found and found[1]


def blocks(page: str) -> list[Block]:
    tokens = MarkdownIt("commonmark").parse((DOCS / page).read_text("utf-8"))
    return [Block(t.info.strip(), t.content) for t in tokens if t.type == "fence"]


def follow(page: str, folder: Path) -> list[tuple[str, str]]:
    """Write the files of a page and give its commands, in order; return each with what it printed.

    A line that installs Thalweg is left out, since it is installed.
    """
    done = []
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.language == "bash":
            commands = [line for line in block.text.splitlines() if " install " not in line]
            done += [(line, _run(["bash", "-c", line], folder, line)) for line in commands]
        elif block.language == "python":
            done.append((block.text, _run([sys.executable, "-c", block.text], folder, block.text)))
    return done


def _run(arguments: list[str], folder: Path, command: str) -> str:
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    found = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
    return found.stdout
