"""Whether files that come from elsewhere have arrived as they were written."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress

from thalweg.cohort.seal import MISMATCH, check_seal
from thalweg.store.run_directory import FILES

STATUS = "status.json"


def faults(content: Mapping[str, bytes]) -> dict[str, str]:
    """Return which files are not as they were written, with what is wrong.

    Args:
        content: By their paths in a results folder, with the status of each run of which there are
            results among them: it tells their SHA-256, every other file has its own.
    """
    found = {}
    digests: dict[str, str] = {}
    for name, data in content.items():
        if name.endswith(STATUS):
            with suppress(ValueError, AttributeError):
                own = json.loads(data).get(FILES, {})
                digests |= {name.replace(STATUS, file): digest for file, digest in own.items()}
    for name, data in content.items():
        try:
            if name not in digests:
                check_seal(data)
            elif hashlib.sha256(data).hexdigest() != digests[name]:
                raise ValueError(MISMATCH)
        except ValueError as error:
            found[name] = str(error)
    return found
