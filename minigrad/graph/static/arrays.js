// Arrays that can be seen, and where a cell came from.
const held = new Map();
function numbersOf(key) {  // Float32Array of a whole array, or null
  if (!key || !data.arrays[key] || !data.arrays[key].data) return null;
  if (!held.has(key)) held.set(key, decoded(data.arrays[key].data));
  return held.get(key);
}
const decoded = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const sizeOf = shape => shape.reduce((a, b) => a * b, 1);
const short = v => !Number.isFinite(v) ? String(v) : v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(3));
const signed = v => (v < 0 ? "−" : v > 0 ? "+" : "") + short(Math.abs(v));
const shapeText = s => s.length === 0 ? "scalar" : s.length === 1 ? `(${s[0]})` : s.join("×");
function placeOf(shape, flat) { const at = []; for (let i = shape.length - 1; i >= 0; i--) { at[i] = flat % shape[i]; flat = Math.floor(flat / shape[i]); } return at; }
function flatOf(shape, at) { let f = 0; for (let i = 0; i < shape.length; i++) f = f * shape[i] + at[i]; return f; }
function tint(v, most) {  // blue for negative, white at zero, orange for positive: their lightness differs from white's alike
  if (!Number.isFinite(v)) return [201, 42, 42];
  const t = most ? Math.max(-1, Math.min(1, v / most)) : 0, end = t < 0 ? [25, 95, 170] : [214, 90, 8], s = Math.abs(t) ** 0.8;
  return end.map(c => Math.round(250 + (c - 250) * s));
}
const css = rgb => `rgb(${rgb.join(",")})`;
function el(tag, attributes = {}, ...content) {
  const found = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) if (k.startsWith("on")) found.addEventListener(k.slice(2), v); else if (v !== null) found.setAttribute(k, v);
  found.append(...content);
  return found;
}

