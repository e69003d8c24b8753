"""The packages as users get them (`make packages`): built, checked, and installed into an empty
environment, in which a study is then run from an empty folder.

The wheel brings the compiled kernels. The source distribution is installed where there is no
compiler, and must work without them.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

UNWANTED = (".parquet", ".npz", ".pt", ".idx", ".gz")
"""Endings of data sets and weights, which no package may contain."""


def call(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command, which must succeed, and return what it prints."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Return a wheel, built from the source distribution as an index does, and the latter."""
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as sources:
        names = [*archive.namelist(), *sources.getnames()]
    assert [name for name in names if name.endswith(UNWANTED)] == []
    assert any(name.startswith("thalweg/native/_kernels.") for name in names)
    assert "thalweg/recipes/demo.toml" in names
    return wheel, source


def install(environment: Path, package: Path, **variables: str) -> None:
    constraints = ROOT / "constraints.txt"
    pip = [environment / "bin" / "pip", "install", "--quiet", "--no-compile"]
    call(*pip, "--constraint", constraints, "--force-reinstall", "--no-deps", package, **variables)
    call(*pip, "--constraint", constraints, package, **variables)


def run_study(environment: Path, folder: Path) -> set[str]:
    """Run a study in a folder, and return the backends on which its runs were trained."""
    folder.mkdir()
    thalweg = environment / "bin" / "thalweg"
    call(thalweg, "init", "--yes", "--task", "digits", "--model", "mlp", "study.toml", cwd=folder)
    short = ["--seeds", "2", "--set", "train.epochs=1", "--jobs", "1"]
    call(thalweg, "run", "study.toml", *short, cwd=folder)
    query = call(thalweg, "query", "SELECT status, backend FROM runs", "--json", cwd=folder)
    runs = json.loads(query)
    assert runs and {run["status"] for run in runs} == {"done"}, runs
    assert list(folder.glob("thalweg-out/studies/*/report/index.html"))
    return {run["backend"] for run in runs}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, source = build(folder / "dist")
        environment = folder / "environment"
        venv.create(environment, with_pip=True)
        install(environment, wheel)
        assert run_study(environment, folder / "by wheel") == {"native"}
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, installs, runs on the kernels")
        install(environment, source, CC="/bin/false", CXX="/bin/false")
        assert run_study(environment, folder / "by source") == {"autograd-stacked"}
        print(
            f"{source.name}: {source.stat().st_size / 1e6:.1f} MB, installs without a compiler, "
            "runs on autograd"
        )


if __name__ == "__main__":
    main()
