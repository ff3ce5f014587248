"""The page of `report` in a browser: keys, narrow windows, the dark, print, and no request.

Debian's packages are chromium and chromium-driver; without them the tests are skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routectl.report.page import render
from tests.report.pages import full_page

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DRIVER is None or BROWSER is None,
        reason="there is no Chromium with its driver: apt-get install chromium chromium-driver",
    ),
]

FLAGS = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium that keeps its console and its network's events."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options=options, service=Service(DRIVER)) as driver:
        yield driver


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Any:
    """The page, in a window of a desk, in the light."""
    path = tmp_path / "report.html"
    path.write_bytes(render(full_page()))
    look(browser, width=1200, scheme="light")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(path.as_uri())
    return browser


def look(browser: Any, *, width: int, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def said(browser: Any) -> list[str]:
    """The figures at the slider."""
    return [cell.text for cell in browser.find_elements("css selector", ".what-if dd")]


def slider(browser: Any) -> Any:
    return browser.find_element("css selector", "input[type=range]")


def test_the_page_loads_nothing_else_and_its_console_is_empty(opened: Any) -> None:
    slider(opened).send_keys("\ue014")
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    requested = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert requested == {opened.current_url}
    assert opened.get_log("browser") == []


def test_what_the_policy_does_not_allow_is_refused(opened: Any) -> None:
    """So that the test above could fail."""
    opened.execute_script("document.body.append(Object.assign(new Image(), {src: 'data:,'}))")
    opened.execute_script(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {text: 'document.title = `ran`'}))"
    )
    assert opened.title == full_page().title
    assert "Content Security Policy" in " ".join(
        entry["message"] for entry in opened.get_log("browser")
    )


def test_the_slider_is_moved_by_keys_and_its_figures_follow(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    curve = full_page().parts[0].sections[0].curve
    assert curve is not None
    assert curve.current is not None
    assert said(opened) == list(curve.rows[curve.current])
    handle = slider(opened)
    for keys, index in (
        (Keys.ARROW_RIGHT, curve.current + 1),
        (Keys.HOME, 0),
        (Keys.END, len(curve.rows) - 1),
    ):
        handle.send_keys(keys)
        assert said(opened) == list(curve.rows[index])
        spoken = handle.get_attribute("aria-valuetext")
        assert all(text in spoken for text in curve.rows[index])
    opened.find_element("css selector", ".what-if button").send_keys(Keys.ENTER)
    assert said(opened) == list(curve.rows[curve.current])


def test_the_tab_key_reaches_the_slider_and_shows_where_it_is(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    names = []
    for _ in range(12):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        names.append(opened.switch_to.active_element.tag_name)
        if names[-1] == "input":
            break
    assert names[0] == "a"
    assert names[-1] == "input"
    style = opened.switch_to.active_element.value_of_css_property("outline-style")
    assert style == "solid"


@pytest.mark.parametrize("width", [320, 360, 1200])
def test_the_page_is_never_wider_than_its_window(opened: Any, width: int) -> None:
    look(opened, width=width, scheme="light")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


CONTRASTS = """
const light = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const ground = (element) => {
  const own = getComputedStyle(element).backgroundColor;
  if (!/, 0\\)$/.test(own)) return own;
  return element.parentElement ? ground(element.parentElement) : "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *")]
  .filter((element) => [...element.childNodes].some(
    (node) => node.nodeType === 3 && node.textContent.trim()))
  .filter((element) => !["SCRIPT", "STYLE"].includes(element.tagName))
  .map((element) => {
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement ? style.fill : style.color;
    const [high, low] = [light(drawn), light(ground(element))].sort((a, b) => b - a);
    return [element.tagName + " " + element.textContent.trim().slice(0, 20),
            (high + 0.05) / (low + 0.05)];
  });
"""
"""Of every element with a text of its own, by the formula of WCAG 2."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(opened: Any, scheme: str) -> None:
    look(opened, width=1200, scheme=scheme)
    contrasts = opened.execute_script(CONTRASTS)
    assert len(contrasts) > 40
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    ground = opened.find_element("css selector", "body").value_of_css_property("background-color")
    is_dark = sum(int(part) for part in ground.strip("rgba()").split(",")[:3]) < 300
    assert is_dark == (scheme == "dark")


def test_print_has_every_section_and_no_slider(opened: Any) -> None:
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for heading in opened.find_elements("css selector", "h2, h3"):
        assert heading.is_displayed(), heading.text
    tables = opened.find_elements("css selector", "table")
    assert len(tables) == 2
    assert all(table.is_displayed() for table in tables)
    assert not slider(opened).is_displayed()
    printed = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 1