// The array `key` as it is best seen. pick(flat) is called for a cell that is clicked; marks: the cells that are outlined.
function seen(key, {pick = null, marks = null, chosen = null} = {}) {
  const known = data.arrays[key], box = el("div", {class: "array"});
  if (!known) { box.append(el("span", {class: "hint"}, say("unknown"))); return box; }
  const whole = numbersOf(key), most = Math.max(Math.abs(known.low), Math.abs(known.high)), shape = known.shape;
  box.dataset.key = key;
  const cols = shape.length ? shape.at(-1) : 1, rows = shape.length > 1 ? shape.at(-2) : 1;
  if (whole && sizeOf(shape) === 1) {
    box.dataset.as = "number";
    const b = el("button", {class: "scalar" + (marks && marks.has(0) ? " mark" : ""), "aria-label": signed(whole[0])}, signed(whole[0]));
    if (pick) b.addEventListener("click", () => pick(0));
    box.append(b);
    return box;
  }
  if (whole && sizeOf(shape) <= 144 && cols <= 12) { box.dataset.as = "numbers"; box.append(table(whole, shape, most, pick, marks, chosen)); return box; }
  const source = whole ? {values: whole, shape} : {values: decoded(known.small.data), shape: known.small.shape};
  const flat = !whole ? source.shape.at(-2) === 1 : rows < 2 || cols < 2 || shape.length < 2;
  if (flat) {
    box.dataset.as = "strip";
    const n = sizeOf(source.shape);
    box.append(picture(source.values, 0, Math.ceil(n / Math.min(n, 128)), Math.min(n, 128), n, most, whole && pick, marks, 0, 300, chosen));
  } else {
    const high = source.shape.at(-2), wide = source.shape.at(-1), count = sizeOf(source.shape) / (high * wide);
    const kernels = high <= 7 && wide <= 7;
    box.dataset.as = kernels ? "kernels" : "maps";
    const wanted = new Set(marks ? [...marks].map(i => Math.floor(i / (high * wide))) : []);
    if (chosen !== null) wanted.add(Math.floor(chosen / (high * wide)));
    let most_ = kernels ? 48 : 16, drawn = 0;
    const grid = el("div", {class: "maps"}), side = kernels ? 9 * Math.max(high, wide) : count === 1 ? 240 : count <= 6 ? 100 : 72;
    for (let m = 0; m < count; m++) {
      if (drawn >= most_ && !wanted.has(m)) continue;
      drawn++;
      grid.append(picture(source.values, m * high * wide, high, wide, high * wide, most, whole && pick, marks, m, side, chosen));
    }
    box.append(grid);
    if (drawn < count) box.append(el("span", {class: "hint"}, `${drawn} / ${count}`));
  }
  box.append(scale(known, most));
  if (!whole) box.append(histogram(known), el("p", {class: "hint"}, say("tooLarge")));
  else if (flat) box.append(histogram(known, whole));
  return box;
}
function table(values, shape, most, pick, marks, chosen) {
  const cols = shape.at(-1), rows = sizeOf(shape) / cols, out = el("table", {class: "numbers"});
  for (let r = 0; r < rows; r++) {
    const tr = el("tr", r && shape.length > 2 && r % shape.at(-2) === 0 ? {class: "apart"} : {});
    for (let c = 0; c < cols; c++) {
      const i = r * cols + c, rgb = tint(values[i], most), td = el("td", {class: (marks && marks.has(i) ? "mark" : "") + (chosen === i ? " chosen" : "")});
      const b = el(pick ? "button" : "span", {style: `background:${css(rgb)}`, "aria-label": `${placeOf(shape, i).join(", ")}: ${signed(values[i])}`}, signed(values[i]));
      if (rgb[0] + rgb[1] + rgb[2] < 380) b.style.color = "#fff";
      if (pick) b.addEventListener("click", () => pick(i));
      td.append(b); tr.append(td);
    }
    out.append(tr);
  }
  return out;
}
function picture(values, from, rows, cols, n, most, pick, marks, number, side, chosen) {
  const cell = Math.max(1, Math.floor(side / Math.max(cols, rows === 1 ? cols : rows))), tall = rows === 1 ? Math.max(cell, 18) : cell;
  const canvas = el("canvas", {width: cols * cell, height: rows * tall, role: "img", "aria-label": `${number}: ${rows}×${cols}`});
  const pen = canvas.getContext("2d");
  for (let i = 0; i < n; i++) { pen.fillStyle = css(tint(values[from + i], most)); pen.fillRect((i % cols) * cell, Math.floor(i / cols) * tall, cell, tall); }
  const outline = (i, colour, wide) => { pen.strokeStyle = colour; pen.lineWidth = wide; pen.strokeRect((i % cols) * cell + wide / 2, Math.floor(i / cols) * tall + wide / 2, Math.max(cell - wide, 1), Math.max(tall - wide, 1)); };
  if (marks) for (const i of marks) if (i >= from && i < from + n) outline(i - from, "#0b7a3b", cell > 5 ? 2 : 1);
  if (chosen !== null && chosen >= from && chosen < from + n) outline(chosen - from, "#a61e4d", cell > 5 ? 3 : 2);
  const where = event => {
    const r = canvas.getBoundingClientRect();
    const c = Math.floor((event.clientX - r.left) / r.width * cols), row = Math.floor((event.clientY - r.top) / r.height * rows), i = row * cols + c;
    return c >= 0 && c < cols && i >= 0 && i < n ? from + i : null;
  };
  canvas.addEventListener("pointermove", event => { const i = where(event); if (i !== null) canvas.title = signed(values[i]); });
  if (pick) { canvas.classList.add("pick"); canvas.addEventListener("click", event => { const i = where(event); if (i !== null) pick(i); }); }
  return canvas;
}
function scale(known, most) {
  const bar = el("span", {class: "bar"});
  bar.style.background = `linear-gradient(to right, ${[-1, -0.5, 0, 0.5, 1].map(t => css(tint(t * (most || 1), most || 1))).join(",")})`;
  return el("div", {class: "scale"}, signed(-most), bar, signed(most), el("span", {class: "hint"}, ` ${short(known.low)} … ${short(known.high)}, mean ${short(known.mean)}${known.odd ? `, NaN/inf ×${known.odd}` : ""}`));
}
function histogram(known, values = null) {
  let counts = known.counts;
  if (!counts) { counts = new Array(24).fill(0); const wide = known.high - known.low || 1; for (const v of values) if (Number.isFinite(v)) counts[Math.min(23, Math.floor((v - known.low) / wide * 24))]++; }
  const most = Math.max(...counts, 1), out = el("div", {class: "histogram", role: "img", "aria-label": `histogram from ${short(known.low)} to ${short(known.high)}`});
  for (const n of counts) { const bar = el("i"); bar.style.height = `${n ? Math.max(2, n / most * 36) : 0}px`; out.append(bar); }
  return out;
}

