"""Instruments around anyone's training loop."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from thalweg.errors import InputError, ThalwegError
from thalweg.instruments.examples import Examples, Loss
from thalweg.instruments.looking import Batch, Clipping, Looking
from thalweg.instruments.needs import sentence
from thalweg.instruments.outcome import Outcome
from thalweg.instruments.undisturbed import Call, undisturbed
from thalweg.measure.dynamics.options import DynamicsOptions, usual_moments
from thalweg.measure.moments import Moments
from thalweg.measure.requests import Request, SampleOptions
from thalweg.measure.series import Series
from thalweg.store.results import SERIES
from thalweg.store.series import OWN
from thalweg.validation import validate

FIGURES = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
"""Figures of an epoch."""


class Instruments:
    """Watches the steps of a training loop and changes nothing of it::

        with Instruments(model, optimizer, loss=cross_entropy, out="out", study="mine") as watch:
            for x, y in loader:
                optimizer.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                watch.batch(x, y, loss)
                optimizer.step()

    The instruments are those of the probe ``dynamics`` (``thalweg list instruments``), and so are
    their definitions. A look is at one call of ``optimizer.step()``: before it the gradient is read
    off the parameters (of a closure, after its first call), after it the figures are taken, on a
    copy of the network. Weights, gradients, buffers, modes, and the random state of PyTorch, NumPy
    and Python are left as they were.

    Args:
        model: Any network on one device, in single or double precision; autocast is fine.
        optimizer: What steps.
        preset: "cheap", "standard" or "full".
        instruments: Names, in place of the preset's.
        when: ``"every:N"``, to look before every N-th step from the first on; by default as the
            preset has it.
        groups: Parts of a batch whose gradients tell the noise.
        loss: Outputs of ``model`` and targets → mean loss over the examples.
        train: Training examples, a tuple ``(inputs, targets)``; or what yields such batches: of a
            DataLoader they are drawn from its data set, of all else the first are taken.
        validation: Held-out examples whose targets are classes, likewise.
        examples: How many of the training examples are looked at; by default 1,000.
        out: Results folder, or a URL; None to write nothing.
        study: Name of the study that the run is added to.
        name: Of its arm; by default that of the optimizer's class.
        seed: By which it is paired with the runs of other arms.

    Attributes:
        step: Steps so far.
        seconds: What the looks have taken.

    Raises:
        InputError: Something given is wrong.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        preset: str = "standard",
        *,
        instruments: Sequence[str] | None = None,
        when: str | None = None,
        groups: int = 4,
        loss: Loss | None = None,
        train: Any = None,
        validation: Any = None,
        examples: int | None = None,
        out: str | Path | None = None,
        study: str | None = None,
        name: str | None = None,
        seed: int = 0,
    ) -> None:
        chosen = None if instruments is None else list(instruments)
        table = {"preset": preset, "instruments": chosen, "groups": groups}
        options = validate(DynamicsOptions, table)
        sample = validate(SampleOptions, {"examples": examples})
        self._moments = _moments(when or usual_moments(options))
        _check_optimizer(optimizer)
        processes = torch.distributed
        together = processes.is_available() and processes.is_initialized()
        if together and processes.get_world_size() > 1:
            raise InputError("model: is trained by several processes; must be by one")
        if out is not None and study is None:
            raise InputError("study = None: must be a name where out is given")
        self._model, self._optimizer = model, optimizer
        self._request = Request("dynamics", "dynamics", sample, options, self._moments)
        self._written = None if out is None else (out, str(study), name or _name(optimizer), seed)
        self._device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.step = 0
        self.seconds = 0.0
        with self._looking():
            self._eye = Looking(model, optimizer, options, sample.examples, loss, train, validation)
        self._series = Series(1)
        self._metrics: list[dict[str, Any]] = []
        self._outcome: Outcome | None = None
        self._handles: list[RemovableHandle] = []
        self._batches: list[Batch] = []
        self._calls: list[Call] = []
        self._gradient: Tensor | None = None
        self._clipping: Clipping | None = None
        self._seen = False
        self._started = 0.0

    @property
    def gradients(self) -> float:
        """What the looks have cost so far, in gradients of a minibatch; a product with a curvature
        matrix counts two, a loss a third.
        """
        return self._eye.gradients

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Instruments that are not read, each with what they lack: final after the first step."""
        return self._eye.lacking

    @property
    def due(self) -> bool:
        """Whether the next step is looked at."""
        return self._moments.due(self.step, 0)

    def expected_gradients(self, batch_size: int) -> float:
        """Return what looking will cost a step on average, in gradients of a minibatch, if all is
        given that is asked for: known before the first step.

        Args:
            batch_size: Examples a step.
        """
        return self._eye.expected_gradients(batch_size) / self._moments.count

    def batch(self, inputs: Any = None, targets: Any = None, loss: Tensor | None = None) -> None:
        """Tell what a backward pass was of, after it and before the step. Where gradients are
        accumulated, each of the passes since they were zeroed counts.

        Args:
            inputs: What the network was called with: one argument, a tuple or list of positional,
                or a mapping of keyword arguments; their tensors have a row an example.
            targets: What the loss was taken with.
            loss: Mean over the examples, before it was divided for accumulation.
        """
        gradient = self._eye.network.first_gradient
        if self._gradient is not None and gradient is not self._gradient:
            # Zeroed without a step, as where a scaler has found an overflow.
            del self._batches[:], self._calls[:-1]
        self._gradient = gradient
        examples = None if inputs is None else Examples(inputs, targets)
        self._batches.append(Batch(examples, None if loss is None else loss.detach()))

    def clipping(self, norm: Tensor, limit: float) -> None:
        """Tell how the gradient was clipped, before the step::

            watch.clipping(clip_grad_norm_(model.parameters(), 1.0), 1.0)

        Args:
            norm: Before it was.
            limit: To which it was cut.
        """
        self._clipping = Clipping(torch.as_tensor(norm).detach(), limit)

    def epoch(self, **figures: float) -> None:
        """Tell figures at the end of an epoch: any of ``train_loss`` (mean over its batches),
        ``validation_loss``, ``validation_accuracy``, ``test_loss`` and ``test_accuracy``.

        Raises:
            InputError: A figure has another name.
        """
        for key in figures:
            if key not in FIGURES:
                raise InputError(f"{key}: must be one of {', '.join(FIGURES)}")
        self._metrics.append(
            {
                "epoch": len(self._metrics) + 1,
                "step": self.step,
                "lr": _lr(self._optimizer),
                "seconds": self._passed(),
                **{key: float(value) for key, value in figures.items()},
            }
        )

    def frame(self) -> pl.DataFrame:
        """Return one row a step, figure and entry; what looking has cost has no step."""
        schema = {key: SERIES[key] for key in OWN}
        return pl.DataFrame(self._rows(), schema=schema, orient="row")

    def __enter__(self) -> Self:
        if self._written is not None:
            where, lr = self._written, _lr(self._optimizer)
            self._outcome = Outcome(*where, self._request, type(self._optimizer).__name__, lr)
        self._handles = [
            self._model.register_forward_pre_hook(self._on_call),
            self._optimizer.register_step_pre_hook(self._on_step),
            self._optimizer.register_step_post_hook(self._after_step),
        ]
        self._started = time.perf_counter() - self.seconds
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        if self._outcome is None:
            return
        if error is not None:
            with suppress(ThalwegError):  # what went wrong first is what is raised
                self._outcome.fail(error, self._rows())
            return
        self._outcome.finish(self._status(), self._metrics, self._rows(), self._note())

    def _on_call(self, model: nn.Module, args: Any) -> None:
        """Note how the network is called in training, for passes that stand for the same call."""
        if self.due and model.training and torch.is_grad_enabled() and self._eye.calls:
            self._calls.append(Call.now(self._device))

    def _on_step(
        self, optimizer: Optimizer, args: Any, kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        """Look before the step or, where it computes the gradient itself, within it."""
        if callable(kwargs.get("closure")):
            return args, {**kwargs, "closure": self._watched(kwargs["closure"])}
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._watched(args[1]), *args[2:]), kwargs
        self._before_step()
        return None

    def _watched(self, closure: Callable[..., Any]) -> Callable[..., Any]:
        """Return a closure after whose first call is looked."""
        first = True

        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal first
            found = closure(*args, **kwargs)
            if first:
                first = False
                if isinstance(found, Tensor) and not self._batches:
                    self.batch(loss=found)
                self._before_step()
            return found

        return watched

    def _before_step(self) -> None:
        due = self.due
        if not (due or (self._eye.prepares and self._moments.due(self.step + 1, 0))):
            return
        scale = getattr(self._optimizer, "grad_scale", None)
        with self._looking():
            began = self._eye.begun
            self._eye.before(self.step, due, self._called(), self._clipping, scale)
            self._seen = True
        if not began and self._eye.lacking:
            warnings.warn(sentence(self._eye.lacking), stacklevel=4)

    def _called(self) -> list[Batch]:
        """Return the batches, each with how the network was called with it, where that is clear."""
        if len(self._calls) != len(self._batches):
            return self._batches
        return [
            Batch(
                None
                if each.examples is None
                else Examples(each.examples.inputs, each.examples.targets, call),
                each.loss,
            )
            for each, call in zip(self._batches, self._calls, strict=True)
        ]

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._seen:
            with self._looking():
                values = self._eye.after(self.due)
                if values:
                    self._series.add(self.step, values)
        self._batches, self._calls = [], []
        self._gradient = self._clipping = None
        self._seen = False
        self.step += 1

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """Look without a trace, and charge the looks with the time it takes."""
        start = time.perf_counter()
        try:
            with undisturbed(self._device):
                yield
        finally:
            self.seconds += time.perf_counter() - start

    def _rows(self) -> list[dict[str, Any]]:
        cost = {"seconds": self.seconds, "gradient_evaluations": self.gradients}
        return self._series.rows(0, cost)

    def _passed(self) -> float:
        """Return the seconds of the loop without those of the looks."""
        return time.perf_counter() - self._started - self.seconds

    def _status(self) -> dict[str, Any]:
        network = self._eye.network
        network.read()
        whole = bool(network.cohort.W.isfinite().all())
        last = self._metrics[-1] if self._metrics else {}
        return {
            "status": "done" if whole else "diverged",
            "diverged_step": None if whole else self.step,
            "steps": self.step,
            "seconds": self._passed(),
            "parameters": network.parameters,
            **({key: last[key] for key in FIGURES if key in last} if whole else {}),
        }

    def _note(self) -> str:
        assert self._written is not None
        _, _, arm, seed = self._written
        told = (
            f"Arm {arm!r}, seed {seed}: looking took {self.seconds:.3g} s beside the loop's "
            f"{self._passed():.3g} s."
        )
        if not self._eye.lacking:
            return told
        return f"{told} {sentence(self._eye.lacking).capitalize()}."


def _moments(when: str) -> Moments:
    try:
        moments = Moments.parse(when)
    except ValueError:
        moments = None
    if moments is None or moments.kind != "every":
        raise InputError(f'when = {when!r}: must be "every:N", N steps')
    return moments


def _check_optimizer(optimizer: object) -> None:
    if not isinstance(optimizer, Optimizer):
        kind = type(optimizer).__name__
        raise InputError(f"optimizer = {kind}: must be a torch.optim.Optimizer")


def _name(optimizer: Optimizer) -> str:
    return type(optimizer).__name__.lower()


def _lr(optimizer: Optimizer) -> float | None:
    lr = optimizer.param_groups[0].get("lr")
    return None if lr is None else float(lr)
