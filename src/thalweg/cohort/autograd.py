"""Gradients by PyTorch's autograd: any module, any device."""

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from thalweg.cohort.backend import Batch, Evaluation, GradientBackend
from thalweg.cohort.layout import constants, trainable
from thalweg.cohort.losses import example_losses
from thalweg.cohort.matrix import Cohort
from thalweg.data import LossName, Split
from thalweg.randomness import global_stream

EVALUATION_EXAMPLES = 2000
"""Examples a forward pass of an evaluation: large enough to fill the machine, small enough that
the activations of a stacked convolution stay within a few hundred megabytes."""


class AutogradBackend(GradientBackend):
    """Autograd, over rows one by one or stacked.

    One by one, every row has a module of its own whose parameters are views into the row, called
    directly. Stacked, one module is called through ``functional_call`` under ``vmap``, its
    parameters being views of shape ``(K, *shape)``. Which one is faster depends on the network
    and the device: see `thalweg.cohort.planner`.

    Args:
        loss: The task's loss.
        stacked: Call all rows at once.
        stochastic: The network draws random numbers when it trains (dropout); its draws then
            come from the stream ``(seed, "forward", step)`` of each run, and those of one that
            draws in evaluation too from ``(seed, "evaluation", example)``. Not possible stacked.
    """

    def __init__(self, loss: LossName, stacked: bool, stochastic: bool = False) -> None:
        if stacked and stochastic:
            raise ValueError("a network that draws random numbers cannot be stacked")
        self.name = "autograd-stacked" if stacked else "autograd"
        self._loss = loss
        self._stacked = stacked
        self._stochastic = stochastic
        self._bound: Tensor | None = None
        self._modules: list[nn.Module] = []
        self._leaves: dict[str, Tensor] = {}
        self._gradients: list[Tensor] = []

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        self._bind(cohort)
        inputs, targets = batch.split.batch(batch.index)
        if self._stacked:
            return self._stacked_gradient(inputs, targets, batch.shared, cohort)
        losses = []
        for k, module in enumerate(self._modules):
            x, y = (inputs, targets) if batch.shared else (inputs[k], targets[k])
            with self._draws(cohort, k, "forward", batch.step):
                loss = example_losses(self._loss, module(x), y).mean()
            found = torch.autograd.grad(
                loss, list(trainable(module).values()), materialize_grads=True
            )
            views = cohort.layout.views(cohort.G[k]).values()
            torch._foreach_copy_(list(views), list(found))
            self._keep_buffers(cohort, k)
            losses.append(loss.detach())
        return torch.stack(losses)

    def _draws(self, cohort: Cohort, k: int, name: str, index: int) -> AbstractContextManager[None]:
        """Return the context in which a stochastic network draws from a stream of its run."""
        if not self._stochastic:
            return nullcontext()
        return global_stream(cohort.seeds[k], name, index)

    def _keep_buffers(self, cohort: Cohort, k: int) -> None:
        """Take up the buffers that a network replaced instead of changing them in place."""
        for name, kept in cohort.buffers.items():
            owner, _, own_name = name.rpartition(".")
            part = self._modules[k].get_submodule(owner)
            buffer = part._buffers.get(own_name)
            if buffer is not None and buffer.data_ptr() != kept[k].data_ptr():
                part._buffers[own_name] = kept[k].copy_(buffer.detach())

    def _stacked_gradient(
        self, inputs: Tensor, targets: Tensor, shared: bool, cohort: Cohort
    ) -> Tensor:
        module = self._modules[0].train()
        name = self._loss

        def mean_loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return example_losses(name, functional_call(module, parameters, (x,)), y).mean()

        over = None if shared else 0
        losses = vmap(mean_loss, in_dims=(0, over, over))(
            {**self._leaves, **cohort.buffers}, inputs, targets
        )
        found = torch.autograd.grad(
            losses.sum(), list(self._leaves.values()), materialize_grads=True
        )
        torch._foreach_copy_(self._gradients, list(found))
        return losses.detach()

    @torch.no_grad()
    def evaluate(self, cohort: Cohort, split: Split) -> Evaluation:
        self._bind(cohort)
        K, N = cohort.rows, len(split)
        loss = torch.zeros(K, dtype=torch.float64, device=cohort.W.device)
        confusion: Tensor | None = None
        for start in range(0, N, EVALUATION_EXAMPLES):
            x, y = split.batch(slice(start, start + EVALUATION_EXAMPLES))
            for k, outputs in self._outputs(cohort, x, start):
                loss[k] += example_losses(self._loss, outputs, y).sum().double()
                if self._loss == "cross_entropy":
                    C = outputs.shape[-1]
                    if confusion is None:
                        confusion = loss.new_zeros((K, C * C), dtype=torch.int64)
                    confusion[k] += torch.bincount(y * C + outputs.argmax(-1), minlength=C * C)
        if confusion is None:
            return Evaluation(loss / N, None, None)
        C = round(confusion.shape[1] ** 0.5)
        counts = confusion.view(K, C, C)
        accuracy = counts.diagonal(dim1=1, dim2=2).sum(1).double() / N
        return Evaluation(loss / N, accuracy, counts)

    def _outputs(self, cohort: Cohort, x: Tensor, start: int) -> list[tuple[int, Tensor]]:
        """Return each row's outputs of the examples from ``start`` on."""
        if not self._stacked:
            outputs = []
            for k, module in enumerate(self._modules):
                try:
                    with self._draws(cohort, k, "evaluation", start):
                        outputs.append((k, module.eval()(x)))
                finally:
                    module.train()
            return outputs
        module = self._modules[0].eval()
        try:
            stacked = vmap(
                lambda parameters, x: functional_call(module, parameters, (x,)), in_dims=(0, None)
            )({**self._leaves, **cohort.buffers}, x)
        finally:
            module.train()
        return list(enumerate(stacked))

    def _bind(self, cohort: Cohort) -> None:
        """Make the modules read the cohort's rows; done once, since W never moves."""
        if self._bound is cohort.W:
            return
        self._bound = cohort.W
        count = 1 if self._stacked else cohort.rows
        self._modules = [copy.deepcopy(cohort.module).train() for _ in range(count)]
        if self._stacked:
            for part in self._modules[0].modules():
                if hasattr(part, "unrolled"):  # fused recurrences have no batching rule
                    setattr(part, "unrolled", True)
            self._leaves = {
                name: view.detach().requires_grad_()
                for name, view in cohort.layout.views(cohort.W).items()
            }
            self._gradients = list(cohort.layout.views(cohort.G).values())
            return
        for k, module in enumerate(self._modules):
            views = cohort.layout.views(cohort.W[k])
            for name, parameter in trainable(module).items():
                parameter.data = views[name]
            for name, buffer in constants(module).items():
                buffer.data = cohort.buffers[name][k]
