// Arrays that can be seen, and where a cell came from.
const held = new Map();
function numbersOf(key) {  // Float32Array of a whole array, or null
  if (!key || !data.arrays[key] || !data.arrays[key].data) return null;
  if (!held.has(key)) held.set(key, decoded(data.arrays[key].data));
  return held.get(key);
}
const decoded = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const sizeOf = shape => shape.reduce((a, b) => a * b, 1);
const short = v => (v === 0 ? "0" : Number.isFinite(v) && (Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3) ? v.toExponential(1) : String(+v.toPrecision(3))).replace(/-/g, "−");
const signed = v => (v < 0 ? "−" : v > 0 ? "+" : "") + short(Math.abs(v));
const shapeText = s => s.length === 0 ? say("scalar") : s.length === 1 ? `(${s[0]})` : s.join("×");
function placeOf(shape, flat) { const at = []; for (let i = shape.length - 1; i >= 0; i--) { at[i] = flat % shape[i]; flat = Math.floor(flat / shape[i]); } return at; }
function flatOf(shape, at) { let f = 0; for (let i = 0; i < shape.length; i++) f = f * shape[i] + at[i]; return f; }
function tint(v, most) {  // as in all pictures: blue for negative, white at zero, red for positive; their lightness differs from white's alike
  if (!Number.isFinite(v)) return [250, 204, 21];
  const t = most ? Math.max(-1, Math.min(1, v / most)) : 0, end = t < 0 ? [25, 95, 170] : [190, 45, 28], s = Math.abs(t) ** 0.8;
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
  if (!sizeOf(shape)) { box.append(el("span", {class: "hint"}, "∅")); return box; }
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
  if (marks) {  // the outline of each group of marked cells, so that their colours are seen
    const has = i => marks.has(from + i), thick = cell > 5 ? 2 : 1;
    pen.fillStyle = "#0b7a3b";
    for (const k of marks) if (k >= from && k < from + n) {
      const i = k - from, c = i % cols, x = c * cell, y = Math.floor(i / cols) * tall;
      if (!c || !has(i - 1)) pen.fillRect(x, y, thick, tall);
      if (c === cols - 1 || !has(i + 1)) pen.fillRect(x + cell - thick, y, thick, tall);
      if (i < cols || !has(i - cols)) pen.fillRect(x, y, cell, thick);
      if (i + cols >= n || !has(i + cols)) pen.fillRect(x, y + tall - thick, cell, thick);
    }
  }
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
  return el("div", {class: "scale"}, signed(-most), bar, signed(most), el("span", {class: "hint"}, ` ${short(known.low)} … ${short(known.high)}, ${say("mean")} ${short(known.mean)}${known.odd ? `, NaN/inf ×${known.odd}` : ""}`));
}
function histogram(known, values = null) {
  let counts = known.counts;
  if (!counts) { counts = new Array(24).fill(0); const wide = known.high - known.low || 1; for (const v of values) if (Number.isFinite(v)) counts[Math.min(23, Math.floor((v - known.low) / wide * 24))]++; }
  const most = Math.max(...counts, 1), out = el("div", {class: "histogram", role: "img", "aria-label": `${say("histogram")} ${short(known.low)} … ${short(known.high)}`});
  for (const n of counts) { const bar = el("i"); bar.style.height = `${n ? Math.max(2, n / most * 36) : 0}px`; out.append(bar); }
  return out;
}

// Where a cell came from: {from: [[argument, key, Set of cells], ...], sum: text, total: what the written sum gives}; {lost: why} if an array that
// the sum needs is not in the page; null if the page cannot tell.
const absent = (name, key) => `${name}${data.arrays[key] ? ` (${shapeText(data.arrays[key].shape)}): ${say("sumTooLarge")}` : `: ${say("unknown")}`}`;
function cast(box) {  // the arrays of an op by name; results under "out"
  const known = box.arrays, given = new Map(known.operands || []);
  const get = key => key && numbersOf(key) ? {key, v: numbersOf(key), shape: data.arrays[key].shape} : null;
  const parts = {get, lost: "", out: known.results.map(get), how: known.how || {}, operands: known.operands || []};
  parts.of = name => { const found = get(given.get(name)); if (given.has(name) && !found) parts.lost = absent(name, given.get(name)); return found; };  // asked for, but not in the page
  return parts;
}
function origin(box, flat, which = 0) {
  const parts = cast(box), {of, out, how, operands} = parts, y = out[which], tell = TOLD[box.op];
  if (!y) return null;
  if (tell) { const found = tell.forward({of, out, how, y, which, flat, at: placeOf(y.shape, flat), terms: new Terms()}); return parts.lost ? {lost: parts.lost} : found; }
  return moves(how) ? movedFrom(how, operands, y, which, flat) : box.cellwise ? sameCells(operands, y, flat) : null;
}
// The same for a cell of a gradient that a step of backward hands on.
function gradientOrigin(box, step, outgoing, flat) {
  const parts = cast(box), {get, of, out, how, operands} = parts, d = get(outgoing.array), gs = step.arrays.map(get), g = gs[0], tell = TOLD[box.op];
  if (!d) return null;
  if (!g) return {lost: absent("g", step.arrays[0])};
  const handed = name => { const found = step.outgoing.find(o => o.argument === name); return found ? get(found.array) : null; };
  if (tell) { const found = tell.backward({of, out, how, g, gs, d, handed, name: outgoing.argument, flat, at: placeOf(d.shape, flat), terms: new Terms()}); return parts.lost ? {lost: parts.lost} : found; }
  if (moves(how)) return movedTo(how, gs, d, outgoing.place, flat);
  return box.cellwise ? sameCells([["g", step.arrays[0]], ...operands], d, flat) : null;
}

