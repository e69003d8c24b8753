"""The final of a study: the points that its results chose, trained on seeds they have not seen."""

from collections.abc import Mapping

from thalweg.study.axes import Axes
from thalweg.study.plan import StudyPlan, arm_tables, build_study
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
    arms = {
        name: fill_all(_without_controls(table), chosen[name])
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
    study = {
        **plan.table["study"],
        "name": final_name(options.name),
        "title": f"{options.title or options.name}, on fresh seeds",
        "seeds": plan.protocol.final(options.seeds),
        "notes": notes,
    }
    probes = {key: plan.table[key] for key in ("probes",) if key in plan.table}
    return build_study({"study": study, "arms": arms, **probes}, plan.source)


def _without_controls(table: Table) -> Table:
    """The arm's tables; its controls are arms of their own here."""
    sparsity = table.get("sparsity")
    if not isinstance(sparsity, Mapping) or "controls" not in sparsity:
        return table
    return {**table, "sparsity": {k: v for k, v in sparsity.items() if k != "controls"}}
