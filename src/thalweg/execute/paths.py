"""The path of a training: the weights that a run leaves along it, for measurements that ask."""

from collections.abc import Mapping

from torch import Tensor

from thalweg.cohort import Training
from thalweg.data import Task
from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model, initial_seed
from thalweg.measure.landscape.probes import LandscapeOptions
from thalweg.measure.origin import Origin, TrainingPath
from thalweg.measure.requests import Request
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory
from thalweg.validation import Options

KIND = "weights"
"""Beginning of the name of a snapshot that has the weights alone: ``weights:STEP``."""


def path_length(options: Options) -> int:
    """Return at how many places of a training a probe wants the weights."""
    return options.path if isinstance(options, LandscapeOptions) else 0


def path_steps(spec: RunSpec, count: int, examples: int) -> tuple[int, ...]:
    """Return so many evenly spaced steps of a training, its first and last among them; fewer where
    it has not so many.

    Args:
        spec: Of the run; a round of pruning begins where it is rewound to.
        count: Places, at least 2.
        examples: Of the training split.
    """
    an_epoch = spec.train.steps_per_epoch(examples)
    first = 0 if spec.rounds is None else spec.rounds.start.first_step(an_epoch)
    last = spec.train.epochs * an_epoch
    return tuple(sorted({first + i * (last - first) // (count - 1) for i in range(count)}))


def path_snapshots(spec: RunSpec, count: int, examples: int) -> list[str]:
    """Return the names of the snapshots that a path is made of; the last place is where the run
    ended, of which it keeps the weights anyway.
    """
    return [f"{KIND}:{step}" for step in path_steps(spec, count, examples)[:-1]]


def snapshot_of_path(name: str) -> int | None:
    """Return the step of a snapshot for a path; None for one of another kind."""
    kind, _, step = name.partition(":")
    return int(step) if kind == KIND else None


def weights_of(training: Training, row: int) -> Mapping[str, Tensor]:
    """Return the weights at which a run would be judged, were its training over."""
    if not training.metrics[row]:  # it has not begun: nothing is averaged, and nothing constrained
        return training.cohort.state(row)
    with training.judged():
        return training.cohort.state(row)


def check_landscape(request: Request, spec: RunSpec, task: Task) -> None:
    """Check that a landscape that is asked for can be looked at.

    Raises:
        InputError: It is to be looked at as the run trains; the task has no classes; the training
            is too short for a path.
    """
    options = request.options
    if not isinstance(options, LandscapeOptions):
        return
    if request.when is not None:
        raise InputError(f'when = {str(request.when)!r}: must be "end" for a landscape')
    options.check(task)
    if options.path and len(path_steps(spec, options.path, len(task.train))) < 3:
        raise InputError(
            f"path = {options.path}: must be 0 for a run of one step, along which there is no path"
        )


class RunOrigin(Origin):
    """A run that a network comes from.

    Args:
        run: The run.
        spec: Its spec.
        task: Its task.
    """

    def __init__(self, run: RunDirectory, spec: RunSpec, task: Task) -> None:
        super().__init__(run.masks())
        self._run, self._spec, self._task = run, spec, task

    def initial(self) -> Mapping[str, Tensor]:
        """Return the weights that the run's seed draws, before any training, rewinding or pruning;
        of a reinitialised control those drawn anew.
        """
        module = build_spec_model(self._spec, self._task, initial_seed(self._spec))
        return {name: weight.detach() for name, weight in module.named_parameters()}

    def before_pruning(self) -> Mapping[str, Tensor] | None:
        """Return the weights that the round before this one ended with; None for a run that is no
        round of pruning, or whose predecessor is no longer there.

        Raises:
            DamagedError: They are not as they were written.
        """
        if self._spec.parent is None:
            return None
        return self._run.sibling(self._spec.parent.id).weights()

    def path(self, count: int) -> TrainingPath:
        """Return the weights at so many places of the training, its first and last step among them.

        Raises:
            InputError: The run has not kept them.
        """
        examples = len(self._task.train)
        names = path_snapshots(self._spec, count, examples)
        if not all(map(self._run.has_snapshot, names)):
            raise InputError(
                f"path = {count}: run {self._run.id} has not kept its weights at so many places of "
                "its training; a study whose [[probes]] ask for it has its runs keep them"
            )
        weights = [self._run.load_snapshot(name)["weights"] for name in names]
        weights.append(self._run.weights() or {})
        return TrainingPath(path_steps(self._spec, count, examples), tuple(weights))