// Ops that compute nothing (reshape, permute, indexing, cat, split, pad, expand): a cell is a cell of an operand, or a constant.
function moves(how) {  // for each result: cell -> number among all operands' cells, which begin at `starts`; -1 for a constant
  const known = data.arrays[how.moves];
  if (known && !known.numbers) known.numbers = known.moved.map(text => text === null ? null : text === "" ? i => i : (all => i => all[i])(decoded(text)));
  return known && !known.numbers.includes(null) ? known : null;
}
function movedFrom(how, operands, y, which, flat) {
  const known = moves(how), number = known.numbers[which](flat);
  if (number < 0) return {from: [], sum: `${say("constant")} = ${short(y.v[flat])}`, total: y.v[flat]};
  const place = known.starts.findLastIndex(start => start <= number), [name, key] = operands[place] || [], array = data.arrays[key], v = numbersOf(key);
  if (!v) return null;
  const i = number - known.starts[place];
  return {from: [[name, key, new Set([i])]], sum: `${name}[${placeOf(array.shape, i).join(", ")}] = ${short(v[i])}`, total: v[i]};
}
function movedTo(how, gs, d, place, flat) {  // the sum of what arrives at each place that the cell was moved to
  const known = moves(how), number = known.starts[place] + flat, terms = new Terms();
  if (gs.includes(null)) return null;
  gs.forEach((g, k) => { for (let f = 0; f < g.v.length; f++) if (known.numbers[k](f) === number) terms.plain(k ? `g ${k + 1}` : "g", g, f); });
  return terms.done(d.v[flat]);
}

// Convolution, its transpose and its gradient in the weight are one sum of products of three arrays: x (inputs), w (weights) and y (windows).
// The pairs of cells [of one, of the other] that meet in the cell `at` of the third, `role`.
function* meeting(role, at, shapes, how) {
  const {x, w, y} = shapes, dims = how.starts.length, inside = (p, shape) => p.every((v, a) => v >= 0 && v < shape[2 + a]);
  const per = y[1] * w[1] / x[1], all = shape => ({*[Symbol.iterator]() { const s = shape.slice(2), n = sizeOf(s); for (let i = 0; i < n; i++) yield placeOf(s, i); }});  // per: outputs of a group
  const spot = (i, u) => u.map((t, a) => how.starts[a][i[a]] + t * how.dilation[a]);
  if (role === "y") for (let c = 0; c < w[1]; c++) for (const u of all(w)) {
    const p = spot(at.slice(2), u);
    if (inside(p, x)) yield [flatOf(x, [at[0], Math.floor(at[1] / per) * w[1] + c, ...p]), flatOf(w, [at[1], c, ...u])];
  }
  if (role === "x") { const group = Math.floor(at[1] / w[1]); for (let o = group * per; o < (group + 1) * per; o++) for (const u of all(w)) {
    const i = u.map((t, a) => how.starts[a].indexOf(at[2 + a] - t * how.dilation[a]));
    if (inside(i, y)) yield [flatOf(y, [at[0], o, ...i]), flatOf(w, [o, at[1] % w[1], ...u])];
  } }
  if (role === "w") for (let n = 0; n < x[0]; n++) for (const i of all(y)) {
    const p = spot(i, at.slice(2));
    if (inside(p, x)) yield [flatOf(x, [n, Math.floor(at[0] / per) * w[1] + at[1], ...p]), flatOf(y, [n, at[0], ...i])];
  }
}
function trilinear(result) {  // `result`: which of the three is the op's; its gradient takes that place in backward
  const others = {x: ["y", "w"], y: ["x", "w"], w: ["x", "y"]};
  const told = (role, arrays, names, all) => {
    const [p, q] = others[role], shapes = Object.fromEntries(["x", "w", "y"].map(r => [r, arrays[r].shape]));
    for (const [i, j] of meeting(role, all.at, shapes, all.how)) all.terms.product(names[p], arrays[p], i, names[q], arrays[q], j);
  };
  const among = (all, known) => Object.fromEntries(["x", "w", "y"].map(role => [role, known[role] || all.of(role)]));
  return {
    forward(all) {
      const arrays = among(all, {[result]: all.y}), b = all.of("bias");
      if (!arrays.x || !arrays.w || !arrays.y) return null;
      told(result, arrays, {x: "x", w: "w", y: "y"}, all);
      if (b) all.terms.plain("bias", b, all.at[1]);
      return all.terms.done(all.y.v[all.flat]);
    },
    backward(all) {
      const {g, d, name} = all;
      if (name === "bias") { const per = sizeOf(g.shape.slice(2)); for (let n = 0; n < g.shape[0]; n++) for (let i = 0; i < per; i++) all.terms.plain("g", g, (n * g.shape[1] + all.flat) * per + i); return all.terms.done(d.v[all.flat]); }
      const arrays = among(all, {[result]: g, [name]: d});
      if (!arrays.x || !arrays.w || !arrays.y) return null;
      told(name, arrays, {x: "x", w: "w", y: "y", [result]: "g"}, all);
      return all.terms.done(d.v[all.flat]);
    },
  };
}
const divisorOf = (how, at) => how.divisor[how.divisor.length === 1 ? 0 : flatOf(how.cells.map(c => c.length), at.slice(at.length - how.cells.length))];
const pooling = largest => ({
  forward({of, how, y, flat, at, terms}) {
    const x = of("x");
    if (!x) return null;
    for (const i of windowCells(x.shape, how, at)) terms.plain("x", x, i);
    return largest ? terms.done(y.v[flat], say("maximum")) : terms.done(y.v[flat], "", divisorOf(how, at));
  },
  backward({of, how, g, d, flat, at, terms}) {
    const x = largest ? of("x") : null, lead = g.shape.length - how.cells.length;
    if (largest && !x) return null;
    for (let f = 0; f < g.v.length; f++) {
      const o = placeOf(g.shape, f);
      if (o.slice(0, lead).some((v, i) => v !== at[i])) continue;
      const cells = [...windowCells(d.shape, how, o)];
      if (!cells.includes(flat)) continue;
      if (!largest) terms.scaled("g", g, f, 1 / divisorOf(how, o));
      else if (cells.reduce((best, i) => x.v[i] > x.v[best] ? i : best, cells[0]) === flat) terms.plain("g", g, f);
    }
    return terms.done(d.v[flat]);
  },
});
const line = (shape, at, dim) => along(shape, at, dim < 0 ? dim + shape.length : dim);
const softmax = plain => ({
  forward({of, how, y, flat, at}) {
    const x = of("input");
    if (!x || how.dim === undefined) return null;
    const cells = line(x.shape, at, how.dim), top = Math.max(...cells.map(i => x.v[i])), sum = cells.reduce((s, i) => s + Math.exp(x.v[i] - top), 0);
    const parts = cells.map(i => `e^${short(x.v[i])}`), all = parts.length > 6 ? parts.slice(0, 5).join(" + ") + ` + … (${parts.length})` : parts.join(" + ");
    const total = plain ? Math.exp(x.v[flat] - top) / sum : x.v[flat] - top - Math.log(sum);
    return {from: [["input", x.key, new Set(cells)]], sum: plain ? `e^${short(x.v[flat])} / (${all}) = ${short(total)}` : `${short(x.v[flat])} − log(${all}) = ${short(total)}`, total};
  },
  backward({out, how, g, d, flat, at}) {
    const y = out[0];
    if (!y || how.dim === undefined) return null;
    const cells = line(d.shape, at, how.dim), sum = cells.reduce((s, i) => s + g.v[i] * (plain ? y.v[i] : 1), 0), p = plain ? y.v[flat] : Math.exp(y.v[flat]);
    const total = plain ? p * (g.v[flat] - sum) : g.v[flat] - p * sum;
    const text = plain ? `y · (g − Σ g·y) = ${short(p)} · (${short(g.v[flat])} − ${bracket(sum)}) = ${short(total)}` : `g − e^y · Σ g = ${short(g.v[flat])} − ${short(p)} · ${bracket(sum)} = ${short(total)}`;
    return {from: [["g", g.key, new Set(cells)], ["y", y.key, new Set(cells)]], sum: text, total};
  },
});

