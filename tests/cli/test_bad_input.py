import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """
[study]
name = "good"
seeds = 1
[task]
name = "digits"
[model]
name = "mlp"
[optimizer]
name = "sgd"
lr = 0.1
[train]
epochs = 1
[presets.quick]
seeds = 1
"""

STUDIES = {
    "good.toml": GOOD,
    "broken.toml": GOOD.replace("seeds = 1", "seeds = ", 1),
    "typo.toml": GOOD.replace("epochs", "epocs"),
    "section.toml": GOOD.replace("[train]", "[trian]"),
    "arm.toml": GOOD + "[arms.a]\noptimiser = 1\n",
    "armtable.toml": GOOD + "[arms]\na = 1\n",
    "nostudy.toml": GOOD.replace("[study]", "[other]"),
    "emptygrid.toml": GOOD.replace("lr = 0.1", "lr = []"),
    "twice.toml": GOOD.replace("lr = 0.1", "lr = [0.1, 0.1]"),
    "text.toml": GOOD.replace("lr = 0.1", 'lr = "fast"'),
    "negative.toml": GOOD.replace("lr = 0.1", "lr = -1.0"),
    "noname.toml": GOOD.replace('name = "mlp"', ""),
    "badname.toml": GOOD.replace('name = "good"', 'name = "../good"'),
    "misfit.toml": GOOD.replace('name = "mlp"', 'name = "lenet5"').replace("digits", "sine"),
    "stranger.toml": GOOD.replace('name = "mlp"', 'name = "no.such.module:Net"'),
    "preset.toml": GOOD + "[presets.odd]\nepochs = 1\n",
    "latin1.toml": GOOD.replace("good", "g\udcf6\udcf6d"),
}

RUN = "run good.toml "
TRAIN = "train mlp digits --lr 0.1 --epochs 1 "
SWEEP = "sweep mlp digits --epochs 1 "
PRUNE = "prune mlp digits --lr 0.1 --epochs 2 "

