"""The final of a study: the points that its results chose, trained on seeds they have not seen."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from thalweg.errors import InputError
from thalweg.study.axes import Axes
from thalweg.study.plan import StudyPlan, arm_tables, expand_study
from thalweg.study.source import Table
from thalweg.study.space import fill_all


def final_name(study: str) -> str:
    """Return the name of a study's final."""
    return f"{study}-final"


def final_study(plan: StudyPlan, chosen: Mapping[str, Axes]) -> StudyPlan:
    """Return the study of the chosen points on the seeds of the protocol, ``NAME-final``.

    Its runs are none of those by which the points were chosen, so its figures are not too good for
    having been chosen, and its validation and test figures may both be told.

    Args:
        plan: The study that chose.
        chosen: Values by key path of each arm's point; arms that are left out have none.
    """
    sparsity = plan.protocol.final_sparsity
    pruned: Table = {} if sparsity is None else {"sparsity": sparsity}
    arms = {
        name: {**fill_all(_without_controls(table), chosen[name]), **pruned}
        for _, name, table in arm_tables(plan.table)
        if name in chosen
    }
    options = plan.options
    left_out = [name for _, name, _ in arm_tables(plan.table) if name not in chosen]
    notes = [
        *options.notes,
        f"The points were chosen in the study {options.name}, on other seeds than these.",
        *(f"Arm {name} is left out: none of its runs came to a result." for name in left_out),
    ]
    groups = {
        group: [each for each in patterns if any(fnmatchcase(name, each) for name in arms)]
        for group, patterns in options.groups.items()
    }
    study = {
        **plan.table["study"],
        "groups": groups,
        "name": final_name(options.name),
        "title": f"{options.title or options.name}, on fresh seeds",
        "seeds": plan.protocol.final(options.seeds),
        "notes": notes,
    }
    probes = [_of_all(table) for table in plan.table.get("probes", [])]
    return expand_study({"study": study, "arms": arms, "probes": probes}, plan.source)


def check_final(plan: StudyPlan) -> None:
    """Refuse a study whose final could not be planned, before anything is trained.

    Raises:
        InputError: What is wrong with ``protocol.final_sparsity``.
    """
    if plan.protocol.final_sparsity is None:
        return
    first = {point.arm: point.axes for point in reversed(plan.points)}
    try:
        final_study(plan, first)
    except InputError as error:
        raise InputError(f"protocol.final_sparsity: {error}") from None


def _of_all(probe: Table) -> Table:
    """The table of a probe; what is measured in the final alone is of all its runs."""
    return {**probe, "runs": "all"} if probe.get("runs") == "final" else probe


def _without_controls(table: Table) -> Table:
    """The arm's tables; its controls are arms of their own here."""
    sparsity = table.get("sparsity")
    if not isinstance(sparsity, Mapping) or "controls" not in sparsity:
        return table
    return {**table, "sparsity": {k: v for k, v in sparsity.items() if k != "controls"}}
