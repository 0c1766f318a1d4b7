"""Look at an HTML file in headless Chromium, as a reader would: on a screen and a phone,
light and dark, with scripts and without. Prints what is wrong as JSON, one object for each
way of looking, and keeps screenshots.

    browse.py CHROMIUM PAGE.html SCREENSHOTS_DIR
"""

import base64
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import websocket

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]

# What is measured inside the page. Text is in its box where its own box is within the
# picture's, or the page's, to half a pixel.
CHECK = r"""(() => {
  const wrong = [], near = 0.75;
  const shown = element => element.getClientRects().length > 0;
  const name = text => JSON.stringify(text.trim().slice(0, 60));
  const pictures = [...document.querySelectorAll("svg")].filter(shown);
  for (const svg of pictures) {
    const title = svg.querySelector(":scope > title")?.textContent;
    const box = svg.getBoundingClientRect();
    if (!title || !svg.querySelector(":scope > desc")?.textContent) wrong.push("a picture without a name");
    if (box.width < 100 || box.height < 100) wrong.push(`${title}: ${box.width} x ${box.height}`);
    const marks = [...svg.querySelectorAll("rect")].filter(mark => {
      const { width, height } = mark.getBoundingClientRect();
      return width > 0 && height > 0;
    });
    if (marks.length < 3) wrong.push(`${title}: only ${marks.length} marks`);
    const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    if (texts.length < 3) wrong.push(`${title}: only ${texts.length} texts`);
    for (const [text, t] of texts) {
      if (t.left < box.left - near || t.right > box.right + near || t.top < box.top - near || t.bottom > box.bottom + near)
        wrong.push(`${title}: ${name(text)} leaves the picture`);
    }
    for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
      const [a, p] = texts[i], [b, q] = texts[j];
      const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (across > 1 && down > 3) wrong.push(`${title}: ${name(a)} and ${name(b)} overlap`);
    }
  }
  const page = document.scrollingElement;
  if (page.scrollWidth > innerWidth) wrong.push(`the page is ${page.scrollWidth} pixels wide of ${innerWidth}`);
  for (const element of document.querySelectorAll("h1,h2,h3,p,li,td,th,dt,dd,caption,figure,.scroll,.part")) {
    if (!shown(element)) continue;
    const box = element.getBoundingClientRect();
    const clipped = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline";
    if (box.right > innerWidth + near || box.left < -near || clipped)
      wrong.push(`${element.tagName} ${name(element.textContent)} leaves its box`);
  }
  return { wrong, pictures: pictures.length, height: page.scrollHeight, text: document.body.innerText };
})()"""

# What a reader does with the tables of classes, the lists of samples and the contents. Returns what is wrong, and leaves
# the page as it was but for the order of the classes.
USE = r"""(async () => {
  const wrong = [];
  for (const link of document.querySelectorAll(".toc a"))
    if (!document.querySelector(link.hash)) wrong.push(`no section ${link.hash}`);
  for (const details of document.querySelectorAll(".classes")) {
    const wasOpen = details.open, rows = () => [...details.querySelectorAll("tbody tr")];
    details.open = true;
    const number = cell => Number(cell.textContent.replace(/\u202f/g, "").replace("\u2212", "-"));
    const column = index => rows().map(row => number(row.cells[index])).filter(value => !isNaN(value));
    const before = rows().map(row => row.cells[0].textContent);
    for (const [clicks, sign] of [[1, -1], [1, 1]]) {
      for (let i = 0; i < clicks; i++) details.querySelectorAll("thead button")[2].click();
      const values = column(2);
      if (!values.every((value, i) => i === 0 || sign * (value - values[i - 1]) >= 0)) wrong.push("r is not sorted");
    }
    if (rows().length !== before.length) wrong.push("sorting loses rows");
    details.querySelectorAll("thead button")[0].click();
    const input = details.querySelector("input");
    if (!!input !== before.length > 10) wrong.push(`${before.length} rows and ${input ? "a" : "no"} filter`);
    if (input) {
      input.value = before[before.length - 1].toUpperCase();
      input.dispatchEvent(new Event("input"));
      const shown = rows().filter(row => row.getClientRects().length).map(row => row.cells[0].textContent);
      const isWanted = name => name.toUpperCase().includes(input.value);
      // Of very many classes only some are in the document before.
      if (!shown.every(isWanted) || !before.filter(isWanted).every(name => shown.includes(name)))
        wrong.push(`the filter shows ${shown} for ${input.value}`);
      input.value = "";
      input.dispatchEvent(new Event("input"));
      if (rows().length !== before.length) wrong.push("the filter does not end");
    }
    details.open = wasOpen;
  }
  for (const list of document.querySelectorAll(".samples > div")) {
    const buttons = list.querySelectorAll(".copy"), commands = list.querySelectorAll(".sql code");
    const rows = list.querySelectorAll("tbody tr").length;
    if (buttons.length !== rows || commands.length !== rows)
      wrong.push(`${rows} rows with ${buttons.length} buttons and ${commands.length} commands`);
  }
  const button = document.querySelector(".copy");
  if (button) {
    const command = document.querySelector(".samples .sql code").textContent;
    button.click();
    await new Promise(done => setTimeout(done, 100));
    const copied = await navigator.clipboard.readText();
    if (button.textContent !== "copied" || copied !== command) wrong.push(`${button.textContent}: ${copied} for ${command}`);
  }
  scrollTo(0, 0);
  return wrong;
})()"""


