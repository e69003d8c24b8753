"""Who may look, and what a browser is told that a page may do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import whole

Ask = Callable[..., Any]

ADDRESSES = ("/", "/studies/small", "/studies/small/runs", "/nope", "/static/ui.js", "/state.json")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_its_policy(address: str, small: Path, client: Ask) -> None:
    answer = client(small).get(address)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers


def test_no_page_has_a_script_within_or_an_address_elsewhere(small: Path, client: Ask) -> None:
    asking = client(small)
    for address in ("/", "/studies/small", "/studies/small/runs", "/studies/small/curves"):
        page = whole(asking, address)
        for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.S):
            assert body.strip() == "" or 'type="application/json"' in attributes
        assert not re.search(r"\son\w+=", page)
        assert not re.search(r"""(src|href|action)=["']?(?!/|#|data:|\?|")""", page)
        assert not re.search(r"""(src|href)=["']//""", page)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str, small: Path, client: Ask) -> None:
    before = sorted(path for path in small.rglob("*") if "index" not in path.parts)
    answer = client(small).request(method, "/studies/small")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert sorted(path for path in small.rglob("*") if "index" not in path.parts) == before


def test_head_has_no_body(small: Path, client: Ask) -> None:
    answer = client(small).head("/")
    assert (answer.status_code, answer.text) == (200, "")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8899", 200),
        ("localhost:8899", 200),
        ("LOCALHOST", 200),
        ("[::1]:8899", 200),
        ("evil.example:8899", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
    ],
)
def test_only_names_of_this_machine_are_answered(
    host: str, status: int, small: Path, client: Ask
) -> None:
    assert client(small).get("/state.json", headers={"host": host}).status_code == status


def test_a_token_opens_once_and_for_all(small: Path, client: Ask) -> None:
    asking = client(small, hosts=None, token="s3cret", cookie="thalweg-8899")
    for address in ("/", "/studies/small", "/static/ui.js", "/?token=wrong", "/?token="):
        answer = asking.get(address)
        assert answer.status_code == 403
        assert "small" not in answer.text and "s3cret" not in answer.text
    answer = asking.get("/studies/small/runs?sort=seed&token=s3cret", follow_redirects=False)
    assert answer.status_code == 200
    assert 'content="0; url=/studies/small/runs?sort=seed"' in answer.text
    assert "Two step sizes" not in answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("thalweg-8899=s3cret;")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert asking.get("/studies/small").status_code == 200  # the cookie is kept
    assert "s3cret" not in asking.get("/studies/small").text
    assert client(small, hosts=None, token="s3cret").get("/").status_code == 403


def test_no_address_leads_elsewhere(small: Path, client: Ask) -> None:
    asking = client(small, hosts=None, token="s3cret")
    answer = asking.get("http://127.0.0.1:8899//evil.example/%22%3E%3Cscript%3E?token=s3cret")
    assert "evil.example" in answer.text
    assert "//evil.example" not in answer.text
    assert "<script" not in answer.text