// Mean and variance over some axes, then a factor and a shift: batch, layer and group norm.
function* alike(shape, at, dims) {  // the cells at the same place along all other axes
  const sizes = dims.map(d => shape[d]);
  for (let k = 0; k < sizeOf(sizes); k++) { const u = placeOf(sizes, k), p = [...at]; dims.forEach((d, a) => { p[d] = u[a]; }); yield flatOf(shape, p); }
}
const standardize = {
  parts({of, out, how}, at) {  // of the cell `at` of x: its cells, mean, 1/σ, and where its weight is
    const x = of("x"), cells = [...alike(x.shape, at, how.dim)], n = cells.length, stat = stretched(out[1].shape, at);
    return {x, w: of("weight"), b: of("bias"), cells, n, stat, mean: out[1].v[stat], r: 1 / Math.sqrt(out[2].v[stat] + how.eps), k: stretched(how.shape, at)};
  },
  forward(all) {
    const {y, which, flat, at, out, how} = all;
    if (!all.of("x") || !out[1] || !out[2]) return null;
    const {x, w, b, cells, n, mean, r, k} = standardize.parts(all, at);
    if (which === 1) { for (const i of cells) all.terms.plain("x", x, i); return all.terms.done(y.v[flat], "", n); }
    if (which === 2) { const total = cells.reduce((s, i) => s + (x.v[i] - mean) ** 2, 0) / n; return {from: [["x", x.key, new Set(cells)]], sum: `Σ (x − μ)² / ${n}, μ = ${short(mean)}:  ${short(total)}`, total}; }
    const total = (x.v[flat] - mean) * r * (w ? w.v[k] : 1) + (b ? b.v[k] : 0), from = [["x", x.key, new Set(cells)]];
    for (const [name, p] of [["weight", w], ["bias", b]]) if (p) from.push([name, p.key, new Set([k])]);
    const scaled = `(${short(x.v[flat])} − ${bracket(mean)}) / √(${short(1 / r / r - how.eps)} + ${short(how.eps)})`;
    return {from, sum: `μ = ${short(mean)}, σ² = ${short(1 / r / r - how.eps)} (${n} ${say("cells")}):  ${scaled}${w ? ` · ${bracket(w.v[k])}` : ""}${b ? ` + ${bracket(b.v[k])}` : ""} = ${short(total)}`, total};
  },
  backward(all) {
    const {of, out, how, gs, d, name, flat, terms} = all, [g, gm, gv] = gs, x = of("x");
    if (!x || !out[1] || !out[2]) return null;
    if (name !== "x") {  // the sum of what arrives at every cell that this number took part in
      for (let i = 0; i < x.v.length; i++) {
        const at = placeOf(x.shape, i);
        if (stretched(how.shape, at) !== flat) continue;
        if (name === "bias") { terms.plain("g", g, i); continue; }
        const s = stretched(out[1].shape, at);
        terms.take("x", x, i); terms.scaled("g", g, i, (x.v[i] - out[1].v[s]) / Math.sqrt(out[2].v[s] + how.eps));
      }
      return terms.done(d.v[flat]);
    }
    const {w, cells, n, stat, mean, r, k} = standardize.parts(all, all.at), seen = i => g.v[i] * (w ? w.v[stretched(how.shape, placeOf(x.shape, i))] : 1), hat = i => (x.v[i] - mean) * r;
    const first = cells.reduce((s, i) => s + seen(i), 0) / n, second = cells.reduce((s, i) => s + seen(i) * hat(i), 0) / n;
    const beside = (gm ? gm.v[stat] / n : 0) + (gv ? gv.v[stat] * 2 * (x.v[flat] - mean) / n : 0), total = r * (seen(flat) - first - hat(flat) * second) + beside;
    const from = [["g", g.key, new Set(cells)], ["x", x.key, new Set(cells)]];
    if (w) from.push(["weight", w.key, new Set([k])]);
    const text = `x̂ = (x − μ) / σ = ${short(hat(flat))},  ${w ? "ĝ = w · g" : "ĝ = g"} = ${short(seen(flat))}:  (ĝ − mean ĝ − x̂ · mean(ĝ·x̂)) / σ = (${short(seen(flat))} − ${bracket(first)} − ${bracket(hat(flat))} · ${bracket(second)}) / ${short(1 / r)}`;
    return {from, sum: `${text}${beside ? ` + ${bracket(beside)}` : ""} = ${short(total)}`, total};
  },
};
const affine = {  // the same with the mean and variance of before
  forward({of, how, y, flat, at}) {
    const [x, m, a, c] = ["x", "m", "a", "c"].map(of), k = stretched(how.shape, at);
    if (!x || !m || !a) return null;
    const total = (x.v[flat] - m.v[k]) * a.v[k] + (c ? c.v[k] : 0);
    return {from: [["x", x.key, new Set([flat])], ...[["m", m], ["a", a], ["c", c]].filter(([, p]) => p).map(([name, p]) => [name, p.key, new Set([k])])],
      sum: `(${short(x.v[flat])} − ${bracket(m.v[k])}) · ${bracket(a.v[k])}${c ? ` + ${bracket(c.v[k])}` : ""} = ${short(total)}`, total};
  },
  backward({of, how, g, d, name, flat, at, terms}) {
    const [x, m, a] = [["x", "a"], ["m", "a"], ["a", "x m"]].map(([part, users]) => users.includes(name) ? of(part) : null);
    if (name === "x") { if (!a) return null; terms.product("g", g, flat, "a", a, stretched(how.shape, at)); return terms.done(d.v[flat]); }
    if ((name === "a" && (!x || !m)) || (name === "m" && !a)) return null;
    for (let i = 0; i < g.v.length; i++) {
      if (stretched(how.shape, placeOf(g.shape, i)) !== flat) continue;
      if (name === "c") terms.plain("g", g, i); else if (name === "m") terms.scaled("g", g, i, -a.v[flat]); else { terms.take("x", x, i); terms.scaled("g", g, i, x.v[i] - m.v[flat]); }
    }
    return terms.done(d.v[flat]);
  },
};

