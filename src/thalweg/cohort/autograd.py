"""Gradients by PyTorch's autograd: any module, any device."""

import copy
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from thalweg.cohort.backend import Batch, Fisher, FisherFactors, GradientBackend
from thalweg.cohort.fisher_blocks import find_blocks
from thalweg.cohort.kronecker import KroneckerCapture
from thalweg.cohort.layout import constants, trainable
from thalweg.cohort.losses import (
    output_hessian_roots,
    sampled_output_gradient,
    times_output_hessian,
)
from thalweg.cohort.matrix import Cohort
from thalweg.data import LossName, Split
from thalweg.randomness import generator, global_stream


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
        label_smoothing: Of the loss that is trained on.
        training: Whether derivatives are of the network in training mode.
    """

    def __init__(
        self,
        loss: LossName,
        stacked: bool,
        stochastic: bool = False,
        label_smoothing: float = 0.0,
        training: bool = True,
    ) -> None:
        if stacked and stochastic:
            raise ValueError("a network that draws random numbers cannot be stacked")
        # A captured step would replay the random numbers of its capture.
        super().__init__(loss, not stochastic, label_smoothing)
        self._stacked = stacked
        self._stochastic = stochastic
        self._training = training
        self._bound: Tensor | None = None
        self._modules: list[nn.Module] = []
        self._leaves: dict[str, Tensor] = {}
        self._gradients: list[Tensor] = []

    def twin(self) -> "AutogradBackend":
        return AutogradBackend(
            *(self._loss, self._stacked, self._stochastic, self._label_smoothing, self._training)
        )

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        self._bind(cohort)
        inputs, targets = batch.split.batch(batch.index)
        if self._stacked:
            return self._stacked_gradient(inputs, targets, batch.shared, cohort)
        losses = []
        for k, module in enumerate(self._modules):
            x, y = (inputs, targets) if batch.shared else (inputs[k], targets[k])
            with self._draws(cohort, k, "forward", batch.step):
                loss = self._training_losses(module(x), y).mean()
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
        module = self._modules[0].train(self._training)

        def mean_loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return self._training_losses(functional_call(module, parameters, (x,)), y).mean()

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
    def losses(self, cohort: Cohort, batch: Batch) -> Tensor:
        self._bind(cohort)
        inputs, targets = batch.split.batch(batch.index)
        kept = {name: buffer.clone() for name, buffer in cohort.buffers.items()}
        losses = []
        for k in range(cohort.rows):
            x, y = (inputs, targets) if batch.shared else (inputs[k], targets[k])
            named = cohort.layout.views(cohort.W[k]) | {n: kept[n][k] for n in kept}
            with self._draws(cohort, k, "forward", batch.step):
                outputs = functional_call(self._twice, named, (x,))
            losses.append(self._training_losses(outputs, y).mean())
        return torch.stack(losses)

    def product(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """By double backward: H·v = ∂(∂loss/∂w · v)/∂w."""
        rows = []
        for k in range(cohort.rows):
            outputs, targets, leaves = self._differentiable(cohort, batch, k)
            loss = self._training_losses(outputs, targets).mean()
            first = torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True)
            second = torch.autograd.grad(_flat(first) @ V[k], leaves, materialize_grads=True)
            rows.append(_flat(second))
        return torch.stack(rows)

    def gauss_newton(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """By double backward: see `_times_jacobian`."""
        rows = []
        for k in range(cohort.rows):
            outputs, _, leaves = self._differentiable(cohort, batch, k)
            ahead = _times_jacobian(outputs, leaves, V[k])
            curved = times_output_hessian(self._loss, outputs.detach(), ahead) / batch.size
            rows.append(_flat(torch.autograd.grad(outputs, leaves, curved, materialize_grads=True)))
        return torch.stack(rows)

    def empirical_fisher(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """By double backward, as `gauss_newton`, through the losses of the examples."""
        rows = []
        for k in range(cohort.rows):
            outputs, targets, leaves = self._differentiable(cohort, batch, k)
            losses = self._training_losses(outputs, targets)
            ahead = _times_jacobian(losses, leaves, V[k]) / batch.size
            rows.append(_flat(torch.autograd.grad(losses, leaves, ahead, materialize_grads=True)))
        return torch.stack(rows)

    def _differentiable(
        self, cohort: Cohort, batch: Batch, k: int
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return a row's outputs as a function that can be differentiated twice, its targets, and
        the weights it is a function of. Buffers stay as they are.
        """
        self._bind(cohort)
        inputs, targets = batch.split.batch(batch.index)
        x, y = (inputs, targets) if batch.shared else (inputs[k], targets[k])
        weights = {
            name: view.detach().requires_grad_()
            for name, view in cohort.layout.views(cohort.W[k]).items()
        }
        kept = {name: buffer[k].clone() for name, buffer in cohort.buffers.items()}
        with self._draws(cohort, k, "forward", batch.step):
            outputs = functional_call(self._twice, {**weights, **kept}, (x,))
        return outputs, y, list(weights.values())

    def fisher_factors(self, cohort: Cohort, batch: Batch, fisher: Fisher) -> FisherFactors:
        """Row by row, in a forward pass that is watched by a `KroneckerCapture`.

        Targets are drawn from the stream ``(seed, "fisher", step)`` of each run.
        """
        self._bind(cohort)
        inputs, targets = batch.split.batch(batch.index)
        blocks = find_blocks(self._watched)
        rows = []
        for k in range(cohort.rows):
            x, y = (inputs, targets) if batch.shared else (inputs[k], targets[k])
            self._show_row(cohort, k)
            capture = KroneckerCapture(self._watched, blocks)
            with self._draws(cohort, k, "forward", batch.step), torch.enable_grad(), capture:
                outputs = self._watched(x)
            draws = generator(cohort.seeds[k], "fisher", batch.step)
            gradients = self._output_gradients(outputs, y, fisher, draws)
            rows.append(capture.factors(outputs, gradients))
        factors = {
            name: (
                torch.stack([row[name][0] for row in rows]),
                torch.stack([row[name][1] for row in rows]),
            )
            for name in blocks
            if all(name in row for row in rows)
        }
        return FisherFactors(factors, len(gradients))

    def _output_gradients(
        self, outputs: Tensor, targets: Tensor, fisher: Fisher, draws: torch.Generator
    ) -> Sequence[Tensor]:
        """Return gradients in the outputs whose outer products make a Fisher matrix."""
        if fisher == "empirical":
            leaf = outputs.detach().requires_grad_()
            return torch.autograd.grad(self._training_losses(leaf, targets).sum(), leaf)
        if fisher == "exact":
            return list(output_hessian_roots(self._loss, outputs.detach()))
        return [sampled_output_gradient(self._loss, outputs.detach(), draws)]

    def _show_row(self, cohort: Cohort, k: int) -> None:
        """Let the watched network have a row's weights, and buffers it may change."""
        views = cohort.layout.views(cohort.W[k])
        for name, parameter in trainable(self._watched).items():
            parameter.data = views[name]
        for name, buffer in constants(self._watched).items():
            buffer.data = cohort.buffers[name][k].clone()

    @torch.no_grad()
    def outputs(self, cohort: Cohort, split: Split, examples: slice) -> Iterable[Tensor]:
        self._bind(cohort)
        x, _ = split.batch(examples)
        if not self._stacked:
            return self._outputs_one_by_one(cohort, x, examples.start)
        module = self._modules[0].eval()
        try:
            stacked: Tensor = vmap(
                lambda parameters, x: functional_call(module, parameters, (x,)), in_dims=(0, None)
            )({**self._leaves, **cohort.buffers}, x)
        finally:
            module.train(self._training)
        return stacked

    def _outputs_one_by_one(self, cohort: Cohort, x: Tensor, start: int) -> Iterable[Tensor]:
        for k, module in enumerate(self._modules):
            try:
                with self._draws(cohort, k, "evaluation", start):
                    outputs = module.eval()(x)
            finally:
                module.train(self._training)
            yield outputs

    def _bind(self, cohort: Cohort) -> None:
        """Make the modules read the cohort's rows; done once, since W never moves."""
        if self._bound is cohort.W:
            return
        self._bound = cohort.W
        self._twice = unroll(copy.deepcopy(cohort.module).train(self._training))
        self._watched = copy.deepcopy(cohort.module).train(self._training)
        count = 1 if self._stacked else cohort.rows
        self._modules = [copy.deepcopy(cohort.module).train(self._training) for _ in range(count)]
        if self._stacked:
            unroll(self._modules[0])
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


def _times_jacobian(outputs: Tensor, leaves: Sequence[Tensor], v: Tensor) -> Tensor:
    """Return J·v = ∂(v · Jᵀu)/∂u at any u, J being that of the outputs in the leaves."""
    u = torch.zeros_like(outputs, requires_grad=True)
    back = torch.autograd.grad(outputs, leaves, u, create_graph=True, materialize_grads=True)
    (ahead,) = torch.autograd.grad(_flat(back) @ v, u, retain_graph=True)
    return ahead


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


def unroll(module: nn.Module) -> nn.Module:
    """Make a network's fused recurrences, which have neither a batching rule nor, on CUDA, second
    derivatives, compute step by step; returns the module.
    """
    for part in module.modules():
        if hasattr(part, "unrolled"):
            setattr(part, "unrolled", True)
    return module
