"""A headless Chromium, spoken to over two pipes in its DevTools protocol."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

PATIENCE = 120.0

# Chromium reads from 3 and writes to 4, and one of these may be the other's number at first.
PLACED = """
import os, sys
read, write = (os.dup2(int(fd), 100 + i) for i, fd in enumerate(sys.argv[1:3]))
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of a browser, and all that went wrong on it.

    Attributes:
        faults: Errors and warnings on the console, exceptions, refusals of the content policy.
        requests: Addresses that were asked for.
    """

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", PLACED, str(theirs_in), str(theirs_out)),
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-unsafe-swiftshader",  # WebGL without a card
                "--hide-scrollbars",
                f"--user-data-dir={folder / 'profile'}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._read = os.fdopen(ours_in, "rb", buffering=0)
        self._write = os.fdopen(ours_out, "wb", buffering=0)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.faults: list[str] = []
        self.requests: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(each for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._read.close()
        self._write.close()

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]
            self._note(found)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._read.read(1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        first, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(first)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            words = (str(each.get("value", each.get("description"))) for each in told["args"])
            self.faults.append(f"{told['type']}: {' '.join(words)}")
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.faults.append(details.get("exception", details).get("description", str(details)))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.faults.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def size(self, width: int, height: int = 900, dark: bool = False) -> None:
        """Make the window so large, and the reader's scheme light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Open an address and wait until all is drawn."""
        self.run("window.left = true")
        self.call("Page.navigate", url=address)
        self.until("!window.left && document.readyState === 'complete'")
        self.drawn()

    def drawn(self) -> None:
        """Wait until the page has what it shows, and its charts are drawn."""
        self.until(
            "!document.body.dataset.mark?.includes('unfinished') && !document.body.ariaBusy"
            " && (document.documentElement.dataset.drawn === 'true'"
            " || !document.getElementById('figures'))"
        )

    def run(self, script: str) -> Any:
        """Return the value of an expression, of a promise what it comes to."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression holds; it may fail while one page follows another."""
        end = time.monotonic() + PATIENCE
        while not self._holds(script):
            if time.monotonic() > end:
                main = self.run("document.getElementById('main')?.innerText")
                raise AssertionError(f"never: {script}; {self.faults}; {main}")
            time.sleep(0.05)

    def _holds(self, script: str) -> bool:
        try:
            return bool(self.run(script))
        except AssertionError:
            return False

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        own = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **own)
        self.call("Input.dispatchKeyEvent", type="keyUp", **own)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