// Recurrent layers: time first, (T, N, gates · H). `sums` are the inputs' part of each gate's sum.
const sigmoid = v => 1 / (1 + Math.exp(-v));
function before(first, y, t, n, j) { const H = y.shape.at(-1), N = y.shape[1]; return t ? {array: y, name: "y", i: ((t - 1) * N + n) * H + j, v: y.v[((t - 1) * N + n) * H + j]} : {array: first, name: first.name, i: n * H + j, v: first.v[n * H + j]}; }
function fromState(terms, all, t, n, row) {  // Σ W h of the state before, with the weight's row
  const {w, h, y} = all, H = y.shape.at(-1);
  for (let j = 0; j < H; j++) { const p = before(h, y, t, n, j); terms.product("weight", w, row * H + j, p.name, p.array, p.i); }
}
const recurrent = (gates, forward, slopes) => {
  const gathered = ({of, out}, forward) => {
    const all = {...(forward ? {sums: of("sums"), b: of("bias")} : {}), w: of("weight"), h: of("h"), c: of("c"), y: out[0], outs: out};
    if (all.h) all.h.name = "h";
    if (all.c) all.c.name = "c";
    return all.w && all.h && out.every(Boolean) ? all : null;
  };
  return {
    forward(given) {
      const all = gathered(given, true);
      return all && all.sums && forward({...given, ...all, y: all.y, shown: given.y});
    },
    backward(given) {
      const all = gathered(given, false), {d, name, flat, at, terms, how} = given, sums = name === "sums" ? d : given.handed("sums");
      if (!all || !sums) return null;
      const [T, N, H] = all.y.shape, G = gates * H, D = (t, n, k) => sums.v[(t * N + n) * G + k];
      const gated = (t, n, k) => gates === 3 && k >= 2 * H ? D(t, n, k) * all.outs[1].v[(t * N + n) * G + k - 2 * H] + (given.gs[2] ? given.gs[2].v[(t * N + n) * H + k - 2 * H] : 0) : D(t, n, k);  // at W h: the GRU's reset gate multiplies it
      const note = gates === 3 ? "∂(W h)" : "∂sums";
      if (name === "weight") { const k = Math.floor(flat / H), j = flat % H; for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) { const p = before(all.h, all.y, t, n, j); terms.take("∂sums", sums, (t * N + n) * G + k); terms.scaled(p.name, p.array, p.i, gated(t, n, k)); } return terms.done(d.v[flat]); }
      if (name === "bias") { for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) { terms.take("∂sums", sums, (t * N + n) * G + flat); terms.number(gated(t, n, flat)); } return terms.done(d.v[flat]); }
      const n = at.at(-2), j = at.at(-1) % H, g = given.gs;
      const back = (t, tell) => {  // what step t hands to the state before it
        let total = 0;
        for (let k = 0; k < G; k++) { const v = gated(t, n, k); total += v * all.w.v[k * H + j]; if (tell) { tell.take("∂sums", sums, (t * N + n) * G + k); tell.scaled("weight", all.w, k * H + j, v); } }
        return total;
      };
      return slopes({...given, ...all, y: all.y, T, N, H, G, n, j, g, back, note, terms, d, name, flat, how, t: name === "sums" ? at[0] : -1, gate: name === "sums" ? Math.floor(at.at(-1) / H) : 0});
    },
  };
};
const rnn = recurrent(1, all => {
  const {terms, sums, flat, at, how, shown} = all;
  terms.plain("sums", sums, flat); fromState(terms, all, at[0], at[1], at[2]);
  return terms.wrapped(how.rectified ? "relu" : "tanh", how.rectified ? Math.max(0, terms.total) : Math.tanh(terms.total), shown.v[flat]);
}, all => {
  const {t, T, n, j, N, H, g, y, back, terms, name, d, flat, how} = all;
  if (name === "h") { back(0, terms); return terms.done(d.v[flat]); }
  terms.plain("g", g[0], flat);
  if (t + 1 < T) back(t + 1, terms);
  const v = y.v[(t * N + n) * H + j], slope = how.rectified ? Number(v > 0) : 1 - v * v;
  terms.take("y", y, flat);
  return terms.times(how.rectified ? "(y > 0)" : "(1 − y²)", slope);
});
const lstm = recurrent(4, all => {
  const {terms, sums, outs: [y, cells, gates], c, which, flat, at: [t, n, k], shown} = all, H = y.shape.at(-1), N = y.shape[1];
  const gate = (i, j) => { const at = (t * N + n) * 4 * H + i * H + j; terms.take("gates", gates, at); return gates.v[at]; };
  if (which === 2) { terms.plain("sums", sums, flat); fromState(terms, all, t, n, k); const tanh = Math.floor(k / H) === 2; return terms.wrapped(`${"ifgo"[Math.floor(k / H)]} = ${tanh ? "tanh" : "σ"}`, tanh ? Math.tanh(terms.total) : sigmoid(terms.total), shown.v[flat]); }
  if (which === 1) { const p = before(c, cells, t, n, k), [i, f, g] = [0, 1, 2].map(m => gate(m, k)); terms.take(t ? "cells" : "c", p.array, p.i); return terms.told(`f · c + i · g = ${short(f)}·${bracket(p.v)} + ${short(i)}·${bracket(g)}`, f * p.v + i * g); }
  const o = gate(3, k), s = cells.v[flat];
  terms.take("cells", cells, flat);
  return terms.told(`o · tanh c = ${short(o)} · tanh ${bracket(s)}`, o * Math.tanh(s));
}, all => {
  const {T, N, H, n, j, g, t, gate, outs: [, cells, gates], c, back, terms, name, d, flat} = all, value = (s, m) => gates.v[(s * N + n) * 4 * H + m * H + j], got = (a, i) => a ? a.v[i] : 0;
  if (name === "h") { back(0, terms); return terms.done(d.v[flat]); }
  let memory = 0, state = 0;
  for (let s = T - 1; s >= Math.max(t, 0); s--) {
    const i = (s * N + n) * H + j, tanh = Math.tanh(cells.v[i]);
    state = got(g[0], i) + (s + 1 < T ? back(s + 1, s === t && gate === 3 ? terms : null) : 0);
    memory = (s + 1 < T ? memory * value(s + 1, 1) : 0) + got(g[1], i) + state * value(s, 3) * (1 - tanh * tanh);
  }
  if (name === "c") { terms.take("gates", gates, n * 4 * H + H + j); return terms.told(`∂c₀ · f = ${short(memory)} · ${short(value(0, 1))}`, memory * value(0, 1)); }
  const place = (t * N + n) * H + j, v = value(t, gate), tanh = Math.tanh(cells.v[place]);
  const slope = gate === 2 ? 1 - v * v : v * (1 - v), [factor, word] = [[value(t, 2), "g"], [before(c, cells, t, n, j).v, "c"], [value(t, 0), "i"], [tanh, "tanh c"]][gate], arriving = gate === 3 ? state : memory;
  const given = got(g[2], flat);
  if (g[0]) terms.take("g", g[0], place);
  for (const m of [0, 1, 2, 3]) terms.take("gates", gates, (t * N + n) * 4 * H + m * H + j);
  terms.take("cells", cells, place);
  return terms.told(`∂h = ${short(state)}${gate === 3 ? "" : `, ∂c = ${short(memory)}`}:  ${gate === 3 ? "∂h" : "∂c"} · ${word} · ${gate === 2 ? "(1 − g²)" : `${"ifgo"[gate]} (1 − ${"ifgo"[gate]})`} = ${short(arriving)} · ${bracket(factor)} · ${short(slope)}${given ? ` + ${bracket(given)} · ${short(slope)}` : ""}`, (arriving * factor + given) * slope);
});
const gru = recurrent(3, all => {
  const {terms, sums, h, b, outs: [y, gates, parts], which, flat, at: [t, n, k], shown} = all, H = y.shape.at(-1), N = y.shape[1];
  const gate = (i, j) => { const at = (t * N + n) * 3 * H + i * H + j; terms.take("gates", gates, at); return gates.v[at]; };
  if (which === 2) { fromState(terms, all, t, n, 2 * H + k); if (b) terms.plain("bias", b, 2 * H + k); return terms.done(shown.v[flat]); }
  if (which === 1 && k < 2 * H) { terms.plain("sums", sums, flat); fromState(terms, all, t, n, k); if (b) terms.plain("bias", b, k); return terms.wrapped(`${"rz"[Math.floor(k / H)]} = σ`, sigmoid(terms.total), shown.v[flat]); }
  if (which === 1) { const r = gate(0, k - 2 * H), i = (t * N + n) * H + k - 2 * H; terms.take("sums", sums, flat); terms.take("parts", parts, i); return terms.told(`n = tanh(sums + r · parts) = tanh(${short(sums.v[flat])} + ${short(r)}·${bracket(parts.v[i])})`, Math.tanh(sums.v[flat] + r * parts.v[i])); }
  const z = gate(1, k), c = gate(2, k), p = before(h, y, t, n, k);
  terms.take(p.name, p.array, p.i);
  return terms.told(`(1 − z) · n + z · h = ${short(1 - z)}·${bracket(c)} + ${short(z)}·${bracket(p.v)}`, (1 - z) * c + z * p.v);
}, all => {
  const {T, N, H, n, j, g, t, gate, outs: [y, gates, parts], h, back, terms, name, d, flat} = all, value = (s, m) => gates.v[(s * N + n) * 3 * H + m * H + j], got = (a, i) => a ? a.v[i] : 0;
  let state = 0;
  for (let s = T - 1; s >= Math.max(t, 0); s--) state = got(g[0], (s * N + n) * H + j) + (s + 1 < T ? back(s + 1, null) + state * value(s + 1, 1) : 0);
  if (name === "h") { back(0, terms); terms.take("gates", gates, n * 3 * H + H + j); terms.number(state * value(0, 1)); return terms.done(d.v[flat]); }
  const place = (t * N + n) * H + j, r = value(t, 0), z = value(t, 1), c = value(t, 2), ahead = before(h, y, t, n, j).v, got1 = m => got(g[1], (t * N + n) * 3 * H + m * H + j);
  const dn = (state * (1 - z) + got1(2)) * (1 - c * c), dz = (state * (ahead - c) + got1(1)) * z * (1 - z), dr = (dn * parts.v[place] + got1(0)) * r * (1 - r);
  if (g[0]) terms.take("g", g[0], place);
  for (const m of [0, 1, 2]) terms.take("gates", gates, (t * N + n) * 3 * H + m * H + j);
  const text = [`∂n · parts · r (1 − r) = ${short(dn)} · ${bracket(parts.v[place])} · ${short(r * (1 - r))}`, `∂h · (h − n) · z (1 − z) = ${short(state)} · ${bracket(ahead - c)} · ${short(z * (1 - z))}`, `∂h · (1 − z) · (1 − n²) = ${short(state)} · ${short(1 - z)} · ${short(1 - c * c)}`][gate];
  return terms.told(`∂h = ${short(state)}:  ${text}`, [dr, dz, dn][gate]);
});

