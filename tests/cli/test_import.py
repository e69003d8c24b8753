import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import Done
from tests.imports.conftest import figures, network, write_study

from thalweg.imports import import_files

Thalweg = Callable[..., Done]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the study of EG against GD left one; not to be written to."""
    return write_study(tmp_path_factory.mktemp("public") / "study")


@pytest.fixture(scope="module")
def results(public: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder it was imported into; only to be added to by measurements and reports."""
    out = tmp_path_factory.mktemp("imported") / "out"
    model = {"name": "rnn", "hidden": 6}
    import_files([public], "msc", out, "thalweg import", "digits", model)
    return out


def told(done: Done) -> Any:
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: Done) -> str:
    """The one sentence with which a command refuses its input."""
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_folder_is_imported_and_shown(thalweg: Thalweg, public: Path) -> None:
    given = ("import", public, "--study", "msc", "--task", "digits", "--out", "res")
    done = thalweg(*given)
    assert done.status == 0, done.stderr
    assert "9 runs are new, 0 were replaced" in done.stdout
    assert "neither trained nor tested" in done.stdout
    assert "left aside: 1 .csv, 1 .py" in done.stdout
    again = told(thalweg(*given, "--json"))
    assert not any(run["new"] for run in again["runs"])
    assert again["aside"] == ["analysis/per_layer_results.csv", "prune_train.py"]
    shown = told(thalweg("show", "msc", "--out", "res", "--json"))
    assert [(row["arm"], row["test_accuracy"]) for row in shown] == [
        *(("eg", "0.8800"), ("gd", "0.8900"), ("eg_prune", "0.9000"), ("gd_prune", "0.8900")),
    ]
    assert all("seconds" not in row for row in shown)


