"""Files that carry the SHA-256 of their own content.

A seal is the text ``sha256=DIGEST=sha256`` anywhere in a file. The digest is that of the file with
64 zeros in the digest's place, so a file is written whole with its checksum in it, and no second
file has to be kept in step.
"""

import hashlib
import re

_ZEROS = b"0" * 64
_SEAL = re.compile(rb"sha256=([0-9a-f]{64})=sha256")

OPEN = f"sha256={_ZEROS.decode()}=sha256"
"""What a writer puts where the seal is to be."""

MISMATCH = "its checksum does not match"
"""What is said of a file whose content has another checksum than it had."""


def seal(content: bytes) -> bytes:
    """Return a file's content with its checksum in the place of `OPEN`, which stands in it once."""
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(OPEN.encode(), f"sha256={digest}=sha256".encode(), 1)


def check_seal(content: bytes) -> None:
    """Check a file's content against the seal it carries; one without a seal passes.

    Raises:
        ValueError: It is not what was sealed.
    """
    found = _SEAL.search(content)
    if found is None:
        # Damage to one end of a seal leaves the other.
        if b"sha256=" in content or b"=sha256" in content:
            raise ValueError("its checksum is damaged")
        return
    digest = hashlib.sha256(content[: found.start(1)])
    digest.update(_ZEROS)
    digest.update(content[found.end(1) :])
    if digest.hexdigest().encode() != found[1]:
        raise ValueError(MISMATCH)