// Where a cell of the result came from: {from: [[argument, key, Set of cells], ...], sum: text}; null if the page cannot tell.
function origin(box, flat) {
  const known = box.arrays, op = box.op, given = new Map((known.operands || []).map(([n, k]) => [n, k]));
  const A = name => { const k = given.get(name); return k && numbersOf(k) ? {key: k, v: numbersOf(k), shape: data.arrays[k].shape} : null; };
  const out = {key: known.results[0], v: numbersOf(known.results[0]), shape: (data.arrays[known.results[0]] || {shape: []}).shape}, at = placeOf(out.shape, flat);
  if (!out.v) return null;
  const terms = new Terms(), how = known.how || {};
  if (op === "conv") {
    const x = A("x"), w = A("w"), b = A("bias");
    if (!x || !w) return null;
    eachTap(x, w, how, at, (i, j) => terms.product("x", x, i, "w", w, j));
    if (b) terms.plain("bias", b, at[1]);
    return terms.done(out.v[flat]);
  }
  if (op === "max_pool" || op === "avg_pool") {
    const x = A("x");
    if (!x) return null;
    const cells = [...windowCells(x.shape, how, at, how.kernel)];
    for (const i of cells) terms.plain("x", x, i);
    return op === "max_pool" ? terms.done(out.v[flat], say("maximum")) : terms.done(out.v[flat], "", how.divisor || sizeOf(how.kernel));
  }
  if (op === "linear") {
    const x = A("input"), w = A("weight"), b = A("bias"), n = w && w.shape[1];
    if (!x || !w) return null;
    const row = Math.floor(flat / w.shape[0]), o = flat % w.shape[0];
    for (let k = 0; k < n; k++) terms.product("input", x, row * n + k, "weight", w, o * n + k);
    if (b) terms.plain("bias", b, o);
    return terms.done(out.v[flat]);
  }
  if (op === "matmul") {
    const a = A("input"), b = A("other");
    if (!a || !b || a.shape.length < 2 || b.shape.length < 2) return null;
    const n = a.shape.at(-1), m = b.shape.at(-1), i = at.at(-2), j = at.at(-1);
    const pa = stretched(a.shape.slice(0, -2), at.slice(0, -2)) * a.shape.at(-2) * n, pb = stretched(b.shape.slice(0, -2), at.slice(0, -2)) * n * m;
    for (let k = 0; k < n; k++) terms.product("input", a, pa + i * n + k, "other", b, pb + k * m + j);
    return terms.done(out.v[flat]);
  }
  if (op === "softmax" || op === "log_softmax") {
    const x = A("input"), d = how.dim < 0 ? how.dim + out.shape.length : how.dim;
    if (!x || d === undefined) return null;
    const line = along(x.shape, at, d), top = Math.max(...line.map(i => x.v[i])), sum = line.reduce((s, i) => s + Math.exp(x.v[i] - top), 0);
    const parts = line.map(i => `e^${short(x.v[i])}`);
    const all = parts.length > 6 ? parts.slice(0, 5).join(" + ") + ` + … (${parts.length})` : parts.join(" + ");
    const text = op === "softmax" ? `e^${short(x.v[flat])} / (${all}) = ${short(Math.exp(x.v[flat] - top) / sum)}` : `${short(x.v[flat])} − log(${all}) = ${short(x.v[flat] - top - Math.log(sum))}`;
    return {from: [["input", x.key, new Set(line)]], sum: text, total: op === "softmax" ? Math.exp(x.v[flat] - top) / sum : x.v[flat] - top - Math.log(sum)};
  }
  if (op === "nll") {
    const x = A("input"), t = A("index"), s = A("scale");
    if (!x || !t || x.shape.length !== 2) return null;
    const each = out.shape.length ? [flat] : [...t.v.keys()];
    for (const n of each) { const c = t.v[n]; if (c < 0 || c >= x.shape[1]) continue; terms.scaled("input", x, n * x.shape[1] + c, -(s ? s.v[s.v.length === 1 ? 0 : Math.min(n, s.v.length - 1)] : 1)); }
    return terms.done(out.v[flat]);
  }
  return box.cellwise ? sameCells(known.operands || [], out, flat) : null;
}
// The same for a cell of a gradient that a step of backward hands on.
function gradientOrigin(box, step, outgoing, flat) {
  const known = box.arrays, op = box.op, given = new Map((known.operands || []).map(([n, k]) => [n, k])), how = known.how || {};
  const get = k => k && numbersOf(k) ? {key: k, v: numbersOf(k), shape: data.arrays[k].shape} : null;
  const A = name => get(given.get(name)), g = get(step.arrays[0]), d = get(outgoing.array), name = outgoing.argument;
  if (!g || !d) return null;
  const terms = new Terms(), at = placeOf(d.shape, flat);
  if (op === "conv") {
    const x = A("x"), w = A("w");
    if (!x || !w) return null;
    if (name === "bias") { const per = sizeOf(g.shape.slice(2)); for (let n = 0; n < g.shape[0]; n++) for (let i = 0; i < per; i++) terms.plain("g", g, (n * g.shape[1] + flat) * per + i); return terms.done(d.v[flat]); }
    const groups = x.shape[1] / w.shape[1], per = w.shape[0] / groups;
    for (let f = 0; f < g.v.length; f++) {  // every cell of the result that this cell had a part in
      const o = placeOf(g.shape, f);
      if (name === "x" && o[0] !== at[0]) continue;
      if (name === "w" && o[1] !== at[0]) continue;
      const place = name === "x" ? at.slice(2) : null;
      if (name === "x") {
        if (Math.floor(at[1] / w.shape[1]) !== Math.floor(o[1] / per)) continue;
        const u = place.map((p, a) => (p - how.starts[a][o[2 + a]]) / how.dilation[a]);
        if (u.some((t, a) => t < 0 || t >= w.shape[2 + a] || t % 1)) continue;
        terms.product("g", g, f, "w", w, flatOf(w.shape, [o[1], at[1] % w.shape[1], ...u]));
      } else {
        const p = at.slice(2).map((u, a) => how.starts[a][o[2 + a]] + u * how.dilation[a]);
        if (p.some((t, a) => t < 0 || t >= x.shape[2 + a])) continue;
        terms.product("g", g, f, "x", x, flatOf(x.shape, [o[0], Math.floor(o[1] / per) * w.shape[1] + at[1], ...p]));
      }
    }
    return terms.done(d.v[flat]);
  }
  if (op === "max_pool" || op === "avg_pool") {
    const x = A("x"), lead = g.shape.length - how.starts.length;
    if (!x) return null;
    for (let f = 0; f < g.v.length; f++) {
      const o = placeOf(g.shape, f);
      if (o.slice(0, lead).some((v, i) => v !== at[i])) continue;
      const cells = [...windowCells(x.shape, how, o, how.kernel)];
      if (!cells.includes(flat)) continue;
      if (op === "avg_pool") terms.scaled("g", g, f, 1 / (how.divisor || sizeOf(how.kernel)));
      else if (cells.reduce((best, i) => x.v[i] > x.v[best] ? i : best, cells[0]) === flat) terms.plain("g", g, f);
    }
    return terms.done(d.v[flat]);
  }
  if (op === "linear") {
    const x = A("input"), w = A("weight"), n = w && w.shape[1], m = w && w.shape[0], rows = g.v.length / (m || 1);
    if (!w || !x) return null;
    if (name === "bias") for (let r = 0; r < rows; r++) terms.plain("g", g, r * m + flat);
    else if (name === "weight") for (let r = 0; r < rows; r++) terms.product("g", g, r * m + Math.floor(flat / n), "input", x, r * n + flat % n);
    else for (let o = 0; o < m; o++) terms.product("g", g, Math.floor(flat / n) * m + o, "weight", w, o * n + flat % n);
    return terms.done(d.v[flat]);
  }
  if (op === "matmul") {
    const a = A("input"), b = A("other");
    if (!a || !b || a.shape.length !== b.shape.length || a.shape.length < 2 || a.shape.slice(0, -2).join() !== b.shape.slice(0, -2).join()) return null;
    const p = a.shape.at(-2), n = a.shape.at(-1), m = b.shape.at(-1), batch = Math.floor(flat / (d.shape.at(-1) * d.shape.at(-2))), i = at.at(-2), j = at.at(-1);
    if (name === "input") for (let k = 0; k < m; k++) terms.product("g", g, batch * p * m + i * m + k, "other", b, batch * n * m + j * m + k);
    else for (let k = 0; k < p; k++) terms.product("g", g, batch * p * m + k * m + j, "input", a, batch * p * n + k * n + i);
    return terms.done(d.v[flat]);
  }
  if (op === "softmax" || op === "log_softmax") {
    const y = get(known.results[0]), axis = how.dim < 0 ? how.dim + d.shape.length : how.dim;
    if (!y || axis === undefined) return null;
    const line = along(d.shape, at, axis), p = i => op === "softmax" ? y.v[i] : Math.exp(y.v[i]);
    const sum = line.reduce((s, i) => s + g.v[i] * (op === "softmax" ? y.v[i] : 1), 0);
    const total = op === "softmax" ? y.v[flat] * (g.v[flat] - sum) : g.v[flat] - p(flat) * sum;
    const text = op === "softmax" ? `y · (g − Σ g·y) = ${short(y.v[flat])} · (${short(g.v[flat])} − ${short(sum)}) = ${short(total)}` : `g − e^y · Σ g = ${short(g.v[flat])} − ${short(p(flat))} · ${short(sum)} = ${short(total)}`;
    return {from: [["g", g.key, new Set(line)], ["y", y.key, new Set(line)]], sum: text, total};
  }
  if (op === "nll") {
    const x = A("input"), t = A("index"), s = A("scale");
    if (!t || !x || x.shape.length !== 2) return null;
    const n = at[0];
    if (t.v[n] === at[1]) terms.scaled("g", g, g.v.length === 1 ? 0 : n, -(s ? s.v[s.v.length === 1 ? 0 : Math.min(n, s.v.length - 1)] : 1));
    return terms.done(d.v[flat]);
  }
  return box.cellwise ? sameCells([["g", step.arrays[0]], ...(known.operands || [])], d, flat) : null;
}
class Terms {  // the terms of a sum, and the cells that they took
  constructor() { this.words = []; this.total = 0; this.cells = new Map(); this.keys = new Map(); }
  take(name, array, i) { if (!this.cells.has(name)) { this.cells.set(name, new Set()); this.keys.set(name, array.key); } this.cells.get(name).add(i); }
  product(p, a, i, q, b, j) { this.take(p, a, i); this.take(q, b, j); this.words.push(`${bracket(a.v[i])}·${bracket(b.v[j])}`); this.total += a.v[i] * b.v[j]; }
  plain(p, a, i) { this.take(p, a, i); this.words.push(bracket(a.v[i])); this.total += a.v[i]; }
  scaled(p, a, i, by) { this.take(p, a, i); this.words.push(`${bracket(by)}·${bracket(a.v[i])}`); this.total += by * a.v[i]; }
  done(result, before = "", divisor = 1) {
    const n = this.words.length, first = this.words.slice(0, n > 30 ? 24 : n).join(before ? ", " : " + "), more = n > 30 ? ` ${before ? "," : "+"} … (${n} ${say("products")})` : "";
    const inner = n ? first + more : "0", text = before ? `${before} ${inner}` : divisor !== 1 ? `(${inner}) / ${divisor}` : inner;
    return {from: [...this.cells].map(([name, cells]) => [name, this.keys.get(name), cells]), sum: `${text} = ${short(result)}`, total: before ? result : this.total / divisor};
  }
}
const bracket = v => v < 0 ? `(−${short(-v)})` : short(v);
function along(shape, at, d) { return Array.from({length: shape[d]}, (_, i) => flatOf(shape, at.map((v, a) => a === d ? i : v))); }
function stretched(shape, at) { const from = at.length - shape.length; return flatOf(shape, shape.map((n, i) => n === 1 ? 0 : at[from + i])); }
function* windowCells(shape, how, at, kernel) {
  const axes = kernel.length, lead = at.length - axes, u = new Array(axes).fill(0);
  for (let k = 0; k < sizeOf(kernel); k++) {
    const p = placeOf(kernel, k).map((v, a) => how.starts[a][at[lead + a]] + v * how.dilation[a]);
    if (p.every((v, a) => v >= 0 && v < shape[lead + a])) yield flatOf(shape, [...at.slice(0, lead), ...p]);
  }
}
function eachTap(x, w, how, at, tell) {
  const per = w.shape[0] / (x.shape[1] / w.shape[1]), base = Math.floor(at[1] / per) * w.shape[1], taps = w.shape.slice(2);
  for (let c = 0; c < w.shape[1]; c++) for (let k = 0; k < sizeOf(taps); k++) {
    const u = placeOf(taps, k), p = u.map((v, a) => how.starts[a][at[2 + a]] + v * how.dilation[a]);
    if (p.every((v, a) => v >= 0 && v < x.shape[2 + a])) tell(flatOf(x.shape, [at[0], base + c, ...p]), flatOf(w.shape, [at[1], c, ...u]));
  }
}
function sameCells(operands, out, flat) {  // ops that work cell by cell, with broadcasting
  const at = placeOf(out.shape, flat), from = [], words = [];
  for (const [name, key] of operands) {
    const known = data.arrays[key], v = numbersOf(key);
    if (!v) continue;
    const tail = out.shape.slice(out.shape.length - known.shape.length);
    if (known.shape.length > out.shape.length || known.shape.some((n, i) => n !== 1 && n !== tail[i])) return null;
    const i = stretched(known.shape, at);
    from.push([name, key, new Set([i])]); words.push(`${name} = ${short(v[i])}`);
  }
  return from.length ? {from, sum: `${words.join(", ")}  →  ${short(out.v[flat])}`, total: out.v[flat], same: true} : null;
}