def test_files_of_one_run_are_told_what_they_are(thalweg: Thalweg, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(figures(3))
    torch.save(network(0), tmp_path / "net.pt")
    for seed in (3, 4):
        told(
            thalweg(
                *("import", "metrics.csv", "net.pt", "--study", "s", "--arm", "mine"),
                *("--seed", seed, "--out", "res", "--json"),
            )
        )
    rows = told(thalweg("query", "SELECT arm, seed FROM arms ORDER BY seed", "--out=res", "--json"))
    assert rows == [{"arm": "mine", "seed": 3}, {"arm": "mine", "seed": 4}]
    (tmp_path / "other.csv").write_text(figures(3, 0.5, more="0.1,sgd,3"))
    sentence = refused(
        thalweg("import", "other.csv", "--study=s", "--arm=a", "--seed=9", "--out=res")
    )
    assert "other.csv: must have one seed, but is told 3 and 9" in sentence


def test_metrics_rounds_and_probes_are_queried(thalweg: Thalweg, results: Path) -> None:
    sql = (
        "SELECT round, kept, trained, rounds.test_accuracy FROM rounds "
        "WHERE arm = 'gd_prune' ORDER BY round"
    )
    rows = told(thalweg("query", sql, "--out", results, "--json"))
    assert [row["trained"] for row in rows] == [True, True, True, False]
    assert [row["test_accuracy"] for row in rows][2:] == [pytest.approx(0.89), None]
    sql = "SELECT count(*) AS n, max(train_loss) AS first FROM metrics JOIN arms USING (run)"
    (row,) = told(thalweg("query", sql + " WHERE arm = 'gd'", "--out", results, "--json"))
    assert row == {"n": 8, "first": 1.08}


def test_a_measurement_of_a_run_is_that_of_its_file(
    thalweg: Thalweg, public: Path, results: Path
) -> None:
    how = ("--probe", "hessian", "--examples", 100, "--top", 1, "--json")
    of_run = told(thalweg("measure", "msc/eg_prune/42", *how, "--out", results))
    path = public / "prune_out/eg_prune_lottery_ticket_trained_weights.pth"
    model = '{name="rnn", hidden=6}'
    of_file = told(thalweg("measure", path, "--model", model, "--task", "digits", *how))
    assert of_run == of_file
    last = told(
        thalweg("measure", "msc/gd_prune/42/round:3", "--probe=weights", "--json", "--out", results)
    )
    assert last["nonzero"][:1] == [1.0]  # the input layer is not pruned
    graph = thalweg("measure", "msc/eg_prune/42", "--probe", "graph", "--json", "--out", results)
    assert sum(told(graph)["edges"][1:6]) == 36


def test_what_cannot_be_measured_is_told(thalweg: Thalweg, public: Path, results: Path) -> None:
    assert "its weights are in none of the files" in refused(
        thalweg("measure", "msc/gd_prune/42", "--out", results)
    )
    given = ("import", public / "prune_out", "--seed", 1, "--out", "res")
    told(thalweg(*given, "--study", "untold", "--json"))
    assert "its task is not known; import it again with --task" in refused(
        thalweg("measure", "untold/eg_prune/1", "--out", "res")
    )
    shutil.copytree(public / "prune_out", "other")
    Path("other/eg_prune_lottery_ticket_metrics.csv").write_text(figures(8, last_loss=0.123))
    told(
        thalweg("import", "other", "--seed=1", "--study=o", "--task=digits", "--out=res", "--json")
    )
    assert "its files tell a test loss of 0.123, but its weights have 2." in refused(
        thalweg("measure", "o/eg_prune/1", "--out", "res")
    )


def test_the_fault_of_the_public_study_is_found(thalweg: Thalweg, results: Path) -> None:
    done = thalweg("audit", "msc", "--out", results, "--json")
    assert done.status == 1
    severe = [f for f in json.loads(done.stdout)["msc"] if f["severity"] == "severe"]
    assert [(f["check"], f["where"]) for f in severe] == [("untrained-ticket", "gd_prune")]
    again = refused(thalweg("audit", "msc", "--rerun", 1, "--out", results))
    assert "none of the runs of study 'msc' can be trained again" in again


def test_one_seed_tells_nothing_and_several_are_compared(
    thalweg: Thalweg, results: Path, tmp_path: Path
) -> None:
    done = thalweg("compare", "gd", "eg", "--study", "msc", "--out", results)
    assert "gd is 1.00 points above eg (1 seed, no interval): not resolved" in done.stdout
    for seed in range(6):
        for arm, offset in (("gd", 1.0), ("eg", 0.0)):
            text = figures(8, offset + (seed % 3) / 10 + (0.05 if arm == "eg" and seed else 0))
            (tmp_path / f"{arm}_seed{seed}_metrics.csv").write_text(text)
    told(thalweg("import", tmp_path, "--study", "many", "--task=digits", "--out=res", "--json"))
    pairs = told(thalweg("compare", "gd", "eg", "--out", "res", "--json"))["pairs"]
    assert (pairs[0]["seeds"], pairs[0]["resolved"]) == (6, True)
    differences = [0.01] + 5 * [0.0095]
    assert pairs[0]["mean"] == pytest.approx(sum(differences) / 6)


def test_a_report_tells_what_is_known_and_nothing_else(thalweg: Thalweg, results: Path) -> None:
    page = Path(told(thalweg("report", "msc", "--out", results, "--json"))["report"])
    text = page.read_text()
    assert "were imported from files of another program" in text
    assert "neither trained nor tested" in text
    assert "the ticket was not trained after its last pruning" in text
    costs = (results / "studies/msc/tables/costs.md").read_text()
    assert costs.count("| — |") >= 4
    assert "0 s" not in costs


def test_an_imported_study_is_not_run(thalweg: Thalweg, results: Path) -> None:
    before = (results / "studies/msc/study.json").read_bytes()
    sentence = "study 'msc': was imported from files of another program, so nothing can train it"
    for command in (
        ("run", "msc"),
        ("run", results / "studies/msc/study.toml"),
        ("train", "mlp", "digits", "--lr", "0.1", "--epochs", "1", "--name", "msc"),
    ):
        assert sentence in refused(thalweg(*command, "--out", results))
    assert (results / "studies/msc/study.json").read_bytes() == before
    assert "nothing can train it again" in refused(
        thalweg("export", "--study", "msc", "--to", "files", "--out", results)
    )


def test_weights_alone_are_measured_but_not_compared(thalweg: Thalweg, tmp_path: Path) -> None:
    for arm in ("sgd", "adam"):
        torch.save(network(len(arm)), tmp_path / f"{arm}_final_model.pt")
    told(thalweg("import", tmp_path, "--study=w", "--task=digits", "--seed=0", "--out=r", "--json"))
    refusal = refused(thalweg("compare", "--out", "r"))
    assert "study 'w': no run has a loss or accuracy to compare" in refusal
    found = told(thalweg("measure", "w/sgd/0", "--probe=weights", "--json", "--out=r"))
    assert sum(found["count"][:-1]) == found["count"][-1]


def test_a_study_that_was_run_takes_no_imports(thalweg: Thalweg, out: Path, public: Path) -> None:
    given = ("import", public, "--study", "small", "--task", "digits", "--out", out)
    assert "--study small: is a study that was run in" in refused(thalweg(*given))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere",), "nowhere: does not exist; name a folder, or files that end in .csv"),
        (("empty",), "empty: holds nothing that is imported"),
        (("notes.txt",), "notes.txt: is of no kind that is imported; must end in .csv"),
        (("metrics.csv",), "metrics.csv: its name tells no arm; give it with --arm"),
        (("metrics.csv", "--arm", "a"), "metrics.csv: tells no seed; give it with --seed"),
        (("a.csv", "--seed", "0"), "a.csv: has no column of epochs"),
        (("gd_log.csv", "--seed", "0"), "gd_log.csv: unknown column 'Foo' (allowed: epoch, "),
        (("lone.pt", "--seed", "0"), "lone.pt: its shapes fit no rnn or lenet5 or lenet5-tanh"),
        (("metrics.csv", "--task", "mnits"), "unknown task 'mnits'; did you mean 'mnist'"),
        (("metrics.csv", "--model", "lenet6"), "unknown model 'lenet6'; did you mean 'lenet5'"),
        (("metrics.csv", "--model", "3"), "--model = 3: must be a name or a table with a name"),
        (("metrics.csv", "--study", "a/b"), "study.name = 'a/b': must be 1 to 100 letters"),
    ],
)
def test_wrong_input_is_told_in_a_sentence_and_nothing_is_written(
    thalweg: Thalweg, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "metrics.csv").write_text(figures(2))
    (tmp_path / "a.csv").write_text("epoch,lr\n1,2\n")
    (tmp_path / "gd_log.csv").write_text("epoch,test_loss,Foo\n1,2,3\n")
    torch.save({"w": torch.randn(3, 3)}, tmp_path / "lone.pt")
    study = () if "--study" in arguments else ("--study", "s")
    assert sentence in refused(thalweg("import", *arguments, *study, "--out", "res"))
    assert not (tmp_path / "res").exists()
