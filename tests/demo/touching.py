"""What the tests of pages to touch do in a browser: press keys, point, move sliders, and look at what every page must have."""

from __future__ import annotations

KEY = """let clock = 0;  // frames as fast as they are drawn, each 16 ms after the one before
performance.now = () => clock; window.requestAnimationFrame = draw => setTimeout(() => draw(clock += 16));
const key = (e, k) => e.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
const point = (e, kind, x, y) => { const b = e.getBoundingClientRect(); e.dispatchEvent(new PointerEvent(kind, {clientX: b.left + x * b.width, clientY: b.top + y * b.height, bubbles: true, cancelable: true, buttons: 1})); };
const frames = async n => { for (let k = 0; k < n; k++) await new Promise(requestAnimationFrame); };
const rest = async () => { await frames(3); for (let n = 0; n < 3000 && (moves.playing || moves.t % 1); n++) await frames(1); };
const slide = (id, v) => { at(id).value = v; at(id).dispatchEvent(new Event("input")); };
if (root.lang !== "en") at("language").click();
const nameless = () => [...document.querySelectorAll("button, input, [tabindex]")].filter(b => !(b.textContent || b.ariaLabel || (b.labels && b.labels.length))).length;
const small = () => [...document.querySelectorAll("body *")].filter(e => e.childNodes.length && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.tagName !== "SCRIPT" && e.tagName !== "STYLE" && parseFloat(getComputedStyle(e).fontSize) < 12).length;
const face = () => { at("language").click(); const title = at("title").textContent, lang = root.lang; at("language").click();
  const before = getComputedStyle(document.body).backgroundColor; at("look").click(); const other = getComputedStyle(document.body).backgroundColor; at("look").click();
  return [lang, /[\\u3040-\\u30ff\\u4e00-\\u9fff]/.test(title), before !== other, nameless(), small(), root.scrollWidth <= innerWidth]; };
"""
FACE = [
    "ja",
    True,
    True,
    0,
    0,
    True,
]  # Japanese; light and dark; everything has a name; no type below 12 pixels; a telephone shows all of its width