const linear = {
  forward({of, y, flat, terms}) {
    const x = of("input"), w = of("weight"), b = of("bias");
    if (!x || !w) return null;
    const n = w.shape[1], row = Math.floor(flat / w.shape[0]), o = flat % w.shape[0];
    for (let k = 0; k < n; k++) terms.product("input", x, row * n + k, "weight", w, o * n + k);
    if (b) terms.plain("bias", b, o);
    return terms.done(y.v[flat]);
  },
  backward({of, g, d, name, flat, terms}) {
    const x = name === "weight" ? of("input") : null, w = name === "input" ? of("weight") : null;
    if ((name === "weight" && !x) || (name === "input" && !w)) return null;
    const m = g.shape.at(-1), n = (w || d).shape.at(-1), rows = g.v.length / m;
    if (name === "bias") for (let r = 0; r < rows; r++) terms.plain("g", g, r * m + flat);
    else if (name === "weight") for (let r = 0; r < rows; r++) terms.product("g", g, r * m + Math.floor(flat / n), "input", x, r * n + flat % n);
    else for (let o = 0; o < m; o++) terms.product("g", g, Math.floor(flat / n) * m + o, "weight", w, o * n + flat % n);
    return terms.done(d.v[flat]);
  },
};
const matrix = (array, row) => array && (array.shape.length > 1 ? array : {...array, shape: row ? [1, ...array.shape] : [...array.shape, 1]});  // a vector is a row, or a column
const matmul = {
  forward({of, y, flat, terms}) {
    const a = matrix(of("input"), true), b = matrix(of("other"), false);
    if (!a || !b) return null;
    const at = placeOf(matmul.shape(a.shape, b.shape), flat);
    const n = a.shape.at(-1), m = b.shape.at(-1), lead = at.slice(0, -2), [i, j] = at.slice(-2);
    const pa = stretched(a.shape.slice(0, -2), lead) * a.shape.at(-2) * n, pb = stretched(b.shape.slice(0, -2), lead) * n * m;
    for (let k = 0; k < n; k++) terms.product("input", a, pa + i * n + k, "other", b, pb + k * m + j);
    return terms.done(y.v[flat]);
  },
  shape(a, b) {  // of the product of two (stacks of) matrices
    const lead = Array.from({length: Math.max(a.length, b.length) - 2}, (_, i) => i).reverse().map(i => { const [m, n] = [a, b].map(s => s.at(-3 - i) ?? 1); return m === 1 ? n : m; });
    return [...lead, a.at(-2), b.at(-1)];
  },
  backward({of, g, d, name, flat, terms}) {
    const a = matrix(name === "input" ? d : of("input"), true), b = matrix(name === "other" ? d : of("other"), false);
    if (!a || !b) return null;
    d = name === "input" ? a : b;
    const [p, n] = a.shape.slice(-2), m = b.shape.at(-1), [i, j] = placeOf(d.shape, flat).slice(-2), lead = matmul.shape(a.shape, b.shape).slice(0, -2), whole = shape => shape.slice(0, -2);
    for (let k = 0; k < sizeOf(lead); k++) {  // every matrix of the batch that this one took part in
      const u = placeOf(lead, k), [pa, pb] = [a, b].map(v => stretched(whole(v.shape), u));
      if ((name === "input" ? pa : pb) !== Math.floor(flat / (d.shape.at(-1) * d.shape.at(-2)))) continue;
      if (name === "input") for (let c = 0; c < m; c++) terms.product("g", g, k * p * m + i * m + c, "other", b, pb * n * m + j * m + c);
      else for (let r = 0; r < p; r++) terms.product("g", g, k * p * m + r * m + j, "input", a, pa * p * n + r * n + i);
    }
    return terms.done(d.v[flat]);
  },
};
// The negative log-likelihood at the classes `index` (N d1 d2 ...), of an input N C d1 d2 ...: the place p of the target picks one cell, and of a
// cross-entropy (`logits`) the logarithm of the softmax there, which all cells of that place take part in.
const scaleOf = (s, p) => -(s ? s.v[s.v.length === 1 ? 0 : p] : 1);
const classCell = (shape, t, p) => { const space = sizeOf(shape.slice(2)); return (Math.floor(p / space) * shape[1] + t.v[p]) * space + p % space; };
const logShare = (x, i, terms) => {
  const cells = line(x.shape, placeOf(x.shape, i), 1), top = Math.max(...cells.map(j => x.v[j]));
  for (const j of cells) terms.take("input", x, j);
  return x.v[i] - top - Math.log(cells.reduce((s, j) => s + Math.exp(x.v[j] - top), 0));
};
const likelihood = logits => ({
  forward({of, how, y, flat, terms}) {
    const x = of("input"), t = of("index"), s = of("scale");
    if (!x || !t) return null;
    for (const p of how.summed ? t.v.keys() : [flat]) {
      const i = classCell(x.shape, t, p), by = scaleOf(s, p);
      terms.take("index", t, p);
      if (s) terms.take("scale", s, s.v.length === 1 ? 0 : p);
      if (!logits) { terms.scaled("input", x, i, by); continue; }
      const share = logShare(x, i, terms);
      terms.number(by * share, `${bracket(by)}·log ${short(Math.exp(share))}`);
    }
    return terms.done(y.v[flat]);
  },
  backward({of, g, d, name, flat, at, terms}) {
    const t = of("index"), x = logits || name === "scale" ? of("input") : null, arriving = p => g.v.length === 1 ? 0 : p;
    if (!t || ((logits || name === "scale") && !x)) return null;
    if (name === "scale") {
      for (const p of d.v.length === 1 ? t.v.keys() : [flat]) {
        const i = classCell(x.shape, t, p);
        terms.take("index", t, p);
        if (!logits) terms.take("input", x, i);
        terms.scaled("g", g, arriving(p), -(logits ? logShare(x, i, terms) : x.v[i]));
      }
      return terms.done(d.v[flat]);
    }
    const s = of("scale"), p = flatOf(t.shape, [at[0], ...at.slice(2)]), right = t.v[p] === at[1];
    terms.take("index", t, p);
    if (s && (logits || right)) terms.take("scale", s, s.v.length === 1 ? 0 : p);
    if (!logits) { if (right) terms.scaled("g", g, arriving(p), scaleOf(s, p)); return terms.done(d.v[flat]); }
    const share = Math.exp(logShare(x, flat, terms)), k = arriving(p), by = -scaleOf(s, p);
    terms.take("g", g, k);
    return terms.told(`g · scale · (p${right ? " − 1" : ""}) = ${short(g.v[k])} · ${bracket(by)} · ${right ? `(${short(share)} − 1)` : short(share)}`, g.v[k] * by * (share - right));
  },
});

