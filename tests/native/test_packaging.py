"""The package as it is shipped: the source archive, installs with a compiler and without one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = (
    "import json, thalweg, thalweg.native as n; print(json.dumps([thalweg.__file__, n.variants()]))"
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in ("THALWEG_KERNELS", "PYTHONPATH")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=environment.pop("cwd", None),
        env={**kept, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    if importlib.util.find_spec("scikit_build_core") is None:
        pytest.skip("scikit-build-core is not installed")
    folder = tmp_path_factory.mktemp("archive")
    code = f"import scikit_build_core.build as b; b.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", code, cwd=str(ROOT))
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def source(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment without this package that sees what is installed beside it here."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    # Folders named by a .pth are searched, but their own .pth files, an editable install's among
    # them, are not read.
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def install(environment: Path) -> Callable[..., Path]:
    """Give a function that installs into the environment and returns its Python."""
    python = environment / "bin" / "python"

    def install(*what: str, **variables: str) -> Path:
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        # Installed here too, so that pip would otherwise take it for done.
        options += ["--ignore-installed", "--disable-pip-version-check"]
        run(str(python), "-m", "pip", "install", *options, *what, **variables)
        return python

    return install


def state(python: Path) -> tuple[Path, list[str]]:
    """Return where the package lies and the variants of its kernels."""
    file, names = json.loads(run(str(python), "-c", CHECK, cwd=str(python.parent)))
    return Path(file), names


def need_compiler() -> None:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        pytest.skip("no compiler is on this machine")


def test_the_archive_holds_what_is_needed_and_no_more(archive: Path) -> None:
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    kernels = ROOT / "src" / "thalweg" / "native" / "kernels"
    for source in kernels.rglob("*.[ch]pp"):
        assert source.relative_to(ROOT).as_posix() in names
    for name in ("CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "Makefile"):
        assert name in names
    assert any(name.startswith("src/thalweg/recipes/") for name in names)
    allowed = {"benchmarks", "docs", "src", "tests"}
    for name in names:
        top, _, rest = name.partition("/")
        assert not rest or top in allowed, name
        hidden = [part for part in name.split("/") if part.startswith(".") or "cache" in part]
        assert all(part in (".gitignore", ".pre-commit-config.yaml") for part in hidden), name
        assert not name.endswith((".pyc", ".so", ".pyd", ".o")), name


def test_a_wheel_from_the_archive(
    archive: Path, environment: Path, install: Callable[..., Path]
) -> None:
    need_compiler()
    place, names = state(install(str(archive)))
    assert place.is_relative_to(environment)
    assert names[-1] == "portable"
    installed = [path.name for path in (place.parent / "native").iterdir()]
    assert "kernels" not in installed  # the sources are for those who build
    assert (place.parent / "recipes").is_dir()


def test_an_editable_install(source: Path, install: Callable[..., Path]) -> None:
    need_compiler()
    place, names = state(install("--editable", str(source)))
    assert place.is_relative_to(source)
    assert names[-1] == "portable"


@pytest.mark.parametrize("editable", [False, True], ids=["plain", "editable"])
def test_without_a_compiler(
    editable: bool, source: Path, install: Callable[..., Path], tmp_path: Path
) -> None:
    """The install succeeds, and a study trains on autograd."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "env", "uname", "cmake", "ninja"):
        if found := shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent)):
            (tools / name).symlink_to(found)
    nowhere = {"PATH": str(tools), "CC": "/nonexistent", "CXX": "/nonexistent"}
    python = install(*(["--editable"] if editable else []), str(source), **nowhere)
    place, names = state(python)
    assert names == []
    assert place.is_relative_to(source) == editable
    options = ["--epochs", "2", "--seeds", "2", "--jobs", "1", "--out", str(tmp_path / "out")]
    program = str(python.parent / "thalweg")
    run(program, "train", "mlp", "sine", "--lr", "0.01", *options, **nowhere)
    records = [json.loads(f.read_text()) for f in (tmp_path / "out").glob("runs/*/status.json")]
    assert len(records) == 2
    assert all("autograd" in json.dumps(record) for record in records)
