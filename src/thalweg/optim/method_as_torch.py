"""Our methods as plain ``torch.optim.Optimizer`` classes, driven by a closure."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from thalweg.cohort import Batch, Cohort, GradientBackend, Layout, Oracle, RowOptimizer
from thalweg.cohort.backend import Fisher, FisherFactors
from thalweg.data import Split
from thalweg.errors import InputError
from thalweg.optim.method import Method
from thalweg.optim.needs import NEEDS
from thalweg.validation import validate

Closure = Callable[[], Any]


class _MethodAsTorch(torch.optim.Optimizer):
    """Base: drives ``method`` on a cohort of one row that holds copies of the parameters.

    ``step`` needs a closure as L-BFGS's does: it clears the gradients, computes the loss, calls
    ``backward`` and returns the loss, and must give the same loss for the same weights. Bare losses
    cost a backward pass too. Hessian products are central differences of the closure's gradient,
    two calls each: in single precision good to some three digits.

    A learning-rate scheduler acts as ``schedule`` does in a study. Other hyperparameters are those
    of the construction.

    Args:
        params: Parameters of one type on one device, in one group.
        full_closure: For a method that needs full passes, and only there: a closure of the mean
            loss over all training examples.
        batches_per_epoch: Steps an epoch takes, for a method whose step depends on it.
        hyperparameters: See the method's ``options``.

    Raises:
        InputError: A hyperparameter is unknown or out of range, or the method needs what closures
            cannot give (also a ``ValueError``).
    """

    method: ClassVar[Method]

    def __init__(
        self,
        params: ParamsT,
        *,
        full_closure: Closure | None = None,
        batches_per_epoch: int = 1,
        **hyperparameters: Any,
    ) -> None:
        name = self.method.name
        self._hyperparameters = validate(self.method.options, hyperparameters, name)
        _check_needs(self.method, full_closure)
        why = self.method.beyond_closures(self._hyperparameters)
        if why:
            raise InputError(f"{name}.{why}, which a closure cannot give")
        super().__init__(params, self._hyperparameters.model_dump())
        parameters = [p for p in self.param_groups[0]["params"] if p.requires_grad]
        if len({(p.dtype, p.device) for p in parameters}) != 1:
            raise InputError(f"{name}: takes parameters of one type and on one device")
        module = nn.ParameterList(parameters)
        self._cohort = Cohort([module], [0], parameters[0].device, parameters[0].dtype)
        self._backend = _ClosureBackend(parameters, full_closure)
        self._oracle = _ClosureOracle(self._cohort, self._backend, batches_per_epoch)
        self._rows = self._bind()
        self._count = 0

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise InputError(f"{self.method.name}: takes one group of parameters")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        self._backend.closure = closure
        self._backend.read_parameters(self._cohort)
        self._count += 1
        losses = self._oracle.draw(torch.zeros(1, dtype=torch.int64), self._count)
        self._rows.step(self.param_groups[0]["lr"] / self._hyperparameters.lr, self._oracle)
        self._backend.write_parameters(self._cohort)
        return losses[0]

    def state_dict(self) -> dict[str, Any]:
        row = self._rows.row_state(0)
        own = {"hyperparameters": self._hyperparameters.model_dump(), "row": row}
        return {**super().state_dict(), "method": copy.deepcopy(own)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        own = copy.deepcopy(state_dict["method"])
        self._hyperparameters = validate(self.method.options, own["hyperparameters"])
        self._rows = self._bind()
        self._rows.load_row_state(0, own["row"])

    def _bind(self) -> RowOptimizer:
        return self.method.bind(self._cohort, [self._hyperparameters])


def _check_needs(method: Method, full_closure: Closure | None) -> None:
    """Refuse a method that closures cannot serve, and a closure too few or too many."""
    for need in ("examples", "model"):
        if need in method.needs:
            raise InputError(f"{method.name}: needs {NEEDS[need]}, which a closure cannot give")
    if "full pass" in method.needs and full_closure is None:
        raise InputError(
            f"{method.name}: full_closure is missing, the closure of all training examples' loss"
        )
    if "full pass" not in method.needs and full_closure is not None:
        raise InputError(f"{method.name}: full_closure is given, but it needs no full passes")


class _ClosureBackend(GradientBackend):
    """Calls a closure at the cohort's weights, whatever examples are asked for.

    Attributes:
        parameters: What the closure reads.
        closure: That of the current step.
        full: That of all training examples, if given.
    """

    def __init__(self, parameters: list[nn.Parameter], full: Closure | None) -> None:
        super().__init__("mse", capturable=False)  # the name is not used: the closure has the loss
        self.parameters = parameters
        self.closure: Closure | None = None
        self.full = full

    def read_parameters(self, cohort: Cohort) -> None:
        for p, view in self._pairs(cohort.W):
            view.copy_(p)

    def write_parameters(self, cohort: Cohort) -> None:
        for p, view in self._pairs(cohort.W):
            p.copy_(view)

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        losses = self.losses(cohort, batch)
        for p, view in self._pairs(cohort.G):
            view.zero_() if p.grad is None else view.copy_(p.grad)
        return losses

    def losses(self, cohort: Cohort, batch: Batch) -> Tensor:
        assert self.closure is not None
        self.write_parameters(cohort)
        with torch.enable_grad():
            loss = self.closure()
        return torch.as_tensor(loss).detach().to(cohort.W).reshape(1)

    def product(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """By central differences, over the distance that balances their error with rounding."""
        W, G = cohort.W, cohort.G
        length = V.norm()
        if length == 0:
            return torch.zeros_like(V)
        iterate, g = W.clone(), G.clone()
        r = torch.finfo(W.dtype).eps ** (1 / 3) * (1 + W.norm()) / length
        W.add_(r * V)
        self.gradient(cohort, batch)
        ahead = G.clone()
        W.copy_(iterate - r * V)
        self.gradient(cohort, batch)
        found: Tensor = (ahead - G) / (2 * r)
        W.copy_(iterate)
        G.copy_(g)
        return found

    def gauss_newton(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        raise NotImplementedError("a closure tells only its loss")

    def empirical_fisher(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        raise NotImplementedError("a closure tells only its loss")

    def fisher_factors(self, cohort: Cohort, batch: Batch, fisher: Fisher) -> FisherFactors:
        raise NotImplementedError("a closure tells only its loss")

    def outputs(self, cohort: Cohort, split: Split, examples: slice) -> Iterable[Tensor]:
        raise NotImplementedError("a closure tells only its loss")

    def _pairs(self, matrix: Tensor) -> Iterable[tuple[nn.Parameter, Tensor]]:
        layout = Layout.of(nn.ParameterList(self.parameters))
        return zip(self.parameters, layout.views(matrix[0]).values(), strict=True)


class _ClosureOracle(Oracle):
    """Counts a step's batch as one example, of as many as an epoch has steps."""

    def __init__(self, cohort: Cohort, backend: _ClosureBackend, batches: int) -> None:
        super().__init__(cohort, backend, Split(torch.zeros(1, 1), torch.zeros(1, 1)), batches)
        self._closures = backend

    def full_gradient(self) -> Tensor:
        closure = self._closures.closure
        self._closures.closure = self._closures.full
        try:
            return self._closures.gradient(self._cohort, self.batch())
        finally:
            self._closures.closure = closure


def method_class(method: Method) -> type[_MethodAsTorch]:
    """Return the method as an optimizer class of PyTorch's interface."""
    name = type(method).__name__
    return type(name, (_MethodAsTorch,), {"method": method, "__doc__": type(method).__doc__})
