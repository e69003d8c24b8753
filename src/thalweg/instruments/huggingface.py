"""Instruments as a callback of the Trainer of Hugging Face."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from thalweg.errors import InputError
from thalweg.instruments.examples import Examples
from thalweg.instruments.instruments import Instruments
from thalweg.instruments.options import Names, check_names, tell_epoch

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise ImportError(
        "thalweg.instruments.huggingface: needs the package transformers, which is not installed; "
        "pip install 'thalweg[integrations]'"
    ) from error

NAMES = {"eval_loss": "validation_loss", "eval_accuracy": "validation_accuracy"}
"""Names under which an evaluation logs figures."""

COUNT = "num_items_in_batch"
"""Argument by which the Trainer has a model divide the sum over a batch by the tokens of all
batches of a step."""


def own_loss(outputs: Any, targets: Tensor | None) -> Tensor:
    """Return the loss that a model of Hugging Face computes itself.

    Args:
        outputs: Of the model.
        targets: Where it was divided by the tokens of all batches of a step (`COUNT`), the examples
            of all of them, once an example; it is then brought to a mean over its own.
    """
    found: Tensor = outputs.loss
    return found if targets is None else found * targets[0] / len(targets)


class InstrumentsCallback(TrainerCallback):
    """Watches a training by a Trainer; see `thalweg.instruments.Instruments`::

        Trainer(model, args, callbacks=[InstrumentsCallback(out="out", study="mine")], ...)

    The batch is what the model is called with, labels among it, and the loss is the model's own.
    Every evaluation is an epoch of the run. Examples for what looks at more than the batch are
    drawn from the training set, if ``train`` gives no others. A run whose training raises stays
    without an end, since the Trainer tells callbacks nothing of it.

    Args:
        preset: "cheap", "standard" or "full".
        figures: Names of logged figures → those of `Instruments.epoch`.
        **options: As for `Instruments`.

    Raises:
        InputError: Something given is wrong, now or when the training begins: there must be one
            process, and no gradients scaled for half precision (``fp16``).
    """

    def __init__(self, preset: str = "standard", figures: Names = NAMES, **options: Any) -> None:
        self._figures = check_names(figures)
        self._options = {"preset": preset, "loss": own_loss, **options}
        self._watch: Instruments | None = None
        self._handles: list[RemovableHandle] = []
        self._passes: list[tuple[dict[str, Any], Any]] = []
        self._squares: dict[str, Tensor] = {}

    @property
    def watch(self) -> Instruments:
        """The instruments of the training.

        Raises:
            InputError: There was none yet.
        """
        if self._watch is None:
            raise InputError("watch: is there once a training has begun")
        return self._watch

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if args.fp16:
            raise InputError(
                "fp16 = True: must be False for a training to be watched; bf16 is fine"
            )
        if args.n_gpu > 1:
            raise InputError(
                f"n_gpu = {args.n_gpu}: must be at most 1 for a training to be watched"
            )
        model, options = kwargs["model"], self._options
        if options.get("train") is None:
            options = {**options, "train": kwargs["train_dataloader"]}
        optimizer = getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"])
        self._watch = Instruments(model, optimizer, **options)
        self._handles = [model.register_forward_hook(self._on_call, with_kwargs=True)]
        if args.max_grad_norm:
            self._handles += [
                p.register_post_accumulate_grad_hook(self._on_gradient(name))
                for name, p in model.named_parameters()
                if p.requires_grad
            ]
        self._watch.__enter__()

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        sizes = [len(Examples(inputs)) for inputs, _ in self._passes]
        for (inputs, outputs), size in zip(self._passes, sizes, strict=True):
            divided = inputs.get(COUNT) is not None
            targets = torch.full((size,), sum(sizes)) if divided else None
            loss = getattr(outputs, "loss", None)
            told = None if loss is None else own_loss(outputs, targets)
            self.watch.batch(inputs, targets, told)
        if self._squares:
            norm = torch.stack(list(self._squares.values())).sum().sqrt()
            self.watch.clipping(norm, args.max_grad_norm)
        self._passes, self._squares = [], {}

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if self._watch is not None:  # an evaluation may come before any training
            tell_epoch(self._watch, metrics or {}, self._figures)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self.watch.__exit__(None, None, None)

    def _on_call(self, model: nn.Module, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
        if self.watch.due and model.training and torch.is_grad_enabled():
            self._passes.append((dict(kwargs), outputs))

    def _on_gradient(self, name: str) -> Callable[[Tensor], None]:
        def note(p: Tensor) -> None:
            if self.watch.due and p.grad is not None:
                self._squares[name] = torch.linalg.vector_norm(p.grad).square()

        return note
