import pytest
import torch
from tests.sparsity.connectivity.networks import NETWORKS, masked
from torch.utils.flop_counter import FlopCounterMode

from thalweg.sparsity.connectivity import connectivity


@pytest.mark.parametrize("name", NETWORKS)
def test_operations_of_the_dense_network_are_pytorch_s(name: str) -> None:
    make, shape = NETWORKS[name]
    net = make()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(3, *shape))
    total = connectivity(net, shape).total
    assert 3 * total.flops == counter.get_total_flops()
    assert total.weights == sum(p.numel() for p in net.parameters() if p.ndim > 1)


def test_operations_are_counted_by_weight() -> None:
    net, shape = masked("padded", 0.2, 0)
    found = connectivity(net, shape)
    first, second, third, last = found.layers.values()
    assert first.nonzero_flops == 2 * 49 * first.nonzero
    assert second.effective_flops == 2 * 16 * second.effective
    assert third.nonzero_flops == 2 * third.nonzero
    assert last.effective_flops == 2 * last.effective
    layers = found.layers.values()
    assert found.total.effective_flops == sum(layer.effective_flops for layer in layers)
    assert found.total.zombies == sum(layer.zombies for layer in layers)
    assert found.as_dict()["layers"]["0.weight"]["direct_density"] == first.nonzero / 90
