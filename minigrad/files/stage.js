"use strict";  // what the pages share: words in two languages, light and dark, arrays as heat maps, a player
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id), root = document.documentElement;
const make = (tag, text = "", set = {}) => { const e = document.createElement(tag); e.textContent = text; for (const [k, v] of Object.entries(set)) e.setAttribute(k, v); return e; };
const sum = list => list.reduce((a, b) => a + b, 0), clamp = (v, low, high) => Math.min(Math.max(v, low), high);
const range = n => Array.from({ length: n }, (_, i) => i);
const short = (v, digits = 2) => (Math.abs(v) < 0.5 * 10 ** -digits ? "0" : String(+v.toFixed(digits))).replace("-", "−");
const percent = x => (100 * x).toFixed(1) + " %";

let language = navigator.language.startsWith("ja") ? "ja" : "en", shared = null;
const say = () => shared.words[language], named = name => typeof name === "string" ? name : name[language];

/** Start a page: `words` has a dictionary for "en" and "ja", `draw` shows the page as it is now. Elements with data-word and data-label take the words of that key. */
function stage(words, draw) {
  shared = { words, draw };
  at("language").onclick = () => { language = language === "ja" ? "en" : "ja"; redraw(); };
  at("look").onclick = () => { root.classList.toggle("dark"); redraw(); };
  if (matchMedia("(prefers-color-scheme: dark)").matches) root.classList.add("dark");
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
  redraw();
}
function redraw() {
  root.lang = language;
  const words = say();
  at("title").textContent = data.title || words.title;
  if (words.summary && typeof words.summary === "string") at("summary").textContent = words.summary;
  at("language").textContent = language === "ja" ? "English" : "日本語"; at("language").lang = language === "ja" ? "en" : "ja";
  at("look").setAttribute("aria-label", language === "ja" ? "暗い配色・明るい配色" : "dark or light");
  for (const e of document.querySelectorAll("[data-word]")) e.textContent = words[e.dataset.word];
  for (const e of document.querySelectorAll("[data-label]")) e.setAttribute("aria-label", words[e.dataset.label]);
  palette = null;
  shared.draw();
}

/** Numbers that came as the base64 of little-endian float32, float64 or int8. */
function unpacked(text, Kind = Float32Array) {
  return new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
}

let palette = null;
function colours() {  // as [r, g, b]
  if (!palette) {
    const style = getComputedStyle(root), of = name => [1, 3, 5].map(k => parseInt(style.getPropertyValue(name).trim().slice(k, k + 2), 16));
    palette = { ink: of("--ink"), paper: of("--paper"), right: of("--right"), wrong: of("--wrong"), below: of("--right"), above: of("--wrong"), line: of("--line"), bar: of("--bar"), mark: of("--mark"), grey: of("--grey") };
  }
  return palette;
}
const mixed = (a, b, t) => a.map((v, k) => Math.round(v + (b[k] - v) * t)), rgb = c => `rgb(${c.join(",")})`;
/** "ink": from 0 (paper) to 1 (ink). "signed": from -1 (blue) over 0 (paper) to 1 (red), as in all pictures. */
function colour(v, kind) {
  const c = colours();
  return kind === "signed" ? mixed(c.paper, v < 0 ? c.below : c.above, Math.min(Math.abs(v), 1)) : mixed(c.paper, c.ink, clamp(v, 0, 1));
}
const bright = c => 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2] > 140;

/** One cell of that colour, with a text where there is room for it. */
function square(context, x, y, side, fill, text = "") {
  context.fillStyle = rgb(fill); context.fillRect(x, y, side, side);
  if (!text || side < 22) return;
  context.textAlign = "center"; context.textBaseline = "middle";
  context.fillStyle = bright(fill) ? "#111820" : "#ffffff";
  context.font = `${clamp(Math.min(side * 0.36, side * 1.55 / text.length), 12, 19)}px system-ui, sans-serif`;
  context.fillText(text, x + side / 2, y + side / 2 + 1, side - 2);  // narrowed, where it is wider than the cell
}
/** The context of a canvas of that size in CSS pixels, sharp on any screen. */
function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1, context = canvas.getContext("2d");
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  context.scale(ratio, ratio);
  return context;
}
/**
 * Draw `values` (row after row) as coloured cells that fill the width which CSS gives the canvas.
 * rows, columns; kind; scale: the value of the strongest colour (default: the largest magnitude); numbers: write them where there is room;
 * shown(i, j): false for a cell that is not known yet; inside(i, j): false for padding; boxes: {top, left, height, width, name, thick, dash}.
 */
