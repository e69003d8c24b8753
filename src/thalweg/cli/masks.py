"""Files of masks that a command measures, with no weights beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from thalweg.cli.blank import fitting_network
from thalweg.cli.graph_pictures import draw_graphs
from thalweg.cli.networks import new_network
from thalweg.errors import InputError
from thalweg.measure.figures import Figures
from thalweg.measure.graphs import graph_figures, mask_graphs, network_graphs
from thalweg.measure.graphs.probe import GraphOptions
from thalweg.registry import vouch
from thalweg.sparsity import load_masks
from thalweg.sparsity.mask_files import holds_masks
from thalweg.tensor_files import SUFFIXES
from thalweg.validation import validate


def are_masks(what: str, model: Any, task: Any, prefer: str | None) -> bool:
    """Return whether what is named is to be looked at as a file of masks: what is preferred, or one
    that holds nothing but 0 and 1, or any for which no network is named.
    """
    path = Path(what)
    if path.suffix not in SUFFIXES or not path.exists():
        return False
    if prefer is not None:
        return prefer == "masks"
    return (model is None and task is None) or holds_masks(path)


def measure_masks(
    path: Path,
    model: Any,
    task: Any,
    options: Mapping[str, Any],
    seed: int,
    data: Path | None,
    figures: Path | None = None,
) -> Figures:
    """Return what the probe ``graph`` tells of a file of masks.

    Args:
        path: The file.
        model: Name or table of the network they are for, to check them and to know the order of
            its layers; or None.
        task: Likewise of its task; None if ``model`` is, or for one that the masks fit.
        options: Of the probe.
        seed: Of the random graphs.
        data: Folder searched first for downloadable data sets.
        figures: Folder in which it is drawn, too.

    Raises:
        InputError: The file holds no masks, they do not fit the network, or a wrong option.
    """
    checked = validate(GraphOptions, options)
    vouch(model)
    vouch(task)
    if checked.edge_keep is not None:
        raise InputError(
            f"edge_keep = {checked.edge_keep:g}: must be left out for a file of masks, which has "
            "no weights to choose among"
        )
    if model is None and task is not None:
        raise InputError(f"--task {task}: must go with --model")
    if model is None and checked.convolutions == "unrolled":
        raise InputError('convolutions = "unrolled": needs --model, which says what is unrolled')
    if model is None:
        masks = load_masks(path)
        graphs = mask_graphs(masks)
    else:
        if task is None:
            module, chosen = fitting_network(model, load_masks(path))
        else:
            module, chosen = new_network(model, task, data)
        masks = load_masks(path, module)
        dense = {name: torch.ones_like(weight) for name, weight in module.named_parameters()}
        how = checked.convolutions
        graphs = network_graphs(module, chosen.shape, dense, masks, convolutions=how)
    found = graph_figures(graphs, checked.nulls, seed)
    if figures is not None:
        draw_graphs(found, graphs, masks, figures)
    return {**found, "seed": seed}
