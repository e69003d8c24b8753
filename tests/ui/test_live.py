"""A study that trains in another process, followed in a browser."""

import subprocess
import time
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from test_command import SCRIPT, serving

from thalweg.store import Store
from thalweg.store.assemble import read_results

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

STUDY = """
[study]
name = "live"
title = "Followed"
seeds = 2
[task]
name = "digits"
[model]
name = "mlp"
widths = [16]
[train]
epochs = {epochs}
batch_size = 16
evaluate_every = 1
[arms.slow]
optimizer = {{ name = "sgd", lr = 1e-3 }}
[arms.quick]
optimizer = {{ name = "sgd", lr = 0.1 }}
"""


def test_a_study_is_followed_from_its_first_epoch_to_its_last(tmp_path: Path) -> None:
    out, study = tmp_path / "out", tmp_path / "study.toml"
    study.write_text(STUDY.format(epochs=100))
    Store(out, create=True)
    with serving(out) as (address, _), Browser(tmp_path) as page:
        page.size(1440, 1400)
        page.open(address)
        page.run("window.here = true")
        assert "no studies here yet" in page.run("document.body.innerText")
        # On a Ray cluster too it is the store that tells.
        command = [SCRIPT, "run", study, "--out", out, "--jobs", "1", "--backend", "autograd"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as work:
            try:
                page.until("document.body.innerText.includes('Followed')")
                page.until("document.body.innerText.includes('4 training')")
                assert page.run("window.here")  # by itself
                page.open(f"{address}studies/live")
                page.run("window.here = true")
                page.until("document.querySelectorAll('[data-chart] svg.main-svg').length > 0")
                page.drawn()
                zoom(page)
                page.until(
                    "document.querySelector('[data-chart]').layout.xaxis.autorange === false"
                )
                zoomed, first = page.run(RANGE), epochs(page)
                assert first > 0
                page.until(f"{EPOCHS} > {first}")  # told anew, in place
                page.drawn()
                assert page.run(RANGE) == zoomed
                assert "runs a minute" in page.run("document.getElementById('progress').innerText")
                assert "4 training" in page.run("document.getElementById('live').innerText")
                assert work.wait(200) == 0
                page.until("document.body.innerText.includes('100 % of 4 runs: 4 done')")
                page.until("document.querySelector('.finding .arm')?.innerText === 'quick'")
                page.until("document.body.dataset.over === 'yes'")
                assert page.run("window.here")
                assert not page.run("document.querySelectorAll('[data-chart]').length")
                asked = len(page.requests)
                time.sleep(5)
                page.run("1")
                assert len(page.requests) <= asked + 1  # it is over, so nothing more is asked
                assert page.faults == []
            finally:
                work.kill()
        assert read_results(Store(out), "live").runs["status"].to_list() == ["done"] * 4


EPOCHS = "Number(document.querySelector('#progress td progress').value)"
AXIS = "document.querySelector('[data-chart]').layout.xaxis"
RANGE = f"{AXIS}.range"


def epochs(page: Browser) -> int:
    return int(page.run(EPOCHS))


def zoom(page: Browser) -> None:
    """Draw a frame over the left half of the first chart, as a reader does."""
    place = page.run(
        "(() => { const r = document.querySelector('[data-chart] .nsewdrag')"
        ".getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()"
    )
    left, top, width, height = place
    across = [(left + 5, top + 5), (left + width * 0.3, top + height * 0.5),
              (left + width * 0.5, top + height - 5)]  # fmt: skip
    for kind, (x, y) in zip(("mousePressed", "mouseMoved", "mouseReleased"), across, strict=True):
        page.call(
            "Input.dispatchMouseEvent",
            type=kind, x=x, y=y, button="left", buttons=1, clickCount=1,
        )  # fmt: skip
        time.sleep(0.2)
    page.call("Input.dispatchMouseEvent", type="mouseReleased", x=across[-1][0], y=across[-1][1],
              button="left", clickCount=1)  # fmt: skip
