"""Coverage-guided fuzzing of one reader of strangers' files: ``python fuzz.py TARGET SECONDS``.

Atheris mutates sound files and keeps those that reach new code; whatever is raised but the
documented error ends it with a file ``crash-…`` beside the report.
"""

import re
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["thalweg", "tomllib", "csv"]):
    from targets import TARGETS, seeds

RSS_MB = 3000
"""Memory beyond which an input counts as a crash; PyTorch alone takes a third of it."""


def main() -> None:
    name, seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        words: set[str] = set()
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(data)
            words |= set(re.findall(r"[A-Za-z_]{3,24}", data.decode("ascii", "ignore")))
        dictionary = Path(folder) / "words"
        dictionary.write_text("".join(f'"{word}"\n' for word in sorted(words)))
        options = [
            f"-max_total_time={seconds}",
            "-max_len=16384",
            f"-rss_limit_mb={RSS_MB}",
            "-timeout=60",
            "-print_final_stats=1",
            f"-dict={dictionary}",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
