"""Pictures of the graphs of a network that a command measures."""

import json

import pytest
import torch

from thalweg.sparsity import save_masks

PICTURES = {"degrees-graph", "masks", "component"}


@pytest.fixture
def mask_file(tmp_path):
    draw = torch.Generator().manual_seed(0)
    shapes = {"first": (12, 16), "last": (3, 12)}
    masks = {name: torch.rand(shape, generator=draw) < 0.5 for name, shape in shapes.items()}
    path = tmp_path / "mask_final.pt"
    save_masks(path, masks)
    return path


@pytest.mark.figures
def test_a_file_of_masks_is_drawn(thalweg, mask_file, tmp_path):
    folder = tmp_path / "new" / "figures"
    command = ["measure", str(mask_file), "--probe", "graph", "--set", "nulls=0"]
    done = thalweg(*command, "--figures", str(folder), "--json")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["layer"] == ["first", "last", "network"]
    written = {path.name for path in folder.iterdir()}
    assert {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")} <= written
    assert (folder / "masks.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (folder / "component.svg").read_bytes()


def test_pictures_are_of_graphs_alone(thalweg, mask_file, tmp_path):
    done = thalweg("measure", str(mask_file), "--probe", "weights", "--figures", str(tmp_path))
    assert done.status == 2
    assert "--figures" in done.stderr and "--probe graph" in done.stderr
