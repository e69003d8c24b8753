"""Audit of what is installed: `make check` ends with it. It never fails for want of a network.

- What Thalweg and its tests need is there, in versions that no package refuses.
- Each of these packages is the one that constraints.txt pins, so what is tested is what is listed.
- No known vulnerability (pip-audit, which asks the package index), where there is a network.
"""

import json
import re
import subprocess
import sys
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"

OWN = {"thalweg", "pip", "setuptools"}
"""The package itself, and what an environment brings in a version of its own."""

ADVISORIES_SECONDS = 10
"""Time that the network may take."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Return versions by name."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", text, re.M)
    return {normal(name): version for name, version in found}


def needed(root: str, extras: frozenset[str]) -> tuple[dict[str, str], list[str]]:
    """Return what a package needs, whatever needs it, by name with the version that is installed;
    and a line for each that is missing or of a version that another refuses.
    """
    versions: dict[str, str] = {}
    faults: list[str] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [(root, extras)]
    while left:
        name, wanted = left.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for text in distribution(name).requires or []:
            each = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *wanted)]
            if each.marker and not any(map(each.marker.evaluate, environments)):
                continue
            try:
                version = distribution(each.name).version
            except PackageNotFoundError:
                faults.append(f"{name}: needs {each}, which is not installed")
                continue
            if not each.specifier.contains(version, prereleases=True):
                faults.append(f"{name}: needs {each}, but {version} is installed")
            versions[normal(each.name)] = version
            left.append((normal(each.name), frozenset(each.extras)))
    return versions, faults


def unpinned(found: dict[str, str], pins: dict[str, str]) -> list[str]:
    """Return a line for each package that is not what the constraints say."""
    return [
        f"{name} {version}: constraints.txt "
        + (f"pins {pins[name]}" if name in pins else "does not pin it")
        for name, version in sorted(found.items())
        if name not in OWN and pins.get(name) != version.partition("+")[0]
    ]


def advisories(names: Collection[str]) -> tuple[bool, str]:
    """Return whether no vulnerability of these packages is known, and what is to be said."""
    if find_spec("pip_audit") is None:
        return True, "advisories: not asked for, pip-audit is not installed"
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off", "--timeout", "3"],
            capture_output=True,
            text=True,
            check=False,
            timeout=ADVISORIES_SECONDS,
        )
        told = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return True, "advisories: the index did not answer in time, so none were looked at"
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no reason told"])[-1]
        return True, f"advisories: could not be had ({last[:200]})"
    found = [each for each in told if normal(each["name"]) in names and each["name"] not in OWN]
    known = [
        f"{each['name']} {each['version']}: {', '.join(v['id'] for v in each['vulns'])}"
        for each in found
        if each.get("vulns")
    ]
    asked = sum("skip_reason" not in each for each in found)
    counts = f"advisories: {len(known)} packages have some, of {asked} that the index tells of"
    return not known, "\n".join([*known, counts])


def main() -> int:
    versions, lines = needed("thalweg", frozenset({"dev"}))
    lines += unpinned(versions, pinned(CONSTRAINTS.read_text(encoding="utf-8")))
    clean, told = advisories(versions)
    print("\n".join([*lines, told]))
    return int(bool(lines) or not clean)


if __name__ == "__main__":
    sys.exit(main())