// Reductions: the cells of the operand `x` that share a cell of the result.
const axesOf = (how, shape) => { const d = how.dim ?? [], all = (Array.isArray(d) ? d : [d]).map(v => v < 0 ? v + shape.length : v); return all.length && shape.length ? all : shape.map((_, i) => i); };
function* reducedCells(how, shape, at) {
  const dims = axesOf(how, shape), kept = how.keepdim ? [...at] : shape.map(() => 0);
  let k = 0;
  if (!how.keepdim) shape.forEach((_, i) => { if (!dims.includes(i)) kept[i] = at[k++]; });
  yield* alike(shape, kept, dims);
}
function reducedTo(how, y, shape, at) {  // the cell of the result to which the cell `at` of the operand goes
  const dims = axesOf(how, shape);
  return flatOf(y.shape, how.keepdim ? at.map((v, i) => dims.includes(i) ? 0 : v) : at.filter((_, i) => !dims.includes(i)));
}
// `x`: the operand's name; forward(all, x, cells, terms) and backward(all, x, cells, k, terms), where k is the result's cell; needs(x, y): of what a gradient is made.
const reducing = (operand, forward, backward, needs = true) => ({
  forward(all) {
    const x = all.of(operand);
    return x && forward(all, x, [...reducedCells(all.how, x.shape, all.at)]);
  },
  backward(all) {
    const {of, out, how, g, d, at} = all, x = needs ? of(operand) : null, y = out[0];
    if (needs && (!x || !y)) return null;
    const k = reducedTo(how, g, d.shape, at);
    return backward(all, x, [...reducedCells(how, d.shape, placeOf(g.shape, k))], k, y);
  },
});
const added = mean => reducing("input",
  ({terms, y, flat}, x, cells) => { for (const i of cells) terms.plain("input", x, i); return terms.done(y.v[flat], "", mean ? cells.length : 1); },
  ({terms, g, d, flat}, x, cells, k) => { terms.plain("g", g, k); return terms.done(d.v[flat], "", mean ? cells.length : 1); }, false);