class Tab:
    """One page, spoken to over the DevTools protocol."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=60)
        self.count = 0
        self.events: list[dict] = []

    def call(self, method: str, **params: object) -> dict:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(json.loads(self.socket.recv()))


def look(tab: Tab, page: pathlib.Path, shot: pathlib.Path, width: int, scheme: str, scripts: bool) -> dict:
    tab.events.clear()
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    media = "print" if scheme == "print" else "screen"
    features = [{"name": "prefers-color-scheme", "value": "dark" if scheme == "dark" else "light"}]
    tab.call("Emulation.setEmulatedMedia", media=media, features=features)
    tab.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    tab.call("Page.navigate", url=page.as_uri())
    tab.wait("Page.loadEventFired")
    found = tab.call("Runtime.evaluate", expression=CHECK, returnByValue=True)
    if "exceptionDetails" in found:
        raise RuntimeError(found["exceptionDetails"])
    found = found["result"]["value"]
    if scripts and scheme != "print":
        hover(tab, found["wrong"])
        found["wrong"] += tab.call(
            "Runtime.evaluate", expression=USE, returnByValue=True, awaitPromise=True, userGesture=True
        )["result"]["value"]
    for event in tab.events:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded":
                found["wrong"].append(f"console: {json.dumps(params)[:300]}")
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith("file:"):
                found["wrong"].append(f"asked for {params['request']['url']}")
    clip = {"x": 0, "y": 0, "width": width, "height": found["height"], "scale": 1}
    picture = tab.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    shot.write_bytes(base64.b64decode(picture["data"]))
    return found


def hover(tab: Tab, wrong: list[str]) -> None:
    """A mark that is pointed at tells its number, inside the window."""
    marks = "[...document.querySelectorAll('svg rect')].filter(m => m.getClientRects().length && m.querySelector('title'))"
    place = f"""(() => {{
      const mark = {marks}[0];
      mark.scrollIntoView({{ block: "center" }});
      const box = mark.getBoundingClientRect();
      return [mark.querySelector('title').textContent, box.left + box.width / 2, box.top + box.height / 2];
    }})()"""
    tip, x, y = tab.call("Runtime.evaluate", expression=place, returnByValue=True)["result"]["value"]
    # The page has scrolled, and hides its tips when it learns of it.
    frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
    tab.call("Runtime.evaluate", expression=frames, awaitPromise=True)
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    seen = """(() => {
      const tip = document.getElementById("tip");
      if (!tip) return null;
      const box = tip.getBoundingClientRect();
      return [tip.textContent, box.left >= 0 && box.right <= innerWidth && box.top >= 0];
    })()"""
    shown = tab.call("Runtime.evaluate", expression=seen, returnByValue=True)["result"].get("value")
    if shown != [tip, True]:
        wrong.append(f"pointing at {tip!r} shows {shown!r}")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    tab.call("Runtime.evaluate", expression="scrollTo(0, 0)")


def main() -> None:
    chromium, page, shots = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3])
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [chromium, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = pathlib.Path(profile) / "DevToolsActivePort"
            for _ in range(600):
                if port.exists() and port.read_text().count("\n"):
                    break
                if browser.poll() is not None:
                    sys.exit(f"{chromium} ended with {browser.returncode}")
                time.sleep(0.1)
            number, path = port.read_text().split()
            whole = Tab(f"ws://127.0.0.1:{number}{path}")
            target = whole.call("Target.createTarget", url="about:blank")["targetId"]
            tab = Tab(f"ws://127.0.0.1:{number}/devtools/page/{target}")
            for domain in ["Page", "Runtime", "Log", "Network"]:
                tab.call(f"{domain}.enable")
            tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            ways = list(itertools.product([2560, 1280, 768, 390], ["light", "dark"], [True]))
            ways += [(1280, "light", False), (390, "dark", False), (718, "print", True)]
            for width, scheme, scripts in ways:
                way = f"{width}-{scheme}" + ("" if scripts else "-no-scripts")
                found = look(tab, page, shots / f"{way}.png", width, scheme, scripts)
                print(json.dumps({"way": way, **found}))
            whole.call("Browser.close")
            browser.wait(timeout=20)
        finally:
            if browser.poll() is None:
                browser.kill()
                browser.wait()


if __name__ == "__main__":
    main()
