"""Asking the application until it has made what it shows."""

import html
import re
import time
from typing import Any

PATIENCE = 60.0


def whole(client: Any, address: str, status: int = 200) -> str:
    """Return a page when nothing of it is still being made."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = client.get(address)
        assert answer.status_code == status, answer.text
        if 'data-mark="unfinished"' not in answer.text:
            return str(answer.text)
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)


def words(page: str) -> str:
    """Return what a page says, without its markup."""
    inside = page[page.index("<main") : page.index("</main>")]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", inside)).split())