const extreme = word => reducing("input",  // equal ones share what arrives
  ({terms, y, flat}, x, cells) => { for (const i of cells) terms.plain("input", x, i); return terms.done(y.v[flat], say(word)); },
  ({terms, g, d, flat}, x, cells, k, y) => {
    const equal = cells.filter(i => x.v[i] === y.v[k]);
    terms.take("input", x, flat); terms.take("y", y, k);
    if (equal.includes(flat)) terms.scaled("g", g, k, 1 / equal.length);
    return terms.done(d.v[flat]);
  });
const taking = (terms, name, x, cells) => { for (const i of cells) terms.take(name, x, i); };
const meanOf = (x, cells) => cells.reduce((s, i) => s + x.v[i], 0) / cells.length;
const spread = root => reducing("x",
  ({terms, how}, x, cells) => {
    const m = meanOf(x, cells), n = cells.length - how.correction, total = cells.reduce((s, i) => s + (x.v[i] - m) ** 2, 0);
    taking(terms, "x", x, cells);
    return terms.told(`μ = ${short(m)}:  ${root ? "√(" : ""}Σ (x − μ)² / ${n}${root ? ")" : ""} = ${root ? "√(" : ""}${short(total)} / ${n}${root ? ")" : ""}`, root ? Math.sqrt(total / n) : total / n);
  },
  ({terms, g, how, flat}, x, cells, k, y) => {
    const m = meanOf(x, cells), n = cells.length - how.correction, by = root ? (y.v[k] ? 1 / y.v[k] : 0) : 2;
    terms.take("g", g, k); taking(terms, "x", x, cells);
    if (root) terms.take("y", y, k);
    return terms.told(`μ = ${short(m)}:  g · ${root ? "" : "2 "}(x − μ) / ${root ? `(${n} · y)` : n} = ${short(g.v[k])} · ${root ? "" : "2 · "}${bracket(x.v[flat] - m)} / ${root ? `(${n} · ${short(y.v[k])})` : n}`, g.v[k] * by * (x.v[flat] - m) / n);
  });
const norm = reducing("x",
  ({terms, how, y, flat}, x, cells) => {
    if (how.p !== 1 && how.p !== 2) return null;
    for (const i of cells) { terms.take("x", x, i); terms.number(Math.abs(x.v[i]) ** how.p, how.p === 2 ? `${bracket(x.v[i])}²` : `|${short(x.v[i])}|`); }
    return how.p === 2 ? terms.wrapped("√", Math.sqrt(terms.total)) : terms.done(y.v[flat]);
  },
  ({terms, how, g, flat}, x, cells, k, y) => {
    if (how.p !== 1 && how.p !== 2) return null;
    terms.take("g", g, k); terms.take("x", x, flat);
    if (how.p === 1) return terms.told(`g · sign x = ${short(g.v[k])} · ${bracket(Math.sign(x.v[flat]))}`, g.v[k] * Math.sign(x.v[flat]));
    terms.take("y", y, k);
    return terms.told(`g · x / y = ${short(g.v[k])} · ${bracket(x.v[flat])} / ${short(y.v[k])}`, y.v[k] ? g.v[k] * x.v[flat] / y.v[k] : 0);
  });
