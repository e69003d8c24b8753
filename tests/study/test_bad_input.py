"""What a study says wrong, and the one sentence it gets."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thalweg.errors import InputError
from thalweg.study import load_study

GOOD = {
    "study": 'name = "s"\nseeds = 2',
    "task": 'name = "digits"',
    "model": 'name = "mlp"\nwidths = [8]',
    "train": "epochs = 2",
    "optimizer": 'name = "sgd"\nlr = 0.1',
}


def text_of(sections: Mapping[str, str | None], head: str = "") -> str:
    """Return a study whose sections are those given, and good ones for the rest."""
    bodies = {**GOOD, **sections}
    parts = [f"[{name}]\n{body}\n" for name, body in bodies.items() if body is not None]
    return f"{head}\n" + "\n".join(parts)


def in_section(section: str, body: str | None, sentence: str) -> Any:
    last = "missing" if body is None else " ".join(body.split())
    return pytest.param(text_of({section: body}), sentence, id=f"{section}: {last}"[:70])


def instead(section: str, line: str, sentence: str) -> Any:
    """The section is no table but what a line at the head of the file says."""
    return pytest.param(text_of({section: None}, line), sentence, id=line)


NAME = "must be 1 to 100 letters, digits, dots, dashes or underscores (it names a folder)"
COUNT = "must be a number of seeds, or a list of seeds"
BATCH = 'must be a whole number of at least 1, or "full"'
NAMED = "must be a name or a table with a name"
MISSING = "is missing and has no default"
SGD = "lr, momentum, dampening, nesterov, weight_decay"
TRAIN = (
    "epochs, batch_size, clip_norm, label_smoothing, order, evaluate_every, schedule, augment, "
    "average"
)
INITS = (
    "default, orthogonal, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, lognormal"
)
ARM = "task, model, optimizer, train, sparsity"

CASES = [
    in_section(
        "study",
        'name = "s"\ngroups = { "of old" = ["adam*"] }',
        "study.groups.\"of old\": 'adam*' matches none of the arms (sgd)",
    ),
    # Unknown keys, at every level.
    in_section(
        "trian",
        "epochs = 1",
        "unknown key 'trian'; did you mean 'train'? "
        "(allowed: study, task, model, optimizer, train, sparsity, search, arms, probes, "
        "protocol, presets)",
    ),
    in_section(
        "study",
        'name = "s"\nseed = 3',
        "study: unknown key 'seed'; did you mean 'seeds'? "
        "(allowed: name, title, question, seeds, targets, groups, notes)",
    ),
    in_section(
        "study",
        'name = "s"\ntargets = { test_acuracy = 0.9 }',
        "study.targets: unknown key 'test_acuracy'; did you mean 'test_accuracy'? (allowed: "
        "test_accuracy, validation_accuracy, test_loss, validation_loss, train_loss)",
    ),
    *(
        in_section(
            "study",
            f'name = "s"\ntargets.test_accuracy = {text}',
            f"study.targets.test_accuracy = {shown}: must be a share above 0 and at most 1 (85 % "
            'is 0.85), "median:ARM", or a list of different ones',
        )
        for text, shown in (
            ("61.5", "61.5"),
            ("[0.5, 0]", "[0.5, 0]"),
            ("[0.5, 0.5]", "[0.5, 0.5]"),
            ("[]", "[]"),
            ("true", "True"),
            ("nan", "nan"),
            ('"high"', "'high'"),
            ('"median:"', "'median:'"),
            ('["median:a", "median:a"]', "['median:a', 'median:a']"),
        )
    ),
    in_section(
        "study",
        'name = "s"\ntargets.test_loss = -1',
        'study.targets.test_loss = -1: must be a finite number above 0, "median:ARM", or a list of '
        "different ones",
    ),
    in_section(
        "study",
        'name = "s"\ntargets.train_loss = "median:gd"',
        "study.targets.train_loss = 'median:gd': must be a finite number above 0, or a list of "
        "different ones",
    ),
    in_section(
        "study",
        'name = "s"\ntargets.test_loss = [0.3, "median:sdg"]',
        "study.targets.test_loss = 'median:sdg': unknown arm 'sdg'; did you mean 'sgd'? (allowed: "
        "sgd)",
    ),
    in_section("study", 'name = "s"\ntargets = [0.9]', "study.targets = [0.9]: must be a table"),
    in_section(
        "task",
        'name = "digits"\nsise = 8',
        "task: unknown key 'sise'; did you mean 'size'? (allowed: size, validation)",
    ),
    in_section(
        "model",
        'name = "mlp"\nwidth = [8]',
        "model: unknown key 'width'; did you mean 'widths'? (allowed: widths, activation, init)",
    ),
    in_section(
        "model",
        'name = "mlp"\nint = "orthogonal"',
        "model: unknown key 'int'; did you mean 'init'? (allowed: widths, activation, init)",
    ),
    in_section(
        "model",
        'name = "mlp"\ninit = { name = "orthogonal", gian = 2 }',
        "model.init: unknown key 'gian'; did you mean 'gain'? (allowed: name, bias, gain)",
    ),
    in_section(
        "optimizer",
        'name = "sgd"\nlr = 0.1\nmomentun = 0.9',
        f"optimizer: unknown key 'momentun'; did you mean 'momentum'? (allowed: {SGD})",
    ),
    in_section(
        "train",
        "epoch = 1",
        f"train: unknown key 'epoch'; did you mean 'epochs'? (allowed: {TRAIN})",
    ),
    in_section(
        "train",
        "epochs = 1\nlearning_rate = 1",
        f"train: unknown key 'learning_rate' (allowed: {TRAIN})",
    ),
    in_section(
        "train",
        'epochs = 1\nshedule = "cosine"',
        f"train: unknown key 'shedule'; did you mean 'schedule'? (allowed: {TRAIN})",
    ),
    in_section(
        "train",
        'epochs = 1\nschedule = { name = "cosine", finale = 0.1 }',
        "train.schedule: unknown key 'finale'; did you mean 'final'? "
        "(allowed: warmup_epochs, final)",
    ),
    in_section(
        "arms.a",
        'optimiser = "adam"',
        f"arms.a: unknown key 'optimiser'; did you mean 'optimizer'? (allowed: {ARM})",
    ),
    in_section(
        "arms.a.optimizer",
        "momentun = 1",
        f"arm 'a': optimizer: unknown key 'momentun'; did you mean 'momentum'? (allowed: {SGD})",
    ),
    in_section("arms.a", "seed = 3", f"arms.a: unknown key 'seed' (allowed: {ARM})"),
    in_section(
        'arms."two words"',
        "sed = 3",
        f"arms.\"two words\": unknown key 'sed' (allowed: {ARM})",
    ),
    in_section(
        "model",
        'name = "mlp"\n"two\\nlines" = 3',
        "model: unknown key 'two\\nlines' (allowed: widths, activation, init)",
    ),
    # Unknown names.
    in_section(
        "task",
        'name = "fashion_mnist"',
        "unknown task 'fashion_mnist'; did you mean 'fashion-mnist'? "
        "(allowed: digits, sine, mnist, fashion-mnist)",
    ),
    in_section(
        "model",
        'name = "lenet"',
        "unknown model 'lenet'; did you mean 'lenet5'? (allowed: lenet5, lenet5-tanh, mlp, rnn)",
    ),
    in_section(
        "model",
        'name = ""',
        "unknown model '' (allowed: lenet5, lenet5-tanh, mlp, rnn)",
    ),
    in_section(
        "optimizer",
        'name = "sdg"\nlr = 1',
        "unknown optimizer 'sdg'; did you mean 'sgd'? (allowed: ",
    ),
    in_section(
        "arms.b.optimizer",
        'name = "adamm"',
        "arm 'b': unknown optimizer 'adamm'; did you mean 'adam'? (allowed: ",
    ),
    in_section(
        "train",
        'epochs = 1\nschedule = "cosin"',
        "unknown schedule 'cosin'; did you mean 'cosine'? "
        "(allowed: constant, step, cosine, one_cycle)",
    ),
    in_section(
        "model",
        'name = "mlp"\ninit = "orthogonl"',
        f"model.init.name: unknown init 'orthogonl'; did you mean 'orthogonal'? (allowed: {INITS})",
    ),
    # Wrong types and values.
    in_section("optimizer", 'name = "sgd"\nlr = -1', "optimizer.lr = -1: must be greater than 0"),
    in_section("optimizer", 'name = "sgd"\nlr = 0', "optimizer.lr = 0: must be greater than 0"),
    in_section("optimizer", 'name = "sgd"\nlr = "fast"', "optimizer.lr = 'fast': must be a number"),
    in_section(
        "optimizer", 'name = "sgd"\nlr = nan', "optimizer.lr = nan: must be a finite number"
    ),
    in_section(
        "optimizer", 'name = "sgd"\nlr = inf', "optimizer.lr = inf: must be a finite number"
    ),
    in_section("optimizer", 'name = "sgd"\nlr = true', "optimizer.lr = True: must be a number"),
    in_section(
        "optimizer",
        'name = "sgd"\nlr = { low = 1 }',
        "optimizer.lr = {'low': 1}: must be a number",
    ),
    in_section(
        "optimizer",
        'name = "sgd"\nlr = 2024-05-27',
        "optimizer.lr = 2024-05-27: must not be a date or a time",
    ),
    in_section(
        "arms.a.optimizer", "lr = [0.1, -1]", "arm 'a': optimizer.lr = -1: must be greater than 0"
    ),
    in_section(
        "optimizer",
        'name = "sgd"\nlr = 1\nnesterov = true',
        "optimizer: nesterov = true needs momentum above 0 and dampening = 0",
    ),
    in_section(
        "optimizer",
        'name = "sgd"\nlr = 1\nmomentum = 0.9\nnesterov = "yes"',
        "optimizer.nesterov = 'yes': must be true or false",
    ),
    in_section("optimizer", 'name = "adam"\nbeta2 = 1', "optimizer.beta2 = 1: must be less than 1"),
    in_section("train", "epochs = 0", "train.epochs = 0: must be at least 1"),
    in_section("train", "epochs = 1.5", "train.epochs = 1.5: must be a whole number"),
    in_section("train", 'epochs = "ten"', "train.epochs = 'ten': must be a whole number"),
    in_section("train", "epochs = true", "train.epochs = True: must be a whole number"),
    in_section("train", "epochs = 1\nbatch_size = 0", f"train.batch_size = 0: {BATCH}"),
    in_section("train", "epochs = 1\nbatch_size = 1.5", f"train.batch_size = 1.5: {BATCH}"),
    in_section("train", 'epochs = 1\nbatch_size = "all"', f"train.batch_size = 'all': {BATCH}"),
    in_section("train", "epochs = 1\nbatch_size = true", f"train.batch_size = True: {BATCH}"),
    in_section(
        "train",
        "epochs = 1\nlabel_smoothing = 1",
        "train.label_smoothing = 1: must be less than 1",
    ),
    in_section(
        "train",
        'epochs = 1\naugment = "flop"',
        "unknown augmentation 'flop'; did you mean 'flip'? (allowed: flip, shift)",
    ),
    in_section(
        "sparsity",
        'name = "projection"\nkeep = 1.5',
        "sparsity.keep = 1.5: must be at most 1",
    ),
    in_section(
        "sparsity",
        'name = "one_shot"\nkeep = 0.5\nafter_epoch = 2',
        "sparsity.after_epoch = 2: must be less than the 2 epochs of training, some of which must "
        "follow the pruning",
    ),
    in_section("train", "epochs = 1\nclip_norm = 0", "train.clip_norm = 0: must be greater than 0"),
    in_section(
        "train", "epochs = 1\nclip_norm = inf", "train.clip_norm = inf: must be a finite number"
    ),
    in_section(
        "train", "epochs = 1\nevaluate_every = 0", "train.evaluate_every = 0: must be at least 1"
    ),
    in_section(
        "train",
        'epochs = 1\norder = "random"',
        "train.order = 'random': must be 'seed' or 'shared'",
    ),
    in_section("train", "epochs = 1\nschedule = 3", f"train.schedule = 3: {NAMED}"),
    in_section("task", 'name = "digits"\nsize = 4', "task.size = 4: must be at least 8"),
    in_section("task", 'name = "digits"\nsize = 65', "task.size = 65: must be at most 64"),
    in_section("task", "name = 3", "task.name = 3: must be a string"),
    in_section("model", 'name = "mlp"\nwidths = []', "model.widths = []: must not be empty"),
    in_section("model", 'name = "mlp"\nwidths = [0]', "model.widths.0 = 0: must be at least 1"),
    in_section("model", 'name = "mlp"\nwidths = "wide"', "model.widths = 'wide': must be a list"),
    in_section(
        "model",
        'name = "mlp"\nwidths = [[8], 8]',
        "model.widths.0 = [8]: must be a whole number",
    ),
    in_section("model", 'name = "mlp"\nwidths = [[]]', "model.widths = []: must not be empty"),
    in_section("model", 'name = "mlp"\ninit = 3', f"model.init = 3: {NAMED}"),
    in_section(
        "model",
        'name = "mlp"\nactivation = "a\\nb"',
        "model.activation = 'a\\nb': must be 'relu', 'tanh', 'sigmoid' or 'gelu'",
    ),
    # What is missing.
    *(in_section(name, None, f"[{name}] is missing") for name in GOOD),
    in_section("study", "seeds = 1", f"study.name: {MISSING}"),
    in_section("task", "size = 8", f"task.name: {MISSING}"),
    in_section("optimizer", 'name = "sgd"', f"optimizer.lr: {MISSING}"),
    in_section("train", "batch_size = 3", f"train.epochs: {MISSING}"),
    in_section("train", 'epochs = 1\nschedule = "step"', f"train.schedule.every_epochs: {MISSING}"),
    in_section("model", 'name = "mlp"\ninit = { gain = 2 }', f"model.init.name: {MISSING}"),
    # The study's own table.
    in_section("study", 'name = ""', f"study.name = '': {NAME}"),
    in_section("study", 'name = "a/b"', f"study.name = 'a/b': {NAME}"),
    in_section("study", 'name = ".."', f"study.name = '..': {NAME}"),
    in_section("study", "name = 3", f"study.name = 3: {NAME}"),
    in_section("study", 'name = "s"\ntitle = 3', "study.title = 3: must be a string"),
    in_section("study", 'name = "s"\nseeds = 0', "study.seeds = 0: must be from 1 to 100000"),
    in_section("study", 'name = "s"\nseeds = []', f"study.seeds = []: {COUNT}"),
    in_section("study", 'name = "s"\nseeds = 1.5', f"study.seeds = 1.5: {COUNT}"),
    in_section("study", 'name = "s"\nseeds = "three"', f"study.seeds = 'three': {COUNT}"),
    in_section(
        "study",
        'name = "s"\nseeds = [1, 1]',
        "study.seeds = [1, 1]: must list each seed once, none negative",
    ),
    in_section(
        "study",
        'name = "s"\nseeds = [-1]',
        "study.seeds = [-1]: must list each seed once, none negative",
    ),
    in_section(
        "study",
        'name = "s"\nseeds = [2147483648]',
        "seed = 2147483648: must be a whole number from 0 to 2147483647",
    ),
    # What is no table.
    instead("study", "study = 3", "study = 3: must be a table"),
    instead("train", "train = 3", "train = 3: must be a table"),
    instead("task", "task = 3", f"task = 3: {NAMED}"),
    instead("optimizer", "optimizer = 0.1", f"optimizer = 0.1: {NAMED}"),
    instead(
        "optimizer",
        'optimizer = ["sgd", "adam"]',
        f"optimizer = ['sgd', 'adam']: {NAMED}",
    ),
    instead("arms", "arms = 3", "arms = 3: must be a table of arms"),
    instead("protocol", "protocol = 3", "protocol = 3: must be a table"),
    instead("presets", "presets = 3", "presets = 3: must be a table"),
    in_section("arms", "a = 3", "arms.a = 3: must be a table, or false to leave the arm out"),
    # Grids.
    in_section(
        "optimizer",
        'name = "sgd"\nlr = []',
        "optimizer.lr = []: a grid needs at least one value",
    ),
    in_section(
        "optimizer", 'name = "sgd"\nlr = [1, 1.0]', "optimizer.lr: the grid names 1.0 twice"
    ),
    in_section(
        "optimizer",
        'name = ["sgd", "adam"]',
        "optimizer.name = ['sgd', 'adam']: must be a string",
    ),
    # References.
    in_section(
        "model",
        'name = "no_such_module:Net"',
        "'no_such_module:Net': cannot import 'no_such_module' (No module named 'no_such_module')",
    ),
    in_section(
        "model",
        'name = "badly_made:Nett"',
        "'badly_made:Nett': unknown name 'Nett'; did you mean 'Net'? (allowed: Net, number)",
    ),
    in_section(
        "model",
        'name = "badly_made:number"',
        "model 'badly_made:number': must be an nn.Module class or a function that returns a "
        "module, not an object of type int",
    ),
    in_section(
        "model",
        'name = "badly_made:Net"\nwidth = 3\ndeep = 2',
        "badly_made:Net: unknown key 'deep'; did you mean 'depth'? (allowed: width, depth)",
    ),
    in_section(
        "model",
        'name = "badly_made:Net"',
        "badly_made:Net: 'width' has no default and must be given",
    ),
    in_section(
        "model",
        'name = "badly_made:Net"\nwidth = 2024-05-27',
        "model.width = 2024-05-27: must not be a date or a time",
    ),
    in_section(
        "model",
        'name = "raises_on_import:Net"',
        "'raises_on_import:Net': importing 'raises_on_import' raised RuntimeError: no luck",
    ),
    in_section(
        "model",
        'name = "no_python:Net"',
        "'no_python:Net': importing 'no_python' raised SyntaxError: invalid syntax (no_python.py, ",
    ),
    in_section("model", 'name = ":Net"', "':Net': importing '' raised ValueError: Empty module"),
    in_section(
        "task",
        'name = "badly_made:number"',
        "task 'badly_made:number': must be a function that returns a thalweg.data.Task",
    ),
    in_section(
        "optimizer",
        'name = "torch.optim:Adm"',
        "'torch.optim:Adm': unknown name 'Adm'; did you mean 'Adam'? (allowed: ",
    ),
    in_section(
        "optimizer",
        'name = "badly_made:Net"',
        "optimizer 'badly_made:Net': must be a subclass of torch.optim.Optimizer",
    ),
    in_section(
        "optimizer",
        'name = "torch.optim:Adam"\nlr = -1',
        "optimizer: torch.optim:Adam(lr=-1) was refused: Invalid learning rate: -1",
    ),
    in_section(
        "optimizer",
        'name = "torch.optim:Adam"\nbetas = [[0.9]]',
        "optimizer: torch.optim:Adam(betas=[0.9]) was refused: list index out of range",
    ),
    in_section(
        "optimizer",
        'name = "torch.optim:Adam"\nbetas = [0.9, 0.999]',
        "optimizer: torch.optim:Adam(betas=0.9) was refused: 'float' object is not subscriptable",
    ),
    in_section(
        "optimizer",
        'name = "torch.optim:Adam"\nlearning = 1',
        "torch.optim:Adam: unknown key 'learning' (allowed: lr, betas, eps, ",
    ),
]

MODULES = {
    "badly_made": "number = 3\n\ndef Net(width, depth=2):\n    pass\n",
    "raises_on_import": "raise RuntimeError('no luck\\nat all')\n",
    "no_python": "def f(:\n    pass\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def refusal(folder: Path, text: str, *arguments: Any) -> str:
    path = folder / "s.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(path, *arguments)
    assert caught.value.exit_status == 2
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def test_the_study_without_faults_is_good(folder: Path) -> None:
    path = folder / "s.toml"
    path.write_text(text_of({}))
    assert len(load_study(path).specs) == 2


@pytest.mark.parametrize(("text", "sentence"), CASES)
def test_one_sentence_for_each_fault(text: str, sentence: str, folder: Path) -> None:
    message = refusal(folder, text)
    if sentence.endswith((" ", "module", "no luck")):
        assert message.startswith(sentence)
    else:
        assert message == sentence


PRESETS = text_of(
    {
        "arms.gd": "",
        "presets.quick": "train.epochs = 1",
        "presets.typo": "trian.epochs = 1",
        "presets.zero": "seeds = 0",
        "presets": "number = 3",
    }
)


@pytest.mark.parametrize(
    ("preset", "overrides", "sentence"),
    [
        (
            "quik",
            (),
            "--preset: unknown preset 'quik'; did you mean 'quick'? "
            "(allowed: full, quick, typo, zero, number)",
        ),
        (
            "typo",
            (),
            "presets.typo: unknown key 'trian'; did you mean 'train'? "
            "(allowed: study, task, model, optimizer, train, sparsity, search, arms, probes, "
            "protocol, seeds)",
        ),
        ("zero", (), "study.seeds = 0: must be from 1 to 100000"),
        ("number", (), "presets.number = 3: must be a table"),
        (
            None,
            ["train.epochs"],
            "--set 'train.epochs': must be KEY=VALUE, for instance train.epochs=2",
        ),
        (None, ["=3"], "--set '=3': must be KEY=VALUE, for instance train.epochs=2"),
        (None, ["train.=3"], "--set 'train.=3': must be KEY=VALUE, for instance train.epochs=2"),
        (
            None,
            ["trian.epochs=3"],
            "--set 'trian.epochs=3': unknown key 'trian'; did you mean 'train'? "
            "(allowed: study, task, model, optimizer, train, sparsity, search, arms, probes, "
            "protocol, presets)",
        ),
        (
            None,
            ["arms.gf.train.epochs=3"],
            "--set 'arms.gf.train.epochs=3': unknown arm 'gf'; did you mean 'gd'? (allowed: gd)",
        ),
        (None, ["arms=3"], "arms = 3: must be a table of arms"),
        (None, ["arms=3", "arms.gd.train.epochs=1"], ""),
        (None, ["train=3"], "arm 'gd': train = 3: must be a table"),
        (None, ["study=3"], "study = 3: must be a table"),
        (None, ["train.epochs=ten"], "arm 'gd': train.epochs = 'ten': must be a whole number"),
        (None, ["train.epochs="], "arm 'gd': train.epochs = '': must be a whole number"),
        (None, ["study.seeds=0"], "study.seeds = 0: must be from 1 to 100000"),
        (
            None,
            ["train.epocs=3"],
            f"arm 'gd': train: unknown key 'epocs'; did you mean 'epochs'? (allowed: {TRAIN})",
        ),
    ],
)
def test_one_sentence_for_each_wrong_preset_or_override(
    preset: str | None, overrides: list[str], sentence: str, folder: Path
) -> None:
    path = folder / "s.toml"
    path.write_text(PRESETS)
    if not sentence:  # the second override mends the first
        assert load_study(path, preset, overrides=overrides).points[0].arm == "gd"
        return
    assert refusal(folder, PRESETS, preset, None, overrides) == sentence


@pytest.mark.parametrize("seeds", [0, -1, 100_001])
def test_a_wrong_number_of_seeds(seeds: int, folder: Path) -> None:
    message = refusal(folder, text_of({}), None, seeds)
    assert message == f"study.seeds = {seeds}: must be from 1 to 100000"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[study]\nname = s\n", "Invalid value (at line 2, column 8)"),
        ("[study\n", "Expected ']' at the end of a table declaration (at line 1, column 7)"),
        ('[study]\nname = "s"\nname = "t"\n', "Cannot overwrite a value (at line 3, column 11)"),
        ("lr = 0.1 0.2\n", "(at line 1, column 10)"),
    ],
)
def test_invalid_toml_is_located_by_line_and_column(text: str, sentence: str, folder: Path) -> None:
    message = refusal(folder, text)
    assert message.startswith(f"{folder / 's.toml'}: is not valid TOML: ")
    assert message.endswith(sentence)
