"""What a study asks to be measured of its runs: the ``[[probes]]`` of its file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from thalweg.errors import InputError
from thalweg.measure.curvature.operator import Curvature
from thalweg.measure.dynamics.options import usual_moments
from thalweg.measure.moments import Moments
from thalweg.measure.probes import DATA_FREE, check_options
from thalweg.registry import source_digest
from thalweg.validation import Options, validate


class SampleOptions(Options):
    """What a measurement is taken on; the keys of ``[[probes]]`` that all probes have.

    Attributes:
        examples: How many examples of the split, drawn without replacement; None for all.
        split: Split that the examples are of: "train", "validation" or "test".
        matrix: Curvature matrix.
        parameters: Shell-style patterns: the block of these parameters; none given, of all.
        masked: Restrict to the weights that a run's mask leaves.
        seed: Seed of the sample and the solvers.
        runs: Which runs are measured: "all"; "selected", those at the grid point that each arm's
            results select; "final", those of the study's final alone.
        rounds: Which networks of a pruning by rounds are measured: the "dense" one, the "last", or
            "all"; None for the last, and of what is taken of weights alone for all.
        arms: Shell-style patterns of the arms whose runs are measured; none given, all.
    """

    examples: int | None = Field(default=None, ge=1)
    split: str = "train"
    matrix: Curvature = "hessian"
    parameters: list[str] = Field(default=[])
    masked: bool = False
    seed: int = Field(default=0, ge=0)
    runs: Literal["all", "selected", "final"] = "all"
    rounds: Literal["dense", "last", "all"] | None = None
    arms: list[str] = Field(default=[])


@dataclass(frozen=True)
class Request:
    """One measurement of the runs of a study: at the weights they ended with, or as they train.

    Attributes:
        label: What its figures go under.
        name: Of the probe.
        sample: What it is taken on.
        options: Of the probe.
        when: At which moments of a training; None for its end.
    """

    label: str
    name: str
    sample: SampleOptions
    options: Options
    when: Moments | None = None

    @property
    def rounds(self) -> slice:
        """Which rounds of a pruning it is of, the dense network being the first."""
        usual = "all" if self.name in DATA_FREE and self.when is None else "last"
        found = {"dense": slice(1), "last": slice(-1, None), "all": slice(None)}
        return found[self.sample.rounds or usual]

    def canonical(self) -> dict[str, Any]:
        """Return all that its figures depend on as plain values."""
        sample = self.sample.model_dump(exclude={"runs", "rounds", "arms"})
        found = {"name": self.name, "sample": sample, "options": self.options.model_dump()}
        if ":" in self.name:
            found["code"] = source_digest(self.name)
        return found if self.when is None else {**found, "when": str(self.when)}

    def table(self) -> dict[str, Any]:
        """Return the ``[[probes]]`` table that asks for it."""
        when = "end" if self.when is None else str(self.when)
        own = {**self.sample.model_dump(), **self.options.model_dump()}
        known = {key: value for key, value in own.items() if value is not None}
        return {"name": self.name, "label": self.label, "when": when, **known}

    @cached_property
    def file(self) -> str:
        """Name of the file of a run that has its figures."""
        text = json.dumps(self.canonical(), sort_keys=True)
        kind = "json" if self.when is None else "parquet"
        name = self.name.replace(":", ".")  # of a user's own; Windows knows no such file name
        return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.{kind}"


def parse_requests(tables: Any) -> list[Request]:
    """Read the ``[[probes]]`` of a study.

    Raises:
        InputError: One sentence that names the key, the value and what is allowed.
    """
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise InputError(f"probes = {tables!r}: must be tables, [[probes]]")
    found: dict[str, Request] = {}
    for table in tables:
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            raise InputError(f"probes: {table!r} must be a table with a name")
        name = table["name"]
        label = table.get("label", name)
        if not isinstance(label, str):
            raise InputError(f"probes: label = {label!r}: must be a string")
        shared = {key: table[key] for key in SampleOptions.model_fields if key in table}
        own = {k: v for k, v in table.items() if k not in (*shared, "name", "label", "when")}
        path, also = f"probes.{label}", ["name", "label", "when", *SampleOptions.model_fields]
        if label in found:
            raise InputError(f"probes: two are called {label!r}; give one a label of its own")
        options = check_options(name, own, path, also)
        sample = validate(SampleOptions, shared, path)
        when = table.get("when", usual_moments(options))
        try:
            moments = Moments.parse(when)
        except ValueError as error:
            raise InputError(f"{path}.when = {when!r}: {error}") from None
        if moments is None and usual_moments(options) != "end":
            raise InputError(
                f'{path}.when = \'end\': must be "every:N" or "last:N", steps of the training '
                f"that {name!r} watches"
            )
        found[label] = Request(label, name, sample, options, moments)
    return list(found.values())