const logsumexp = reducing("input",
  ({terms, y, flat}, x, cells) => {
    for (const i of cells) { terms.take("input", x, i); terms.number(Math.exp(x.v[i] - y.v[flat]), `e^${short(x.v[i])}`); }
    return terms.wrapped("log", y.v[flat] + Math.log(terms.total));
  },
  ({terms, g, flat}, x, cells, k, y) => {
    terms.take("g", g, k); terms.take("input", x, flat); terms.take("y", y, k);
    return terms.told(`g · e^(x − y) = ${short(g.v[k])} · ${short(Math.exp(x.v[flat] - y.v[k]))}`, g.v[k] * Math.exp(x.v[flat] - y.v[k]));
  });
const prod = reducing("input",
  ({terms, y, flat}, x, cells) => { for (const i of cells) terms.plain("input", x, i); return terms.told(terms.written(" · "), cells.reduce((p, i) => p * x.v[i], 1), y.v[flat]); },
  ({terms, g, d, flat}, x, cells, k) => {
    terms.plain("g", g, k);
    for (const i of cells) if (i !== flat) terms.plain("input", x, i);
    return terms.told(terms.written(" · "), cells.reduce((p, i) => i === flat ? p : p * x.v[i], g.v[k]), d.v[flat]);
  });
const cumsum = {  // forward all up to the cell, backward all from it on
  forward({of, how, y, flat, at, terms}) {
    const x = of("input"), dim = how.dim < 0 ? how.dim + y.shape.length : how.dim;
    if (!x) return null;
    for (const i of line(x.shape, at, dim).slice(0, y.shape.length ? at[dim] + 1 : 1)) terms.plain("input", x, i);
    return terms.done(y.v[flat]);
  },
  backward({how, g, d, flat, at, terms}) {
    for (const i of d.shape.length ? line(d.shape, at, how.dim).slice(at[how.dim < 0 ? how.dim + d.shape.length : how.dim]) : [0]) terms.plain("g", g, i);
    return terms.done(d.v[flat]);
  },
};
const TOLD = {  // the ops that the page takes apart cell by cell
  conv: trilinear("y"), conv_input: trilinear("x"), conv_weight: trilinear("w"), max_pool: pooling(true), avg_pool: pooling(false), linear, matmul,
  softmax: softmax(true), log_softmax: softmax(false), nll: likelihood(false), cross_entropy: likelihood(true), standardize, affine, rnn, lstm, gru, sum: added(false), mean: added(true),
  amax: extreme("maximum"), amin: extreme("minimum"), var: spread(false), std: spread(true), norm, logsumexp, prod, cumsum,
};
class Terms {  // the terms of a sum, and the cells that they took
  constructor() { this.words = []; this.values = []; this.total = 0; this.cells = new Map(); this.keys = new Map(); }
  take(name, array, i) { if (!this.cells.has(name)) { this.cells.set(name, new Set()); this.keys.set(name, array.key); } this.cells.get(name).add(i); }
  put(word, value) { this.words.push(word); this.values.push(value); this.total += value; }
  product(p, a, i, q, b, j) { this.take(p, a, i); this.take(q, b, j); this.put(`${bracket(a.v[i])}·${bracket(b.v[j])}`, a.v[i] * b.v[j]); }
  plain(p, a, i) { this.take(p, a, i); this.put(bracket(a.v[i]), a.v[i]); }
  number(v, word = bracket(v)) { this.put(word, v); }
  scaled(p, a, i, by) { this.take(p, a, i); this.put(`${bracket(by)}·${bracket(a.v[i])}`, by * a.v[i]); }
  done(result, before = "", divisor = 1) {
    const inner = this.written(before ? ", " : " + "), text = before ? `${before} ${inner}` : divisor !== 1 ? `(${inner}) / ${divisor}` : inner;
    return this.told(text, before ? result : this.total / divisor, result);
  }
  written(joint = " + ") {  // of many terms 24 are written; of a sum those that are not zero before the others, which are counted
    const n = this.words.length;
    if (n <= 30) return n ? this.words.join(joint) : "0";
    const some = joint === " + " ? this.words.filter((_, i) => this.values[i] !== 0) : this.words, zeros = n - some.length, shown = some.slice(0, some.length > 30 ? 24 : some.length);
    const told = [shown.length < some.length ? `… (${n} ${say("products")}${zeros ? `, ${zeros} ${say("zeros")}` : ""})` : zeros ? `0 (${n} ${say("products")}, ${zeros} ${say("zeros")})` : ""];
    return [...shown, ...told].filter(Boolean).join(joint);
  }
  wrapped(name, total) { return this.told(`${name}(${this.written()})`, total); }
  times(name, by) { return this.told(`(${this.written()}) · ${name} = ${short(this.total)} · ${short(by)}`, this.total * by); }
  told(text, total, result = total) { return {from: [...this.cells].map(([name, cells]) => [name, this.keys.get(name), cells]), sum: `${text} = ${short(result)}`, total}; }
}
const bracket = v => v < 0 ? `(−${short(-v)})` : short(v);
function along(shape, at, d) { return Array.from({length: shape[d]}, (_, i) => flatOf(shape, at.map((v, a) => a === d ? i : v))); }
function stretched(shape, at) { const from = at.length - shape.length; return flatOf(shape, shape.map((n, i) => n === 1 ? 0 : at[from + i])); }
function* windowCells(shape, how, at) {
  const axes = how.cells.length, lead = at.length - axes, mine = how.cells.map((c, a) => c[at[lead + a]]), sizes = mine.map(c => c.length);
  for (let k = 0; k < sizeOf(sizes); k++) yield flatOf(shape, [...at.slice(0, lead), ...placeOf(sizes, k).map((v, a) => mine[a][v])]);
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
