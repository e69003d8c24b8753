"""Scripts, notebooks and the commands of a README: each fault planted, and a twin without it."""

from collections.abc import Callable
from textwrap import dedent

import pytest
from tests.audit.conftest import Files, brief

from thalweg.audit import Finding

LOOP = """
for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        {0}
        {1}
    scheduler.step()
"""

CLIP, STEP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)", "optimizer.step()"

SWEEP = """
for lr in [0.1, 0.2, 0.4]:
    {0}
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    train(model, optimizer)
"""

FRESH = "model = MLP()"

ROUNDS = """
def study(model):
    for round in range(10):
        train(model)
        prune(model, 0.2)
        rewind(model, initial)
    {0}
    return evaluate(model)
"""

KEEP = """
def run(model):
    best = 0.0
    for epoch in range(10):
        train_epoch(model)
        {0}_acc = evaluate(model, {0}_loader)
        if {0}_acc > best:
            best = {0}_acc
            torch.save(model.state_dict(), "best.pt")
"""

PRODUCT = """
def hvp(model, loss, v):
    {0}
    loss.backward(create_graph=True)
    return grad([p.grad for p in model.parameters()], v)
"""

CASES: dict[str, tuple[str, str, str, str]] = {
    "clipping": (
        *("clipping-after-step", "severe"),
        *(LOOP.format(STEP, CLIP), LOOP.format(CLIP, STEP)),
    ),
    "one model for all rates": (
        *("carried-network", "severe"),
        *(FRESH + SWEEP.format("pass"), SWEEP.format(FRESH)),
    ),
    "one model for all rates, in a function": (
        *("carried-network", "severe"),
        "def sweep():\n    model = MLP()\n    for lr in rates:\n        "
        "train(torch.optim.Adam(model.parameters(), lr))",
        "def sweep():\n    model = MLP()\n    for lr in rates:\n"
        "        model.load_state_dict(first)\n"
        "        train(torch.optim.Adam(model.parameters(), lr))",
    ),
    "pruned last": (
        *("untrained-ticket", "warning"),
        *(ROUNDS.format("model.eval()"), ROUNDS.format("train(model)")),
    ),
    "kept by test accuracy": (
        *("test-selection", "severe"),
        *(KEEP.format("test"), KEEP.format("val")),
    ),
    "test set called validation": (
        *("test-selection", "severe"),
        "val_loader = DataLoader(test_set, batch_size=100)",
        "val_loader = DataLoader(held_out, batch_size=100)",
    ),
    "test set called validation, of torchvision": (
        *("test-selection", "severe"),
        'valset = datasets.MNIST("data", train=False)',
        'testset = datasets.MNIST("data", train=False)',
    ),
    "leftover gradient": (
        *("leftover-gradient", "severe"),
        *(PRODUCT.format("pass"), PRODUCT.format("model.zero_grad()")),
    ),
    "shuffle of a copy": (
        *("shuffle-unchanged", "severe"),
        "np.random.shuffle(mask.flatten())",
        "flat = mask.flatten()\nnp.random.shuffle(flat)\nmask = flat.reshape(mask.shape)",
    ),
    "sample with replacement": (
        *("curvature-sample", "severe"),
        "def hessian_eigenvalues(data):\n    index = torch.randint(0, len(data), (100,))",
        "def hessian_eigenvalues(data):\n    index = torch.randperm(len(data))[:5000]",
    ),
    "larger sample with replacement": (
        *("curvature-sample", "warning"),
        "import pyhessian\nindex = np.random.choice(60000, 5000)",
        "import pyhessian\nindex = np.random.choice(60000, 5000, replace=False)",
    ),
    "uniform directions": (
        *("uniform-directions", "severe"),
        "direction = [torch.rand_like(p) for p in model.parameters()]",
        "direction = [torch.randn_like(p) for p in model.parameters()]",
    ),
    "no centre": (
        *("missing-centre", "warning"),
        "alphas = np.linspace(-1, 1, 20)",
        "alphas = np.linspace(-1, 1, 21)",
    ),
    "clustering": (
        *("bipartite-clustering", "severe"),
        "g = bipartite.from_biadjacency_matrix(m)\nc = nx.average_clustering(g)",
        "g = bipartite.from_biadjacency_matrix(m)\nc = bipartite.average_clustering(g)",
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["script", "notebook"])
def test_planted_fault_and_clean_twin(
    name: str, kind: str, audited: Callable[[Files], list[Finding]]
) -> None:
    check, severity, fault, clean = CASES[name]

    def files(source: str) -> Files:
        if kind == "script":
            return {"main.py": source}
        return {"main.ipynb": [("markdown", "A study."), ("code", f"%matplotlib inline\n{source}")]}

    found = audited(files(dedent(fault)))
    assert brief(found) == {(check, severity)}
    assert found[0].where.startswith("main.")
    assert audited(files(dedent(clean))) == []


def test_evidence_names_the_line(audited: Callable[[Files], list[Finding]]) -> None:
    (found,) = audited({"train.py": LOOP.format(STEP, CLIP)})
    assert found.where == "train.py:8"
    assert found.evidence == CLIP


MAIN = """
parser = argparse.ArgumentParser()
parser.add_argument("--lr", "-l", type=float)
parser.add_argument("--learning-schedule")
"""
TABLE = "lr,test_acc\n0.1,88\n0.2,90\n0.4,89\n"


@pytest.mark.parametrize(
    ("command", "severity", "fault"),
    [
        ("python main.py --lr 0.2 --clip 1", "severe", "flags that its script does not know"),
        ("python main.py --lr 0.022", "severe", "a step size that no table beside it has"),
        ("python prune.py --lr 0.2", "warning", "runs a script that is not there"),
        ("python main.py --lr 0.2", None, ""),
        ("$ CUDA_VISIBLE_DEVICES=0 python3 main.py -l 0.4 --learn x", None, ""),
    ],
)
def test_commands_of_a_readme(
    command: str,
    severity: str | None,
    fault: str,
    audited: Callable[[Files], list[Finding]],
) -> None:
    text = f"# Study\n\n```\n{command}\n```\n"
    found = audited({"README.md": text, "main.py": MAIN, "results.csv": TABLE})
    expected = set() if severity is None else {("irreproducible-command", severity)}
    assert brief(found) == expected
    assert all(fault in finding.fault for finding in found)


def test_a_command_broken_over_lines_is_read_whole(
    audited: Callable[[Files], list[Finding]],
) -> None:
    text = "```\npython main.py \\\n  --clip 1\n```\n"
    (found,) = audited({"README.md": text, "main.py": MAIN})
    assert "--clip" in found.evidence
