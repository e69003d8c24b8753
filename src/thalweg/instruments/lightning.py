"""Instruments as a callback of Lightning."""

from typing import Any

from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from thalweg.errors import InputError
from thalweg.instruments.instruments import Instruments
from thalweg.instruments.options import Names, check_names, tell_epoch

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise ImportError(
        "thalweg.instruments.lightning: needs the package lightning, which is not installed; pip "
        "install 'thalweg[integrations]'"
    ) from error

NAMES = {
    **{"val_loss": "validation_loss", "val_acc": "validation_accuracy"},
    **{"val_accuracy": "validation_accuracy", "train_loss": "train_loss"},
}
"""Names under which figures of an epoch are usually logged."""


class InstrumentsCallback(Callback):
    """Watches a fit of Lightning; see `thalweg.instruments.Instruments`::

        Trainer(callbacks=[InstrumentsCallback(loss=cross_entropy, out="out", study="mine")])

    A batch that is a pair is inputs and targets, any other is the inputs; the network is what
    ``forward`` computes. Examples for what looks at more than the batch are drawn from the
    trainer's own loader, if ``train`` gives no others.

    Args:
        preset: "cheap", "standard" or "full".
        figures: Names of logged figures → those of `Instruments.epoch`.
        **options: As for `Instruments`.

    Raises:
        InputError: Something given is wrong, now or when the fit begins: there must be one process,
            one optimizer, and no gradients scaled for half precision.
    """

    def __init__(self, preset: str = "standard", figures: Names = NAMES, **options: Any) -> None:
        super().__init__()
        self._figures = check_names(figures)
        self._options = {"preset": preset, **options}
        self._watch: Instruments | None = None
        self._batch: Any = None

    @property
    def watch(self) -> Instruments:
        """The instruments of the fit.

        Raises:
            InputError: There was none yet.
        """
        if self._watch is None:
            raise InputError("watch: is there once a fit has begun")
        return self._watch

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(trainer.optimizers) != 1:
            raise InputError(
                f"optimizers: are {len(trainer.optimizers)}; must be one to be watched"
            )
        if str(trainer.precision).startswith("16"):
            raise InputError(f"precision = {trainer.precision!r}: must be 'bf16-mixed' or 32 or 64")
        if trainer.world_size > 1:
            raise InputError(f"devices: are {trainer.world_size}; must be one to be watched")
        options = self._options
        if options.get("train") is None:
            options = {**options, "train": trainer.train_dataloader}
        self._watch = Instruments(pl_module, trainer.optimizers[0], **options)
        self._watch.__enter__()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        pair = isinstance(self._batch, tuple | list) and len(self._batch) == 2
        inputs, targets = self._batch if pair else (self._batch, None)
        self.watch.batch(inputs, targets, loss.detach() * trainer.accumulate_grad_batches)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        limit = trainer.gradient_clip_val
        if self.watch.due and limit and trainer.gradient_clip_algorithm != "value":
            gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self.watch.clipping(get_total_norm(gradients), float(limit))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tell_epoch(self.watch, trainer.callback_metrics, self._figures)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.watch.__exit__(None, None, None)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if self._watch is not None:
            self._watch.__exit__(type(exception), exception, exception.__traceback__)
