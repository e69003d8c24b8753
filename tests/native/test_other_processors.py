"""Processors that are not this one: widths of vectors, instruction sets, and 64-bit Arm emulated.

Each compiles ``self_check.cpp`` with the kernels; skipped where a compiler or emulator is missing.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KERNELS = HERE.parents[1] / "src" / "thalweg" / "native" / "kernels"
SOURCES = [KERNELS / "variant.cpp", KERNELS / "interface.cpp", HERE / "self_check.cpp"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-psabi"]  # psabi: no vectors cross a library's edge
INSTRUCTIONS = {
    "avx2": ["-DTW_VECTOR_BYTES=32", "-mavx2", "-mfma"],
    "avx512": ["-DTW_VECTOR_BYTES=64", "-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma"],
}

pytestmark = pytest.mark.slow


def tool(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"none of {', '.join(names)} is on this machine")


def build(compiler: str, program: Path, *options: str) -> None:
    command = [compiler, "-std=c++17", "-O2", "-ffp-contract=fast", *WARNINGS, *options]
    command += [f"-I{KERNELS}", *map(str, SOURCES), "-o", str(program), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("single precision") == 6


@pytest.mark.parametrize("width", [16, 32, 64])
def test_widths(width: int, tmp_path: Path) -> None:
    """Any width of vector, made of whatever this processor has."""
    build(tool("c++", "g++", "clang++"), tmp_path / "check", f"-DTW_VECTOR_BYTES={width}")
    check(str(tmp_path / "check"))


@pytest.mark.parametrize("width", [16, 64])
def test_arm(width: int, tmp_path: Path) -> None:
    """On 64-bit Arm the portable width is NEON's."""
    compiler, emulator = tool("aarch64-linux-gnu-g++"), tool("qemu-aarch64", "qemu-aarch64-static")
    build(compiler, tmp_path / "check", "-static", f"-DTW_VECTOR_BYTES={width}")
    check(emulator, str(tmp_path / "check"))


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instruction_sets_compile_without_warnings(name: str, tmp_path: Path) -> None:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("not an x86 processor")
    options = [f"-DTW_VARIANT={name}", *INSTRUCTIONS[name], "-c", "-o", str(tmp_path / "kernels.o")]
    command = [tool("c++", "g++", "clang++"), "-std=c++17", "-O3", *WARNINGS, *options]
    done = subprocess.run([*command, str(SOURCES[0])], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
