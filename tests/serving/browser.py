"""Chromium without a window, told what to do by its DevTools protocol over a pipe: no driver, no package.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """A browser with one page.

    Attributes
    ----------
    requested : list of str
        Every address that the page asked for.
    complaints : list of str
        What its console was told of errors.
    """

    def __init__(self, profile):
        to_browser, from_browser = os.pipe(), os.pipe()

        def as_it_expects():
            # Copies beyond 4 first: either may lie where the other has to be.
            ends = [os.dup2(to_browser[0], 20), os.dup2(from_browser[1], 21)]
            for number, end in zip((3, 4), ends, strict=True):
                os.dup2(end, number)

        options = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-sync"]
        options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # it refuses to start otherwise
        self._process = subprocess.Popen(
            [FOUND, *options, "about:blank"],
            preexec_fn=as_it_expects,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._to, self._from = os.fdopen(to_browser[1], "wb", 0), os.fdopen(from_browser[0], "rb")
        self._said, self._session, self._buffer = 0, None, b""
        self._loaded = 0
        self.requested, self.complaints = [], []
        targets = self.do("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.do("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method, **parameters):
        """Send a command and wait for what comes of it."""
        self._said += 1
        message = {"id": self._said, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (heard := self._hear()).get("id") != self._said:
            pass
        if "error" in heard:
            raise RuntimeError(f"{method}: {heard['error']}")
        return heard["result"]

    def open(self, url):
        """Open a page and wait until it is loaded."""
        before = self._loaded
        self.do("Page.navigate", url=url)
        while self._loaded == before:
            self._hear()

    def run(self, script):
        """What a script gives; a promise is waited for."""
        answer = self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def type(self, text):
        """Type into whatever has the focus, in place of what stands there."""
        self.run("document.activeElement.select?.()")
        self.do("Input.insertText", text=text)

    def click(self, selector):
        """Click in the middle of an element."""
        x, y = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def wait_for(self, script):
        """Wait until a script gives something; what that is. A test's own time limit ends it."""
        watched = f"""new Promise((done) => {{
            const look = () => {{
                const found = {script};
                if (found) {{ watch.disconnect(); done(found); }}
            }};
            const watch = new MutationObserver(look);
            watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            look();
        }})"""
        return self.run(watched)

    def screenshot(self, path, width=1280, height=900, dark=False):
        """A picture of the page."""
        scheme = "dark" if dark else "light"
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self):
        """End it."""
        for file in (self._to, self._from):
            file.close()
        self._process.terminate()
        self._process.wait(20)

    def _hear(self):
        while b"\0" not in self._buffer:
            piece = os.read(self._from.fileno(), 2**16)
            if not piece:
                raise RuntimeError("the browser ended")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        heard = json.loads(line)
        if heard.get("method") == "Network.requestWillBeSent":
            self.requested.append(heard["params"]["request"]["url"])
        elif heard.get("method") == "Page.loadEventFired":
            self._loaded += 1
        elif heard.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(heard["params"]["exceptionDetails"]["text"])
        elif heard.get("method") == "Log.entryAdded" and heard["params"]["entry"]["level"] == "error":
            self.complaints.append(heard["params"]["entry"]["text"])
        return heard
