"""Chromium without a window, told what to do through a pipe (the DevTools protocol)."""

import base64
import json
import os
import shutil
import subprocess
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)
PROGRAM = next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """A page in Chromium, with what it asked for and what it complained about.

    Attributes
    ----------
    requests : list of str
        Addresses that the page asked for.
    complaints : list of str
        What came to the console, and exceptions.
    """

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        (theirs_in, self.out), (self.back, theirs_out) = os.pipe(), os.pipe()
        shell = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "bash", PROGRAM, *QUIET, f"--user-data-dir={self.folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.reader = os.fdopen(self.back, "rb")
        self.number, self.session = 0, None
        self.requests, self.complaints = [], []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "DOM", "Accessibility"):
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        """A command's result; what happens meanwhile is noted."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self.number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]

    def _next(self):
        letters = bytearray()
        while (letter := self.reader.read(1)) != b"\0":
            if not letter:
                raise RuntimeError("Chromium has ended")
            letters += letter
        told = json.loads(letters)
        kind, what = told.get("method"), told.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif kind == "Log.entryAdded":
            self.complaints.append(what["entry"]["text"])
        elif kind in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(what)[:500])
        return told

    def open(self, path, width=1200, height=900, dark=False):
        """Show a file, as wide and as bright as said."""
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[scheme])
        self("Page.navigate", url=path.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def size(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self("Emulation.setDeviceMetricsOverride", **metrics)

    def ask(self, expression):
        """The value of an expression of JavaScript in the page."""
        return self("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key, code=0, text=""):
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self("Input.dispatchKeyEvent", type="keyUp", **named)

    def print(self):
        """The page as PDF."""
        return base64.b64decode(self("Page.printToPDF", preferCSSPageSize=True)["data"])

    def close(self):
        self.session = None
        os.write(self.out, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        self.process.wait(timeout=20)
        self.reader.close()
        os.close(self.out)
        shutil.rmtree(self.folder, ignore_errors=True)
