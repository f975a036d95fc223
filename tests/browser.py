"""A real browser for the tests: Chromium without a window, spoken to through chromedriver in plain HTTP.

https://www.w3.org/TR/webdriver2/ is all that is used of it, and of Chromium's own protocol what WebDriver lacks.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tests.conftest import absent

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which WebDriver names an element
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowUp": "\ue013", "ArrowDown": "\ue015", "Tab": "\ue004"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Browser:
    """One session of Chromium."""

    session: str

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        self._ask("POST", "url", url=url)

    def back(self) -> None:
        """As with the button for it."""
        self._ask("POST", "back")

    def run(self, script: str, *arguments: object) -> Any:
        """The value that a script returns; it runs in the page, but is no part of it."""
        return self._ask("POST", "execute/sync", script=script, args=list(arguments))

    def text(self, selector: str) -> str:
        """The text of the first element that fits, character by character."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def texts(self, selector: str) -> list[str]:
        """The text of each element that fits."""
        return cast(
            "list[str]",
            self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector),
        )

    def press(self, *keys: str) -> None:
        """Real keys, to whatever has the focus; a longer text is typed."""
        strokes = [stroke for key in keys for stroke in ([KEYS[key]] if key in KEYS else key)]
        actions = [{"type": kind, "value": stroke} for stroke in strokes for kind in ("keyDown", "keyUp")]
        self._ask("POST", "actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def click(self, selector: str) -> None:
        """As a mouse does."""
        found = self._ask("POST", "element", using="css selector", value=selector)
        self._ask("POST", f"element/{found[_ELEMENT]}/click")

    def devtools(self, command: str, **parameters: object) -> Any:
        """Chromium's own protocol."""
        return self._ask("POST", "goog/cdp/execute", cmd=command, params=parameters)

    def screen(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        """Size and colours."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def complaints(self) -> list[str]:
        """What the console said since it was last asked: errors, refusals of the page's policy."""
        return [entry["message"] for entry in self._ask("POST", "se/log", type="browser")]

    def requests(self) -> list[str]:
        """Every URL that was asked for since this was last asked."""
        entries = [json.loads(entry["message"])["message"] for entry in self._ask("POST", "se/log", type="performance")]
        sent = [one["params"] for one in entries if one["method"] == "Network.requestWillBeSent"]
        ours = (one for one in sent if not one["documentURL"].startswith("chrome:"))  # its own first page is not
        return [one["request"]["url"] for one in ours]

    def _ask(self, method: str, path: str, **parameters: object) -> Any:
        return _answer(f"{self.session}/{path}", method, parameters)


@contextmanager
def browser(*, scripts: bool = True) -> Iterator[Browser]:
    """A fresh Chromium, with or without JavaScript; skips where there is none, fails under CI=true."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        absent("no chromium and chromedriver here; Debian has them as chromium and chromium-driver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, _driver(driver) as server:
        options: dict[str, object] = {
            "binary": chromium,
            "args": [*_FLAGS.split(), f"--user-data-dir={profile}", "about:blank"],
        }
        if not scripts:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "unhandledPromptBehavior": "ignore",
        }
        made = _answer(f"{server}/session", "POST", {"capabilities": {"alwaysMatch": wanted}})
        session = f"{server}/session/{made['sessionId']}"
        try:
            yield Browser(session=session)
        finally:
            _answer(session, "DELETE", {})


@contextmanager
def _driver(program: str) -> Iterator[str]:
    with subprocess.Popen([program, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = (re.search(r"successfully on port (\d+)", text) for text in process.stdout)
            port = next(found[1] for found in said if found)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _answer(url: str, method: str, parameters: dict[str, object]) -> Any:
    body = None if method == "DELETE" else json.dumps(parameters).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Plain())
    with direct.open(request, timeout=120) as response:
        answer = json.load(response)["value"]
    if isinstance(answer, dict) and "error" in answer:
        raise AssertionError(f"{answer['error']}: {answer['message']}")
    return answer


class _Plain(urllib.request.HTTPErrorProcessor):
    """An answer is an answer: WebDriver says in its body what went wrong."""

    def http_response(self, request: object, response: Any) -> Any:  # noqa: ARG002
        return response


def url_of(path: Path) -> str:
    """The file:// URL."""
    return path.resolve().as_uri()
