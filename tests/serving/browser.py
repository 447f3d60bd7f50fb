"""Headless Chromium, driven through its DevTools protocol over a pipe; needs no driver and no package.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """A browser with one page.

    Parameters
    ----------
    profile : Path
        Folder for the browser's profile.

    Attributes
    ----------
    requested : list of str
        Every address that the page requested.
    errors : list of str
        Errors in the page's console.
    """

    def __init__(self, profile):
        to_browser, from_browser = os.pipe(), os.pipe()

        def connect_pipes():
            # Chromium reads commands from descriptor 3 and writes to 4. Duplicate both ends first, to unused numbers,
            # since either may have the number that the other needs.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 5) for end in (to_browser[0], from_browser[1])]
            for number, end in zip((3, 4), ends, strict=True):
                os.dup2(end, number)

        options = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-sync"]
        options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to start as root otherwise
        self._process = subprocess.Popen(
            [PROGRAM, *options, "about:blank"],
            preexec_fn=connect_pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._commands, self._messages = os.fdopen(to_browser[1], "wb", 0), os.fdopen(from_browser[0], "rb")
        self._last_id, self._session, self._buffer = 0, None, b""
        self._loaded_pages = 0
        self.requested, self.errors = [], []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Send a command and return its result."""
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while (message := self._receive()).get("id") != self._last_id:
            pass
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def open(self, url):
        """Open a page and wait until it is loaded."""
        before = self._loaded_pages
        self.send("Page.navigate", url=url)
        while self._loaded_pages == before:
            self._receive()

    def run(self, script):
        """Return the value of a script; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def type(self, text):
        """Replace the text of the focused field."""
        self.run("document.activeElement.select?.()")
        self.send("Input.insertText", text=text)

    def click(self, selector):
        """Click in the middle of an element."""
        x, y = self.run(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            " element.scrollIntoView({block: 'center'});"
            " const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def wait_for(self, script):
        """Wait until a script has a truthy value and return it; the test's time limit applies."""
        promise = f"""new Promise((done) => {{
            const check = () => {{
                const value = {script};
                if (value) {{ observer.disconnect(); done(value); }}
            }};
            const observer = new MutationObserver(check);
            observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            check();
        }})"""
        return self.run(promise)

    def screenshot(self, path, width=1280, height=900, dark=False):
        """Save a picture of the page."""
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self):
        """End the browser."""
        for file in (self._commands, self._messages):
            file.close()
        self._process.terminate()
        self._process.wait(20)

    def _receive(self):
        """Return the next message, and note requests, loaded pages and errors."""
        while b"\0" not in self._buffer:
            chunk = os.read(self._messages.fileno(), 2**16)
            if not chunk:
                raise RuntimeError("the browser ended")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(line)
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        elif message.get("method") == "Page.loadEventFired":
            self._loaded_pages += 1
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(message["params"]["exceptionDetails"]["text"])
        elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.errors.append(message["params"]["entry"]["text"])
        return message
