"""Whether what the tool writes can be read: the contrast of all its text, by WCAG 2.2, level AA."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_page import OpenNotebook, press, rated, ready
from waiting import until

pytestmark = pytest.mark.browser

Open = Callable[..., OpenNotebook]
ZOO = [
    "import anomaly_zoo as az\ngalaxies = az.examples.zoo()\ngalaxies.catalog.table['same'] = 1.0",
    "session = az.Session(galaxies.features, galaxies.catalog, ratings={file!r}, rater='eve',"
    " encoder=az.encoders.Zoonet())",
    "tool = az.explore(session, {{'umap': galaxies.features.X[:, :2]}})\ntool",
]
# All text of the tool that can be seen, with its contrast and what it needs: 3 where it is large,
# else 4.5. The grounds under it are laid over each other; a picture may be white. What is
# disabled, and what is out of sight, need none.
CONTRASTS = """() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [a * r + (1 - a) * R, a * g + (1 - a) * G, a * b + (1 - a) * B, 1];
  const linear = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const WHITE = [255, 255, 255, 1];
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const pictured = at.matches(".az-frame, .az-thumb, .az-tip-frame") && at.querySelector("img");
      layers.push(pictured ? WHITE : rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), WHITE);
  };
  const found = [];
  const say = (node, text, style) => {
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const under = ground(node);
    let alpha = 1;
    for (let at = node; at; at = at.parentElement) alpha *= Number(getComputedStyle(at).opacity);
    if (!alpha) return;
    const ink = rgba(style.color);
    ink[3] *= alpha;
    const value = contrast(over(ink, under), under);
    found.push([text.trim().slice(0, 40), node.className || node.tagName,
      value, large ? 3 : 4.5]);
  };
  for (const node of document.querySelectorAll(".az-root, .az-root *")) {
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    if (!box.width || !box.height || style.visibility === "hidden") continue;
    if (node.closest(":disabled, svg, option, datalist, .az-pane")) continue;
    const own = [...node.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE);
    const text = own.map(({ data }) => data).join("").trim();
    if (text) say(node, text, style);
    else if (node.matches("select")) say(node, node.selectedOptions[0]?.textContent ?? "", style);
    else if (node.matches("input:not([type=range], [type=checkbox], [type=file])")) {
      if (node.value) say(node, node.value, style);
      else if (node.placeholder)
        say(node, node.placeholder, getComputedStyle(node, "::placeholder"));
    }
  }
  return found;
}"""


def faint(page: Any) -> set[tuple[Any, ...]]:
    """The text that cannot be read well."""
    said = page.evaluate(CONTRASTS)
    assert len(said) > 40
    return {tuple(line) for line in said if line[2] < line[3]}


def cut(page: Any, group: str, name: str) -> None:
    page.select_option(".az-drawer > select", json.dumps([group, name], separators=(",", ":")))
    until(lambda: "…" not in page.locator(".az-cut").last.inner_text())


@pytest.mark.parametrize("width", [1440, 1000])
def test_all_text_can_be_read(width: int, notebook: Open) -> None:
    opened = notebook("read.ipynb", [cell.format(file=f"read{width}.db") for cell in ZOO])
    page = opened.page
    page.set_viewport_size({"width": width, "height": 1000})
    ready(page)
    press(page, "012345")
    until(lambda: rated(page) == 6)
    page.wait_for_selector('.az-status[data-level="ready"]')
    assert faint(page) == set()

    # What the pointer brings up: tags and links over the picture, the card of the map.
    page.hover(".az-frame")
    page.keyboard.press("t")
    page.keyboard.type("ring")
    page.keyboard.press("Enter")
    page.wait_for_selector(".az-tagged")
    assert faint(page) == set()
    box = page.locator(".az-pane").bounding_box()
    for share in (0.5, 0.4, 0.6, 0.45, 0.55):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.wait_for_timeout(300)
        if page.locator(".az-tip").is_visible():
            break
    assert page.locator(".az-tip").is_visible()
    assert faint(page) == set()

    # Words and their offers, cuts of each kind, a limit, what is wrong, the legend, the rated.
    page.click("text=Cuts")
    for group, name in (
        ("columns", "truth_magnitude"),
        ("columns", "kind"),
        ("columns", "same"),
        ("votes", "has-spiral-arms"),
    ):
        cut(page, group, name)
    page.locator(".az-mapbar select").first.select_option("column:kind")
    page.wait_for_selector(".az-kind")
    page.click(".az-words")
    page.keyboard.type("near #r")
    page.wait_for_selector(".az-offer")
    page.keyboard.press("ArrowDown")
    assert faint(page) == set()
    page.keyboard.press("Tab")
    page.click(".az-find >> text=Limit")
    page.wait_for_selector(".az-kept:has-text('limited to')")
    page.click('.az-gallery [data-tab="rated"]')
    page.wait_for_selector(".az-thumb .az-badge:not(:empty)")
    page.locator(".az-thumb").first.click(modifiers=["Shift"])
    assert faint(page) == set()
    page.locator(".az-words").fill("colour > 3")
    page.wait_for_selector(".az-count.az-wrong")
    page.click('.az-gallery [data-tab="found"]')
    page.wait_for_selector(".az-empty")
    assert faint(page) == set()
    dim = "document.querySelector('.az-root').style.setProperty('--az-dim', '#4a5468')"
    page.evaluate(dim)
    assert faint(page), "faint text is found where there is some"
    assert opened.problems == []
