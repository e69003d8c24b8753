"""The callback of Lightning, in the real library."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from tests.instruments.loops import digits, state_of, stranger
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from thalweg.errors import InputError
from thalweg.instruments import Instruments
from thalweg.store import Store
from thalweg.store.assemble import read_results

pytest.importorskip("lightning", reason="needs the extra integrations (make test-integrations)")
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice

from lightning.pytorch import LightningModule, Trainer, seed_everything  # noqa: E402

from thalweg.instruments.lightning import InstrumentsCallback  # noqa: E402

QUIET: dict[str, Any] = {
    **{"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
    **{"enable_progress_bar": False, "enable_model_summary": False},
}


class Classifier(LightningModule):
    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.network = stranger()
        self.fails = fails

    def without_dropout(self) -> "Classifier":
        """Lightning draws numbers of its own, and dropout would follow them."""
        self.network[3] = nn.Identity()
        return self

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.network(x)
        return found

    def training_step(self, batch: Any, index: int) -> Tensor:
        if self.fails and self.global_step == 2:
            raise RuntimeError("the data have gone")
        return cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, index: int) -> None:
        outputs = self(batch[0])
        self.log("val_loss", cross_entropy(outputs, batch[1]))
        self.log("val_acc", (outputs.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def fit(callback: InstrumentsCallback | None, **options: Any) -> nn.Module:
    seed_everything(0, verbose=False)
    module = Classifier(options.pop("fails", False))
    data = TensorDataset(*digits(100))
    callbacks = [] if callback is None else [callback]
    trainer = Trainer(max_epochs=2, callbacks=callbacks, **QUIET, **options)  # type: ignore[arg-type]
    trainer.fit(module, DataLoader(data, 20, shuffle=True), DataLoader(data, 50))
    return module


@pytest.mark.parametrize(
    "options", [{}, {"gradient_clip_val": 0.5}, {"accumulate_grad_batches": 5}], ids=str
)
def test_a_watched_fit_is_the_unwatched_one(tmp_path: Path, options: dict[str, Any]) -> None:
    callback = InstrumentsCallback(
        *("full",), loss=cross_entropy, when="every:1", examples=40, validation=digits(30),
        out=tmp_path / "out", study="mine", name="lit",
    )  # fmt: skip
    watched, plain = state_of(fit(callback, **options)), state_of(fit(None, **options))
    assert all(torch.equal(watched[name], each) for name, each in plain.items())
    results = read_results(Store(tmp_path / "out"), "mine")
    row = results.runs.row(0, named=True)
    assert (row["status"], row["epochs"]) == ("done", 2)
    assert row["steps"] == (2 if "accumulate_grad_batches" in options else 10)
    assert 0 < row["validation_accuracy"] <= 1
    figures = set(results.series["figure"])
    assert figures >= {"loss", "noise", "alpha", "edge", "class_accuracy", "active"}
    assert ("clipped" in figures) == ("gradient_clip_val" in options)
    if "clipped" in figures:
        norms = results.series.filter(pl.col("figure") == "gradient_norm")["value"]
        clipped = results.series.filter(pl.col("figure") == "clipped")["value"]
        assert (norms > 0.5).cast(float).to_list() == clipped.to_list() and norms.max() > 0.5


def test_its_figures_are_those_of_a_plain_loop() -> None:
    names = ["loss", "gradient", "movement", "distance", "noise", "alpha", "edge"]
    common: dict[str, Any] = {
        **{"instruments": names, "loss": cross_entropy, "when": "every:1"},
        **{"train": digits(100), "examples": 50},
    }
    callback = InstrumentsCallback(**common)
    seed_everything(0, verbose=False)
    module = Classifier().without_dropout()
    trainer = Trainer(max_epochs=1, callbacks=[callback], **QUIET)
    trainer.fit(module, DataLoader(TensorDataset(*digits(100)), 20))
    seed_everything(0, verbose=False)
    network = Classifier().without_dropout().network
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    with Instruments(network, optimizer, **common) as watch:
        for x, y in DataLoader(TensorDataset(*digits(100)), 20):
            optimizer.zero_grad()
            loss = cross_entropy(network(x), y)
            loss.backward()
            watch.batch(x, y, loss)
            optimizer.step()
    found, told = (each.frame().drop_nulls("step") for each in (callback.watch, watch))
    assert len(told) > 5 * 12
    assert_frame_equal(found, told, rel_tol=1e-5, abs_tol=1e-6)


def test_a_fit_that_fails_is_written_down(tmp_path: Path) -> None:
    callback = InstrumentsCallback("cheap", out=tmp_path / "out", study="mine")
    with pytest.raises(RuntimeError, match="have gone"):
        fit(callback, fails=True)
    runs = read_results(Store(tmp_path / "out"), "mine").runs
    assert runs["status"].to_list() == ["failed"]
    assert "have gone" in runs["message"].item()


def test_what_cannot_be_watched_is_told() -> None:
    with pytest.raises(InputError, match="figures: acc"):
        InstrumentsCallback(figures={"acc": "accuracy"})
    with pytest.raises(InputError, match="once a fit has begun"):
        _ = InstrumentsCallback().watch

    class Two(Classifier):
        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]

        def training_step(self, batch: Any, index: int) -> None:
            return None

    module = Two()
    module.automatic_optimization = False
    with pytest.raises(InputError, match="optimizers: are 2"):
        Trainer(max_epochs=1, callbacks=[InstrumentsCallback()], **QUIET).fit(
            module, DataLoader(TensorDataset(*digits(20)), 20)
        )