COMMANDS = [
    # what is asked for does not exist
    ("frobnicate", "frobnicate"),
    ("--frobnicate", "--frobnicate"),
    ("run", "STUDY"),
    ("run good.toml extra", "extra"),
    (RUN + "--frobnicate", "--frobnicate"),
    ("run absent.toml", "absent.toml: cannot be read (No such file or directory)"),
    ("run dem", "did you mean 'demo'?"),
    ("run folder", "folder: cannot be read (Is a directory)"),
    ("train mlp", "TASK"),
    ("train mpl digits --lr 0.1", "did you mean 'mlp'?"),
    ("train mlp digit --lr 0.1", "did you mean 'digits'?"),
    ("train mlp digits --lr 0.1 --optimizer addam", "did you mean 'adam'?"),
    ("train mlp digits --lr 0.1 --optimizer torch.optim:Addam", "did you mean 'Adam'?"),
    ("train mlp digits --lr 0.1 --optimizer torch.nn:Linear", "torch.optim.Optimizer"),
    ("train mlp digits --lr 0.1 --schedule cosin", "did you mean 'cosine'?"),
    ("train nosuch.module:Net digits --lr 0.1", "cannot import 'nosuch.module'"),
    ("list", "tasks"),
    ("list modles", "models"),
    ("data", "fetch"),
    ("data fetch mnits", "did you mean 'mnist'?"),
    ("data verify mnits", "did you mean 'mnist'?"),
    # values
    ("train mlp digits", "optimizer.lr: is missing"),
    (TRAIN + "--lr fast", "optimizer.lr = 'fast': must be a number"),
    (TRAIN + "--lr 0", "optimizer.lr = 0"),
    (TRAIN + "--lr -1", "optimizer.lr = -1"),
    (TRAIN + "--lr nan", "finite"),
    (TRAIN + "--epochs 0", "train.epochs = 0: must be at least 1"),
    (TRAIN + "--epochs 1.5", "train.epochs = 1.5: must be a whole number"),
    (TRAIN + "--batch-size 0", "train.batch_size = 0: must be a whole number"),
    (TRAIN + "--batch-size half", "train.batch_size = 'half'"),
    (TRAIN + "--clip-norm 0", "train.clip_norm = 0"),
    (TRAIN + "--seeds 0", "study.seeds = 0: must be from 1"),
    (TRAIN + "--seeds many", "study.seeds = 'many'"),
    (TRAIN + "--seeds 1.5", "study.seeds = 1.5"),
    (TRAIN + "--jobs 0", "--jobs 0: must be a whole number of at least 1"),
    (TRAIN + "--jobs all", "--jobs all: must be a whole number"),
    (TRAIN + "--device tpu", "--device tpu: must be auto, cpu or cuda"),
    (TRAIN + "--name a/b", "study.name = 'a/b'"),
    ("train rnn sine --lr 0.1", "rnn"),
    # --set
    (TRAIN + "--set train.epochs", "must be KEY=VALUE"),
    (TRAIN + "--set =1", "must be KEY=VALUE"),
    (TRAIN + "--set trian.epochs=1", "did you mean 'train'?"),
    (TRAIN + "--set train.epocs=1", "did you mean 'epochs'?"),
    (TRAIN + "--set model.width=[3]", "did you mean 'widths'?"),
    (TRAIN + "--set model.widths=[0]", "model.widths"),
    (TRAIN + "--set optimizer.momentum=-1", "optimizer.momentum"),
    (TRAIN + "--set model=3", "model"),
    (TRAIN + "--set arms.a=3", "unknown arm 'a'"),
    # grids
    (SWEEP, "--lr"),
    (SWEEP + "--lr 0.1", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr 1..0.1:4", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr 0.1..1", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr 0.1..1:1", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr 0..1:4", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr a..b:4", "must be LOW..HIGH:POINTS"),
    (SWEEP + "--lr 0.1..inf:4", "must be LOW..HIGH:POINTS"),
    # sparsity
    (PRUNE, "--target"),
    (PRUNE + "--target 1.0", "--target 1.0: must be a number greater than 0 and less than 1"),
    (PRUNE + "--target -0.1", "--target -0.1: must be a number greater than 0"),
    (PRUNE + "--target 0.8 --rounds 0", "sparsity.rounds = 0: must be at least 1"),
    (PRUNE + "--target 0.8 --rewind epoch:2", "sparsity.rewind = 'epoch:2': must be less than"),
    (PRUNE + "--target 0.8 --rewind step:36", "'step:36': must be less than the 36 steps"),
    (PRUNE + "--target 0.8 --rewind start", 'must be "init", "epoch:K"'),
    (
        PRUNE + "--target 0.8 --rewind none --set arms.imp.sparsity.lr_schedule=cosine",
        "lr_schedule = 'cosine': must be left out where rewind = 'none'",
    ),
    (
        PRUNE + "--target 0.8 --set arms.imp.sparsity.lr_schedule=cosin",
        "unknown schedule 'cosin'; did you mean 'cosine'?",
    ),
    (PRUNE + "--target 0.8 --method rigle", "did you mean 'rigl'?"),
    (PRUNE + "--target 0.8 --method ste --rounds 2", "unknown key 'rounds'"),
    (PRUNE + "--target 0.8 --criterion snp", "did you mean 'snip'?"),
    (PRUNE + "--target 0.999999", "would leave none of the"),
    (PRUNE + "--target 0.5 --scope nm --set model.widths=[15]", "must be a multiple of m = 4"),
    (
        PRUNE + "--target 0.5 --set \"arms.imp.sparsity.parameters=['fc*']\"",
        "sparsity.parameters: 'fc*' matches none of layers.0.weight",
    ),
    # study files
    ("run broken.toml", "broken.toml: is not valid TOML"),
    ("run typo.toml", "did you mean 'epochs'?"),
    ("run section.toml", "did you mean 'train'?"),
    ("run arm.toml", "did you mean 'optimizer'?"),
    ("run armtable.toml", "arms.a = 1: must be a table"),
    ("run nostudy.toml", "unknown key 'other'"),
    ("run emptygrid.toml", "a grid needs at least one value"),
    ("run twice.toml", "the grid names 0.1 twice"),
    ("run text.toml", "optimizer.lr = 'fast': must be a number"),
    ("run negative.toml", "optimizer.lr = -1"),
    ("run noname.toml", "model"),
    ("run badname.toml", "study.name = '../good'"),
    ("run misfit.toml", "lenet5"),
    ("run stranger.toml", "give --trust"),
    ("run stranger.toml --trust", "cannot import 'no.such.module'"),
    ("run latin1.toml", "latin1.toml: is not UTF-8 text"),
    ("run preset.toml --preset odd", "unknown key 'epochs'"),
    (RUN + "--preset quik", "did you mean 'quick'?"),
    (RUN + "--seeds -3", "study.seeds = -3"),
    # folders
    (RUN + "--out folder", "--out folder: is not empty and no results folder"),
    (RUN + "--out good.toml", "--out good.toml: cannot be made (File exists)"),
    (RUN + "--out good.toml/below", "cannot be made (Not a directory)"),
    (RUN + "--out newer", "newer: was written by a newer version"),
    ("show --out absent", "absent: is no results folder"),
    ("query --out absent 'SELECT 1'", "absent: is no results folder"),
    ("report --out absent", "absent: is no results folder"),
    ("show --out folder", "folder: is no results folder"),
    # results
    ("show smal --out RESULTS", "did you mean 'small'?"),
    ("report smal --out RESULTS", "did you mean 'small'?"),
    ("report --out empty", "empty: holds 0 studies"),
    ("report small --out RESULTS --to good.toml", "--to good.toml: cannot be made (File exists)"),
    ("report small --out RESULTS --to good.toml/below", "cannot be made (Not a directory)"),
    ("query --out RESULTS", "SQL"),
    ("query --out RESULTS 'SELEC 1'", "query: Parser Error"),
    ("query --out RESULTS 'SELECT nothing FROM runs'", "query: Binder Error"),
    ("query --out RESULTS 'SELECT * FROM run'", "tables: runs, arms, metrics"),
    ("query --out RESULTS ''", "must be a statement that returns rows"),
    # data
    ("train mlp mnist --lr 0.1 --data absent", "absent"),
    ("train mlp fashion-mnist --lr 0.1 --data damaged", "damaged"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with study files and folders to trip over."""
    for name, text in STUDIES.items():
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    for name, content in (("folder/thesis.tex", "x"), ("newer/store.json", '{"format": 99}'),
                          ("empty/store.json", '{"format": 1}'),
                          ("damaged/train-images-idx3-ubyte", "no images")):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.mark.parametrize(("command", "sentence"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_wrong_command_gets_a_sentence(
    thalweg: Callable[..., Any], folder: Path, out: Path, command: str, sentence: str
) -> None:
    before = set(folder.rglob("*"))
    done = thalweg(*shlex.split(command.replace("RESULTS", shlex.quote(str(out)))))
    assert done.status == 2, done
    assert sentence.lower() in (done.stderr + done.stdout).lower(), done
    assert "Traceback" not in done.stderr
    if done.stderr.startswith("thalweg: "):
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
    else:  # Typer's own: usage, and a box with one error
        assert "Usage: thalweg" in done.stderr + done.stdout
    assert set(folder.rglob("*")) == before, "a wrong input left something behind"


def test_the_console_script_says_the_same(
    script: Callable[..., subprocess.CompletedProcess[str]], folder: Path
) -> None:
    done = script("run", "text.toml", cwd=folder)
    sentence = "thalweg: optimizer.lr = 'fast': must be a number\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_the_version(script: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = script("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "thalweg 0.1.0\n", "")
