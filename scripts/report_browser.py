#!/usr/bin/env python3
"""Opens reports of `layersep report` in a headless Chromium, as their readers do.

    scripts/report_browser.py report.html [more.html ...] [--screenshots DIR] [--chromium PATH]

Fails on any message in the console, any page error, any request beyond the file itself, a chart that is not visible or lacks
curves, a picture that does not load, and a page that scrolls sideways at 360 pixels. Needs playwright for Python and Chromium.
"""

import argparse
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

# Name, width, height, colour scheme.
VIEWS = [
    ("desktop", 1280, 900, "light"),
    ("phone", 360, 740, "light"),
    ("dark", 1280, 900, "dark"),
]

# Everything that the page can be asked, in one go.
MEASURE = """() => {
  const visible = (element) => element.getClientRects().length > 0;
  const charts = [...document.querySelectorAll('.chart')].map((chart) => {
    const shown = [...chart.querySelectorAll('svg')].filter(visible);
    const box = shown.length ? shown[0].getBoundingClientRect() : { width: 0, height: 0 };
    const text = shown.length ? shown[0].querySelector('text') : null;
    return {
      id: chart.id,
      expected: Number(chart.dataset.curves),
      shown: shown.length,
      curves: shown.length ? shown[0].querySelectorAll('.curve').length : 0,
      width: box.width,
      height: box.height,
      textHeight: text ? text.getBoundingClientRect().height : 0,
      ink: text ? getComputedStyle(text).fill : '',
    };
  });
  const broken = [...document.images].filter((image) => !image.complete || image.naturalWidth === 0);
  return {
    charts,
    images: document.images.length,
    broken: broken.map((image) => image.alt),
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth: window.innerWidth,
    unnamed: [...document.querySelectorAll('img:not([alt]), [role="img"]:not([aria-label])')].length,
    scripts: document.scripts.length,
    headings: document.querySelectorAll('h1').length,
    lang: document.documentElement.lang,
  };
}"""


def faults(found):
    """What is wrong with the measures of a page, in words."""
    for chart in found["charts"]:
        name = chart["id"]
        if chart["shown"] != 1:
            yield f"{name}: {chart['shown']} drawings are visible, expected 1"
        if chart["expected"] < 1 or chart["curves"] != chart["expected"]:
            yield f"{name}: {chart['curves']} curves, expected {chart['expected']}"
        if chart["width"] < 280 or chart["height"] < 150:
            yield f"{name}: {chart['width']:.0f} × {chart['height']:.0f} pixels"
        if chart["textHeight"] < 10:
            yield f"{name}: text of {chart['textHeight']:.1f} pixels"
    if not found["charts"]:
        yield "there is no chart"
    for alt in found["broken"]:
        yield f"picture `{alt}` does not load"
    if found["scrollWidth"] > found["innerWidth"]:
        yield f"{found['scrollWidth']} pixels wide in a window of {found['innerWidth']}"
    if found["unnamed"]:
        yield f"{found['unnamed']} pictures have no text"
    if found["scripts"]:
        yield f"{found['scripts']} scripts"
    if found["headings"] != 1 or found["lang"] != "en":
        yield f"{found['headings']} main headings, language `{found['lang']}`"


def check(browser, path, view, screenshots):
    """Opens a report in one view; returns what is wrong."""
    name, width, height, scheme = view
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    wrong = []
    address = path.resolve().as_uri()
    page.on("console", lambda message: wrong.append(f"console: {message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))

    def note(request):
        if request.url != address and not request.url.startswith("data:"):
            wrong.append(f"request: {request.url}")

    page.on("request", note)
    page.goto(address, wait_until="load")
    found = page.evaluate(MEASURE)
    wrong.extend(faults(found))
    if screenshots:
        page.screenshot(path=screenshots / f"{path.resolve().parent.name}-{path.stem}-{name}.png", full_page=True)
    page.close()
    charts, curves = len(found["charts"]), sum(chart["curves"] for chart in found["charts"])
    print(f"{path} {name}: {charts} charts, {curves} curves, {found['images']} pictures, {len(wrong)} faults")
    return [f"{path} {name}: {fault}" for fault in wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"))
    args = parser.parse_args()
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Containers often run as root, where Chromium's own sandbox does not start.
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        wrong = [fault for path in args.reports for view in VIEWS for fault in check(browser, path, view, args.screenshots)]
        browser.close()
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
