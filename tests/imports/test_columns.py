import math

import pytest

from thalweg.audit.read.tables import Table, read_csv
from thalweg.errors import InputError
from thalweg.imports.columns import is_metrics, read_curves, read_log


def table(text: str) -> Table:
    found = read_csv("t.csv", text)
    assert found is not None
    return found


def test_the_public_columns_are_read() -> None:
    (curve,) = read_curves(
        table(
            "Epoch,Train Loss,Train Acc (%),Test Loss,Test Acc (%),LR,Alg,Seed\n"
            "2,0.43,84.41,0.4326,0.56,0.0198,gd,42\n"
            "1,0.68,74.51,0.4897,82.1,0.022,gd,42\n"
        )
    )
    assert (curve.optimizer, curve.seed) == ("gd", 42)
    assert [row["epoch"] for row in curve.rows] == [1, 2]
    assert curve.rows[0]["lr"] == 0.022
    assert curve.rows[0]["test_loss"] == 0.4897
    # The unit in the name decides, not the value: 0.56 % is a bad network, not a fair one.
    assert [row["test_accuracy"] for row in curve.rows] == [82.1 / 100, 0.56 / 100]


@pytest.mark.parametrize(
    ("column", "value", "figure", "expected"),
    [
        ("test_acc", "0.89", "test_accuracy", 0.89),
        ("test accuracy", "89", "test_accuracy", 0.89),
        ("Val-Acc", "45 %", "validation_accuracy", 0.45),
        ("valid_loss", "1.5", "validation_loss", 1.5),
        ("training loss", "12.5", "train_loss", 12.5),
        ("eval_loss", "", "test_loss", None),
        ("test_loss", "nan", "test_loss", math.nan),
    ],
)
def test_synonyms_and_units(column: str, value: str, figure: str, expected: float | None) -> None:
    (curve,) = read_curves(table(f"epoch;{column}\n1;{value}\n"))
    found = curve.rows[0][figure]
    assert found == expected or (expected is not None and math.isnan(expected) and found != found)


def test_a_table_of_several_trainings_is_taken_apart() -> None:
    rows = [f"{e},{alg},{s},0.{s}" for alg in ("sgd", "adam") for s in (1, 2) for e in (1, 2)]
    curves = read_curves(table("epoch,optimizer,seed,test_acc\n" + "\n".join(rows)))
    assert [(c.optimizer, c.seed, len(c.rows)) for c in curves] == [
        *(("sgd", 1, 2), ("sgd", 2, 2)),
        *(("adam", 1, 2), ("adam", 2, 2)),
    ]


def test_a_log_of_prunings_is_read() -> None:
    head = "Epoch,Remaining Fraction,Pruned Fraction,Nonzeros,Total\n"
    first, second = read_log(
        table(head + "5,0.7248,0.2752,237496,327680\n20,0.2,0.8,65536,327680\n")
    )
    assert (first.epoch, first.nonzero, first.total) == (5, 237496, 327680)
    assert second.kept == 0.2
    (other,) = read_log(table("epoch,sparsity\n5,75\n"))
    assert (other.kept, other.nonzero) == (0.25, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch,test_loss,foo\n1,2,3\n", r"t\.csv: unknown column 'foo' \(allowed: epoch, lr, "),
        ("epoch,lr\n1,2\n", "no column of epochs or none of figures"),
        ("test_loss\n1\n", "no column of epochs"),
        ("epoch,test_loss,eval_loss\n1,2,3\n", "columns 'test_loss' and 'eval_loss' are both"),
        ("epoch,test_loss\n1,x\n", "test_loss = 'x': must be a number"),
        ("epoch,test_loss\n1.5,2\n", r"epoch = '1\.5': must be a whole number"),
        ("epoch,seed,test_loss\n1,-1,2\n", "seed = '-1': must be a whole number from 0"),
        ("epoch,test_loss\n1e300,2\n", "must be a whole number from 0 to 2147483647"),
        ("epoch,test_loss,lr\n1,2,inf\n", "lr = inf: must be a finite number"),
        ("epoch,test_acc\n1,103\n", "test_acc = 103: must be a share from 0 to 1 or a percentage"),
        ("epoch,test_loss\n1,2\n1,3\n", "epoch 1 comes twice"),
    ],
)
def test_what_is_wrong_with_figures_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_curves(table(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("round,sparsity\n1,0.5\n", "no column of epochs"),
        ("epoch,sparsity,foo\n1,0.5,1\n", "unknown column 'foo'"),
        ("epoch,nonzeros\n1,5\n", "none of what was kept"),
        ("epoch,nonzeros,total\n1,6,5\n", "6 of 5 weights: must be at most all"),
        ("epoch,nonzeros,total\n1,0,0\n", "0 of 0 weights: must be"),
        ("epoch,kept\n1,120\n", "kept = '120': must be a share"),
    ],
)
def test_what_is_wrong_with_a_log_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_log(table(text))


def test_other_tables_are_no_figures_by_epoch() -> None:
    assert is_metrics(table("Epoch,Test Acc (%)\n1,2\n"))
    assert not is_metrics(table("Model,Layer,nodes\nGD,hh,6\n"))
    assert not is_metrics(table("epoch,lr\n1,2\n"))
