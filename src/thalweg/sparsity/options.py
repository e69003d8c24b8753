"""Options that several sparsities have."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from torch import nn

from thalweg.errors import InputError
from thalweg.registry import Registry, check_trusted
from thalweg.sparsity.allocation import SCOPES
from thalweg.sparsity.criteria import CRITERIA
from thalweg.sparsity.named import resolve
from thalweg.sparsity.prunable import prunable
from thalweg.validation import Options


class ParameterOptions(Options):
    """Which weights count; those of all chosen parameters together make up the number.

    Attributes:
        parameters: Shell-style patterns of parameters' names. None given: the weights of linear,
            convolutional and recurrent layers.
        first: Whether the first layer is among them.
        last: Whether the last layer is among them.
    """

    parameters: list[str] = Field(default=[])
    first: bool = True
    last: bool = True

    def names(self, module: nn.Module) -> list[str]:
        """Return the names of the chosen parameters, of those that are trained.

        Raises:
            InputError: A pattern matches nothing, or nothing is left.
        """
        try:
            found = prunable(module, self.parameters or None, self.first, self.last)
        except InputError as error:
            raise InputError(f"sparsity.{error}") from None
        return [name for name in found if module.get_parameter(name).requires_grad]

    def check_length(self, epochs: int) -> None:
        """Check that a training of so many epochs is long enough.

        Raises:
            InputError: It is not.
        """
        return


class SparsityOptions(ParameterOptions):
    """``keep`` is the fraction of the chosen weights that may be nonzero: ⌊keep · N⌋ of N."""

    keep: float = Field(gt=0, le=1)


def own_criterion(table: Any) -> str | None:
    """Return the user's own criterion, ``"package.module:Name"``, that the table of a sparsity
    names; None for none.

    Raises:
        TrustError: It may not be imported.
    """
    criterion = table.get("criterion") if isinstance(table, Mapping) else None
    name = criterion.get("name") if isinstance(criterion, Mapping) else criterion
    if not isinstance(name, str) or ":" not in name:
        return None
    check_trusted("sparsity.criterion", name)
    return name


def _one_of(registry: Registry[Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, str | dict):
            raise ValueError("must be a name or a table with a name")
        try:
            resolve(registry, value)
        except InputError as error:
            raise ValueError(str(error)) from None
        return value

    return check


CriterionName = Annotated[str | dict[str, Any], BeforeValidator(_one_of(CRITERIA))]
"""What a weight is worth; see `thalweg.sparsity.criteria`."""

ScopeName = Annotated[str | dict[str, Any], BeforeValidator(_one_of(SCOPES))]
"""How the number is spread over the layers; see `thalweg.sparsity.allocation`."""