function heat(canvas, values, { rows, columns, kind = "ink", scale, numbers = false, shown, inside, boxes = [], digits = 2 }) {
  canvas.classList.add("heat");
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  const width = Math.max(canvas.clientWidth, 1), cell = width / columns, context = sized(canvas, width, cell * rows);
  canvas.cells = { rows, columns };
  const c = colours(), most = scale || Math.max(1e-12, ...Array.from(values, Math.abs));
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
    const x = j * cell, y = i * cell, v = values[i * columns + j], gap = cell > 9 ? 0.5 : 0;
    if (shown && !shown(i, j)) {
      context.fillStyle = rgb(c.bar); context.fillRect(x, y, cell - gap, cell - gap);
      continue;
    }
    const padding = inside && !inside(i, j), fill = padding ? mixed(c.paper, c.mark, 0.16) : colour(v / most, kind);
    square(context, x, y, cell - gap + (gap ? 0 : 0.4), fill, numbers ? short(v, digits) : "");
  }
  context.strokeStyle = rgb(c.line); context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, width - 1, cell * rows - 1);
  for (const box of boxes) {
    context.strokeStyle = rgb(c[box.name || "mark"]); context.lineWidth = box.thick || 3;
    context.setLineDash(box.dash ? [4, 3] : []);
    const inset = context.lineWidth / 2;
    context.strokeRect(box.left * cell + inset, box.top * cell + inset, box.width * cell - 2 * inset, box.height * cell - 2 * inset);
  }
}
/** Fill a canvas with one dot for each value; CSS makes the dots larger (`image-rendering: pixelated`). */
function dots(canvas, values, rows, columns, kind = "ink", scale = 1) {
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
  values.forEach((v, k) => pixels.data.set([...colour(v / scale, kind), 255], 4 * k));
  context.putImageData(pixels, 0, 0);
}
/** A small picture of an image for a button. */
function thumbnail(values, rows, columns) {
  const canvas = make("canvas", "", { class: "thumb", "aria-hidden": "true" });
  dots(canvas, values, rows, columns);
  return canvas;
}
/** The cell [row, column] of a canvas drawn by `heat` that is under the pointer; it may lie outside. */
function under(canvas, event) {
  const box = canvas.getBoundingClientRect(), { rows, columns } = canvas.cells;
  return [(event.clientY - box.top) / box.height * rows, (event.clientX - box.left) / box.width * columns];
}
/** Call `to(row, column)` with the place under the pointer when it is pressed and while it is dragged, and `by(rows, columns)` for arrow keys. */
function dragged(canvas, to, by) {
  let down = false;
  canvas.addEventListener("pointerdown", e => { down = true; if (e.isTrusted) canvas.setPointerCapture(e.pointerId); canvas.focus(); to(...under(canvas, e), e); e.preventDefault(); });
  canvas.addEventListener("pointermove", e => { if (down) to(...under(canvas, e), e); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { down = false; });
  if (by) canvas.addEventListener("keydown", e => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (step) { e.preventDefault(); by(...step); }
  });
}
/** Buttons of which one is pressed: `items` are [value, text or element, name]. */
function choices(box, items, chosen, choose) {
  const place = [...box.children].indexOf(document.activeElement);
  box.setAttribute("role", "group");
  box.replaceChildren(...items.map(([value, text, name]) => {
    const b = make("button", typeof text === "string" ? text : "", { "aria-pressed": value === chosen, ...(name ? { "aria-label": name, title: name } : {}) });
    if (typeof text !== "string") b.append(text);
    b.onclick = () => choose(value);
    return b;
  }));
  if (place >= 0 && box.children[place]) box.children[place].focus();
}
/** Back, play, forward and a slider from 0 to `last`; show(t) is called with t between whole steps while it plays, of which `rate` pass in a second. */
function player(box, last, show, rate = 2, label = t => t) {
  const back = make("button", "‹"), play = make("button", "▶"), on = make("button", "›"), slider = make("input", "", { type: "range", min: 0, step: 1 });
  box.classList.add("player"); box.replaceChildren(back, play, on, slider);
  const self = { t: 0, last, rate, playing: false };
  let goal = 0, before = 0, turn = 0, stepping = false;  // stepping: on the way to the next step, to which › was pressed
  const set = t => {
    self.t = clamp(t, 0, self.last);
    slider.max = self.last; slider.value = Math.round(self.t); slider.setAttribute("aria-valuetext", label(Math.round(self.t)));
    back.disabled = self.t <= 0; on.disabled = self.t >= self.last;
    show(self.t);
  };
  const look = () => {
    const ja = language === "ja", name = (b, text) => { b.setAttribute("aria-label", text); b.title = text; };
    name(back, ja ? "1つ戻る" : "one step back"); name(on, ja ? "1つ進む" : "one step on"); slider.setAttribute("aria-label", ja ? "位置" : "position");
    name(play, self.playing ? (ja ? "止める" : "pause") : (ja ? "再生" : "play")); play.textContent = self.playing ? "❚❚" : "▶";
  };
  const frame = (now, mine) => {
    if (mine !== turn) return;  // something else was asked for meanwhile
    const t = Math.min(self.t + (now - before) / 1000 * self.rate, goal);
    before = now;
    if (t >= goal) { self.playing = stepping = false; look(); }
    set(t);
    if (t < goal) requestAnimationFrame(next => frame(next, mine));
  };
  const run = to => { const mine = ++turn; goal = to; before = performance.now(); requestAnimationFrame(now => frame(now, mine)); };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  self.pause = () => { self.playing = stepping = false; turn++; look(); };
  self.set = t => { self.pause(); set(t); };
  self.look = look;
  back.onclick = () => self.set(Math.ceil(self.t) - 1);
  on.onclick = () => {  // pressed on the way, it ends that step and goes on to the one after
    const ended = stepping, from = ended ? goal : Math.floor(self.t);
    self.pause();
    if (still) set(from + 1);
    else {
      if (ended) set(from);
      if (from < self.last) { stepping = true; run(from + 1); }
    }
  };
  play.onclick = () => {
    if (self.playing) return self.pause();
    if (self.t >= self.last) set(0);
    self.playing = true; look(); run(self.last);
  };
  slider.oninput = () => self.set(+slider.value);
  look();
  return self;
}
