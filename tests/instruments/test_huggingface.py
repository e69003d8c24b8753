"""The callback of Hugging Face's Trainer, in the real library."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from tests.instruments.loops import state_of
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.assemble import read_results

pytest.importorskip("transformers", reason="needs the extra integrations (make test-integrations)")
pytest.importorskip("accelerate", reason="needs the extra integrations (make test-integrations)")
pytestmark = pytest.mark.filterwarnings("ignore")

from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
)

from thalweg.instruments.huggingface import InstrumentsCallback  # noqa: E402


def texts(kind: str) -> list[dict[str, Tensor]]:
    """Return 24 texts of random tokens, the label of a text being its first token's parity."""
    tokens = torch.randint(0, 40, (24, 7), generator=torch.Generator().manual_seed(0))
    labels = tokens if kind == "gpt2" else tokens[:, 0] % 2
    mask = torch.ones(7, dtype=torch.int64)
    return [
        {"input_ids": row, "attention_mask": mask, "labels": label}
        for row, label in zip(tokens, labels, strict=True)
    ]


def model_of(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=40, n_positions=8, n_embd=16, n_layer=2, n_head=2)
        )
    return BertForSequenceClassification(
        BertConfig(
            **{"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "hidden_act": "relu"},
            **{"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 8},
        )
    )


def train(kind: str, folder: Path, callback: Any = None, **options: Any) -> tuple[nn.Module, float]:
    """Return the trained model, and the mean loss that the Trainer tells."""
    model = model_of(kind)
    settings: dict[str, Any] = {
        **{"num_train_epochs": 2, "per_device_train_batch_size": 4, "use_cpu": True},
        **{"report_to": [], "save_strategy": "no", "eval_strategy": "epoch", "seed": 1},
        **{"disable_tqdm": True, "learning_rate": 1e-3, "logging_strategy": "no"},
    }
    trainer = Trainer(
        model,
        TrainingArguments(str(folder), **{**settings, **options}),
        train_dataset=texts(kind),
        eval_dataset=texts(kind)[:8],
        callbacks=[] if callback is None else [callback],
    )
    return model, trainer.train().training_loss


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("bert", {"max_grad_norm": 0.3}),
        ("bert", {"gradient_accumulation_steps": 3}),
        ("bert", {"bf16": True, "max_grad_norm": 0.0}),
        ("gpt2", {"gradient_accumulation_steps": 3, "max_grad_norm": 0.5}),
    ],
)
def test_a_watched_training_is_the_unwatched_one(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    callback = InstrumentsCallback(
        *("full",), when="every:2", examples=8, out=tmp_path / "out", study="mine", name=kind
    )
    model, logged = train(kind, tmp_path / "a", callback, **options)
    watched, plain = state_of(model), state_of(train(kind, tmp_path / "b", **options)[0])
    assert all(torch.equal(watched[name], each) for name, each in plain.items())
    results = read_results(Store(tmp_path / "out"), "mine")
    row = results.runs.row(0, named=True)
    steps = 4 if "gradient_accumulation_steps" in options else 12
    assert (row["status"], row["epochs"], row["steps"]) == ("done", 2, steps)
    assert row["validation_loss"] > 0 and row["optimizer"] == "AdamW"
    series = results.series.filter(pl.col("step").is_not_null())
    figures = set(series["figure"])
    assert figures >= {"loss", "noise", "alpha", "edge", "full_gradient_norm"}
    assert ("feature_sparsity" in figures) and ("class_accuracy" not in figures)
    finite = series.filter(pl.col("figure").is_in(["loss", "lambda_max", "noise", "alpha"]))
    assert finite["value"].is_finite().mean() > 0.9
    assert ("clipped" in figures) == (options.get("max_grad_norm") != 0.0)

    def of(name: str) -> pl.Series:
        return series.filter(pl.col("figure") == name).sort("step")["value"]

    if "clipped" in figures:
        limit = options.get("max_grad_norm", 1.0)
        assert (of("gradient_norm") > limit).cast(float).to_list() == of("clipped").to_list()
        assert of("gradient_norm").max() > min(limit, 0.4)
    # Of every second step; all begin near the loss of a guess.
    assert of("loss").mean() == pytest.approx(logged, rel=0.05)


def test_what_cannot_be_watched_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="figures: eval_f1"):
        InstrumentsCallback(figures={"eval_f1": "f1"})
    with pytest.raises(InputError, match="once a training has begun"):
        _ = InstrumentsCallback().watch
    with pytest.raises(InputError, match="preset"):
        train("bert", tmp_path, InstrumentsCallback("all"))
