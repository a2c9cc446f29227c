const at = id => document.getElementById(id);
const boxes = new Map(data.boxes.map(b => [b.id, b])), modules = new Map(data.modules.map(m => [m.id, m]));
const children = new Map(), SVG = "http://www.w3.org/2000/svg";
{  // each module's boxes and modules in the order of creation
  const first = new Map(), touch = (m, i) => { for (; m; m = modules.get(m).parent) if (!first.has(m)) first.set(m, i); };
  data.boxes.forEach((b, i) => touch(b.module, i));
  const put = (parent, id, i) => { if (!children.has(parent)) children.set(parent, []); children.get(parent).push([i, id]); };
  data.boxes.forEach((b, i) => put(b.module, b.id, i));
  for (const m of data.modules) if (first.has(m.id)) put(m.parent, m.id, first.get(m.id) - 0.5);
  for (const [k, list] of children) children.set(k, list.sort((p, q) => p[0] - q[0]).map(([, id]) => id));
}
/** 0 for the model's own call, 1 for those in it and for what stands alone: modules without the model's call, backward passes. */
const level = id => { const m = modules.get(id); return m.parent ? level(m.parent) + 1 : Number(m.path !== ""); };
const folded = new Set();
let nodes = [];  // the boxes as they are drawn: their element, its place
let own = false, formed = false;  // the user moved the view, or folded or turned the graph: that stays when the window changes
let sideways = data.direction === "LR" || data.direction === "RL", svg, world, lay, zoom = 1, left = 0, top_ = 0, picked = null, awaiting = false, current = 0, timer = null;
const moments = [...data.boxes.filter(b => b.kind === "op").map(b => ({box: b.id, forward: true})), ...data.steps.map(s => ({box: s.box, step: s}))];

const FONT = "system-ui, Helvetica, Arial, sans-serif", pen = document.createElement("canvas").getContext("2d"), widths = new Map();
function wide(text, size, bold = false) {
  const key = size + (bold ? "b" : "") + text;
  if (!widths.has(key)) { pen.font = `${bold ? "600 " : ""}${size}px ${FONT}`; widths.set(key, pen.measureText(text).width); }
  return widths.get(key);
}
const cut = (text, n = 36) => text.length <= n ? text : text.slice(0, n / 2 - 1) + "…" + text.slice(-n / 2);
const chain = m => { const found = []; for (; m; m = modules.get(m).parent) found.unshift(m); return found; };
const shown = box => chain(boxes.get(box).module).find(m => folded.has(m)) || box;
const both = (name, between, kind) => name === kind ? name : name + between + kind;  // a model that is one layer is called by its class
const counted = n => `${n.toLocaleString()} ${say(n === 1 ? "oneOp" : "ops")}`;
const isOp = b => b.kind === "op";

// ------------------------------------------------------------------------------------------------ what a box says
const used = b => b.used ? b.used.map(i => b.shapes[i]) : b.shapes;
function face(id) {
  const b = boxes.get(id), lines = [];
  if (b) {
    if (b.inside) lines.push(cut(`${both(b.inside.name, " ", b.inside.class)}${b.repeats ? " ×" + b.repeats : ""}`));
    if (b.static.length) lines.push(cut(b.static.join(", ")));
    if (isOp(b)) { if (b.shapes.join("") !== say("scalar")) lines.push(cut("→ " + used(b).join(", "))); if (b.value) lines.push("= " + b.value); } else lines.push(cut(b.value ? "= " + b.value : b.shapes.join(", ")));
    return {title: cut(b.name), kindName: b.within.startsWith("∂") ? b.within : "", lines, fill: b.fill, grad: b.gradient && b.kind !== "output" ? b.gradient : null, kind: isOp(b) ? "op" : "given"};
  }
  const m = modules.get(id);
  if (m.ops) return {title: counted(m.ops), lines: m.lines.slice(0, 3), fill: "#eef1f4", grad: null, kind: "module"};
  const way = [m.in.join(", "), `→ ${m.out.join(", ")}`];
  if (m.in.length || m.out.length) lines.push(...(narrow() && way.join(" ").length > 28 ? way.map(t => cut(t, 30)) : [cut(way.join(" "), 44)]));  // on a phone in two lines
  if (m.parameters) lines.push(`${m.parameters.toLocaleString()} ${say("parameters")}${m.repeats > 1 ? " " + say("each") : ""}`);
  return {title: cut(m.name) + (m.repeats > 1 ? ` ×${m.repeats}` : ""), kindName: m.class === m.name ? "" : m.class, lines, fill: "#dfe6ee", grad: null, kind: "module"};
}
function sized(id) {
  const f = face(id), title = wide((f.kind === "module" ? "+ " : "") + f.title, 14, true) + (f.kindName ? wide("  " + f.kindName, 12) : "");
  const slope = f.grad ? wide(`∂ ${f.grad.signed || f.grad.norm}`, 12) : 0, under = f.grad && narrow();  // on a phone the gradient stands below: there is height, no width
  f.tab = f.grad && !under ? slope + 14 : 0; f.foot = under ? 19 : 0;
  f.w = Math.max(34, title, under ? slope : 0, ...f.lines.map(t => wide(t, 12))) + (narrow() ? 16 : 22); f.h = 28 + 15 * f.lines.length + f.foot;
  return f;
}

// ------------------------------------------------------------------------------------------------ layout and drawing
function measured(turned, wrapped = true) {  // the layout of what is open now; wrapped: on a phone, boxes that do not fit beside each other stand one below the other
  const faces = new Map();
  const node = id => {
    const m = modules.get(id);
    if (m && !folded.has(id)) {
      const kids = (children.get(id) || []).map(node).filter(Boolean);
      return kids.length ? {id, children: kids, label: wide("− " + m.name + (m.class === m.name ? "" : "  " + m.class), 13, true) + 24, least: narrow() ? 0 : wide("− " + m.name, 13, true) + 16} : null;
    }
    const f = sized(id);
    faces.set(id, f);
    return {id, w: turned ? f.h : f.w + f.tab, h: turned ? f.w + f.tab : f.h, at: turned ? 0 : -f.tab / 2};
  };
  const root = {id: "", children: (children.get("") || []).map(node).filter(Boolean), label: 0}, seen = new Map();
  for (const link of data.links) {
    const a = shown(link.from), b = shown(link.to);
    if (a === b) continue;
    const key = a + " " + b;
    if (!seen.has(key)) seen.set(key, {a, b, links: []});
    seen.get(key).links.push(link);
  }
  const pairs = [...seen.values()].map(e => [e.a, e.b]), [w, h] = turned ? room().reverse() : room();
  const fits = l => l.w <= w && l.h <= h, few = faces.size <= 60, many = faces.size > 300;
  let found = null;
  for (const part of narrow() || many ? [Infinity] : few ? [Infinity, 0.7, 0.6, 0.5, 0.4] : [Infinity, 0.6])  // how wide the layers are,
    for (const more of narrow() ? [Infinity] : many ? [1] : few ? [0.6, 0.7, 0.85, 1, 1.25, 1.5] : [1, 1.25, 1.5]) {  // and how long the columns, in stages
      const l = arranged(root, pairs, h * more, turned, w * part);
      if (!found || worth(l, w, h) > worth(found, w, h)) found = l;
    }
  if (!turned && found.w > w && !many) for (const more of [2, 3, 4]) {  // what is too wide for the stage runs down it
    const l = arranged(root, pairs, more < 4 ? h * more : Infinity, turned);
    if (l.w <= w && l.h <= 5 * h) { found = l; break; }
  }
  if (!turned && wrapped && !many && found.w > w) for (const part of [1, 0.85, 0.7, 0.5, 0.3]) {  // arrows that pass boxes by need width too
    const l = arranged(root, pairs, Infinity, turned, w * part);
    if (l.w < found.w) found = l;
    if (l.w <= w) break;
  }
  if (turned && !fits(found)) {  // rows that are longer than the stage end at its edge, and there are more of them
    for (const [spines, passing] of many ? [[true, 3]] : [[true, 3], [false, 3], [true, 8], [false, 8]]) {  // modules that begin a row leave their boxes more room; more arrows may go on in the next row
      for (const more of many ? [1, 0.8, 0.6] : [1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6]) {
        const l = arranged(root, pairs, h * more, turned, Infinity, spines, passing);
        if (l.h <= h && (narrow() || l.w <= 5 * w) && (found.h > h || worth(l, w, h) > worth(found, w, h))) found = l;
      }
    }
  }
  if (turned && found.h > h && found.turns > 1) found = arranged(root, pairs, Infinity, turned);  // what is too long in any case makes no detours
  found.faces = faces; found.edges = seen; found.turned = turned;
  if (turned) {
    const swap = r => { [r.x, r.y, r.w, r.h] = [r.y, r.x, r.h, r.w]; };
    [found.w, found.h] = [found.h, found.w];
    found.places.forEach(swap); found.frames.forEach(swap);
    for (const s of found.segments) s.points = s.points.map(([x, y]) => [y, x]);
  }
  return found;
}
const room = () => { const s = at("stage"); return [Math.max(s.clientWidth - 36, 100), Math.max(s.clientHeight - 32, 100)]; };
const narrow = () => room()[0] < 600;  // a phone: the graph runs down and is moved by a finger
const worth = (l, w, h) => { const s = Math.min(w / l.w, h / l.h); return s * (0.8 + 0.2 * l.used * s * s / (w * h)) * Math.max(0.6, 1 - 0.08 * l.turns); };  // large type first, then little blank space and few long ways
const scaleFor = l => { const [w, h] = room(); return narrow() ? w / l.w : Math.min(w / l.w, h / l.h); };
function openAtLevel() {  // the most detail that the stage shows at a readable size, in the direction that shows it larger
  const most = Math.max(-1, ...data.modules.map(m => level(m.id))) + 1, ways = data.auto && data.direction === "TB" ? (narrow() ? [false] : [false, true]) : [sideways];
  const first = data.auto || data.depth === null ? most : data.depth;
  let best = null;
  for (let d = first; d >= Math.min(narrow() || !data.auto ? 1 : 0, first); d--) {
    folded.clear();
    for (const m of data.modules) if (level(m.id) >= d || (m.ops && data.auto)) folded.add(m.id);
    if (data.auto && d > 1 && visibleCount() > 120) continue;
    if (best && computedCount() < 2) break;  // the whole in one box shows nothing: what nearly fits is opened instead
    for (const way of ways) { const l = measured(way, false), s = scaleFor(l), v = narrow() ? s : worth(l, ...room()); if (!best || (best.d === d ? v > best.v : best.s < 1 && s > best.s)) best = {s, v, way, d, folded: new Set(folded)}; }
    if (!data.auto || best.s >= 1) break;
  }
  folded.clear(); for (const m of best.folded) folded.add(m);
  sideways = best.way;
}
function computedCount() { const seen = new Set(); for (const b of data.boxes) if (isOp(b)) seen.add(shown(b.id)); return seen.size; }
function visibleCount() { const seen = new Set(); for (const b of data.boxes) seen.add(shown(b.id)); return seen.size; }
function make(tag, attributes, parent) { const e = document.createElementNS(SVG, tag); for (const k in attributes) e.setAttribute(k, attributes[k]); if (parent) parent.append(e); return e; }
function draw(keep = null) {
  const anchor = keep && lay ? lay.places.get(keep) || lay.frames.get(keep) : null, spot = anchor ? [left + anchor.x * zoom, top_ + anchor.y * zoom] : null;
  lay = measured(sideways);
  if (svg) svg.remove();
  svg = make("svg", {role: "group", "aria-label": data.title || say("graph")});
  const defs = make("defs", {}, svg), marker = make("marker", {id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse", markerUnits: "userSpaceOnUse"}, defs);
  make("path", {d: "M0,0.5 L8,4 L0,7.5 z", fill: "context-stroke"}, marker);
  world = make("g", {}, svg);
  for (const [id, r] of lay.frames) {
    const m = modules.get(id), g = make("g", {class: "frame", "data-id": id, tabindex: 0, role: "button", "aria-expanded": "true", "aria-label": `${m.name} ${m.class}`}, world);
    make("rect", {class: "area", x: r.x, y: r.y, width: r.w, height: r.h, rx: 9}, g);
    make("rect", {class: "head", x: r.x, y: r.y, width: r.w, height: 22, fill: "transparent"}, g);
  }
  for (const s of lay.segments) {
    const ends = s.targets.map(t => lay.edges.get(s.key + " " + t)).filter(Boolean), links = ends.flatMap(e => e.links);
    const bad = links.find(l => l.state && l.state !== "zero"), p = make("path", {class: "edge" + (links.some(l => l.flows) ? "" : " still"), d: s.square ? square(s.points) : curve(s.points)}, world);
    p.dataset.from = s.key; p.dataset.to = s.targets.join(" ");
    if (s.head) p.setAttribute("marker-end", "url(#head)");
    if (bad) p.style.stroke = data.states[bad.state];
    make("title", {}, p).append([...new Set(links.map(l => `${l.arguments.join(", ")} ${l.shape}`))].slice(0, 4).join("\n"));
  }
  for (const [id, r] of lay.frames) {  // above the arrows
    const m = modules.get(id), g = make("g", {class: "frame", "data-id": id}, world);
    const name = m.ops ? counted(m.ops) : m.name, full = "− " + name + (m.repeats > 1 ? ` ×${m.repeats}` : ""), most = wide(full + "  " + m.class, 13, true);
    const [from, space] = clear(r, most), text = make("text", {x: from, y: r.y + 16, "font-size": 13, "font-weight": 600}, g);
    text.append(fitText(full, space, 13));
    if (m.class && m.class !== m.name && most < space) make("tspan", {dx: 6}, text).append(m.class);
  }
  nodes = [];
  for (const [id, r] of lay.places) {
    const f = lay.faces.get(id), g = make("g", {class: "node " + f.kind, "data-id": id, tabindex: 0, role: "button", "aria-label": [f.title, f.kindName, ...f.lines, f.grad ? `${say("gradient")} ${f.grad.signed || f.grad.norm}` : ""].filter(Boolean).join(", ")}, world);
    nodes.push({g, place: r, off: false});
    if (f.kind === "module") g.setAttribute("aria-expanded", "false");
    if (f.grad) {
      const c = data.states[f.grad.state], [x, y, w, h] = f.foot ? [r.x + 3, r.y + r.h - f.foot - 6, f.w - 6, f.foot + 6] : [r.x + f.w - 8, r.y + 3, f.tab + 8, r.h - 6];
      const tab = make("rect", {class: "grad", x, y, width: w, height: h, rx: 6}, g), t = make("text", {class: "grad small", x: f.foot ? r.x + f.w / 2 : r.x + f.w + f.tab / 2, y: f.foot ? r.y + r.h - 5 : r.y + r.h / 2 + 4, "text-anchor": "middle", "font-size": 12}, g);
      if (c) tab.style.stroke = c;
      t.style.fill = c || "#a61e4d"; t.append(`∂ ${f.grad.signed || f.grad.norm}`);
    }
    make("rect", {class: "body", x: r.x, y: r.y, width: f.w, height: r.h - f.foot, rx: f.kind === "module" ? 3 : f.kind === "given" ? 13 : 7, fill: f.fill}, g);
    const middle = r.x + f.w / 2, title = make("text", {x: middle, y: r.y + 19, "text-anchor": "middle", "font-size": 14, "font-weight": 600}, g);
    title.append((f.kind === "module" ? "+ " : "") + f.title);
    if (f.kindName) { const t = make("tspan", {dx: 6, "font-size": 12, "font-weight": 400, fill: "#4b5661"}, title); t.append(f.kindName); }
    f.lines.forEach((line, i) => make("text", {class: "small", x: middle, y: r.y + 35 + 15 * i, "text-anchor": "middle", "font-size": 12}, g).append(line));
  }
  world.setAttribute("font-family", FONT);
  at("stage").prepend(svg);
  const now = keep ? lay.places.get(keep) || lay.frames.get(keep) : null;
  if (spot && now) { left = spot[0] - now.x * zoom; top_ = spot[1] - now.y * zoom; place(); } else fit();
  document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
  if (at("search").value) search(); else mark();
}
function clear(r, length) {  // where in a frame's head no arrow passes: the first place where so long a text fits, else the longest
  const taken = [[r.x, r.x + 4], [r.x + r.w - 4, r.x + r.w]];
  for (const {points} of lay.segments) points.slice(1).forEach((b, i) => {
    const [x, y, z, w] = [Math.min(points[i][0], b[0]), Math.min(points[i][1], b[1]), Math.max(points[i][0], b[0]), Math.max(points[i][1], b[1])];
    if (z > r.x && x < r.x + r.w && w > r.y + 1 && y < r.y + 21) taken.push([x, z]);
  });
  taken.sort((p, q) => p[0] - q[0]);
  let best = [r.x + 9, 0], end = taken[0][1];
  for (const [x, z] of taken) {
    const found = [end + 5, x - end - 10];
    if (found[1] > best[1] && best[1] < length) best = found;
    end = Math.max(end, z);
  }
  return best;
}
function fitText(text, space, size) { while (text.length > 4 && wide(text, size, true) > space) text = text.slice(0, -2).replace(/…$/, "") + "…"; return text; }
function curve(points) {
  const p = points.filter((q, i) => !i || q[0] !== points[i - 1][0] || q[1] !== points[i - 1][1]);
  let d = `M${p[0]}`;
  for (let i = 1; i < p.length; i++) {
    const [a, b] = [p[i - 1], p[i]], along = lay && sideways ? 0 : 1;
    if (Math.abs(a[1 - along] - b[1 - along]) < 0.6) { d += `L${b}`; continue; }
    const mid = (a[along] + b[along]) / 2;
    d += along ? `C${a[0]},${mid} ${b[0]},${mid} ${b}` : `C${mid},${a[1]} ${mid},${b[1]} ${b}`;
  }
  return d;
}
function square(p) {  // straight lines with round corners
  let d = `M${p[0]}`;
  for (let i = 1; i < p.length - 1; i++) {
    const [a, b, c] = [p[i - 1], p[i], p[i + 1]], toward = q => { const n = Math.hypot(q[0] - b[0], q[1] - b[1]) || 1, r = Math.min(6, n / 2); return [b[0] + (q[0] - b[0]) / n * r, b[1] + (q[1] - b[1]) / n * r]; };
    d += `L${toward(a)}Q${b} ${toward(c)}`;
  }
  return d + `L${p.at(-1)}`;
}
function place() { world.setAttribute("transform", `translate(${left.toFixed(2)},${top_.toFixed(2)}) scale(${zoom.toFixed(4)})`); if (lay.places.size > 300) hideText(); }
/** Of many boxes, those outside the stage have no text, and none has where it could not be read: the browser lays all text out again whenever the scale changes. */
function hideText() {
  const s = at("stage"), [x0, y0, x1, y1] = [-left / zoom, -top_ / zoom, (s.clientWidth - left) / zoom, (s.clientHeight - top_) / zoom], far = 14 * zoom < 4;
  for (const n of nodes) {
    const {x, y, w, h} = n.place, off = far || x > x1 || y > y1 || x + w < x0 || y + h < y0;
    if (off !== n.off) { n.off = off; n.g.classList.toggle("off", off); }
  }
}
function bring(id) {  // what was opened into view; smaller if it then fits in type that can be read
  const r = lay.places.get(id) || lay.frames.get(id), s = at("stage"), w = s.clientWidth - 24, h = s.clientHeight - 24;
  if (!r) return;
  own = true;
  const whole = Math.min(w / r.w, h / r.h);
  if (whole >= 0.8) zoom = Math.min(zoom, whole);
  const held = (p, from, size, space) => { const start = p + from * zoom, most = 12 + space - size * zoom; return p + Math.max(12, Math.min(start, most)) - start; };
  left = held(left, r.x, r.w, w); top_ = held(top_, r.y, r.h, h);
  place();
}
function fit(whole = false) {  // never below a readable size unless the user asks for the whole
  own = false;
  const s = at("stage"), best = scaleFor(lay);
  zoom = Math.min(narrow() ? 1.4 : 1.9, whole ? best : Math.max(best, 1));
  left = lay.w * zoom < s.clientWidth ? (s.clientWidth - lay.w * zoom) / 2 : 18;
  top_ = lay.h * zoom < s.clientHeight - 8 ? (s.clientHeight - lay.h * zoom) / 2 : 14;
  if (!sideways && lay.w * zoom > s.clientWidth) { const first = [...lay.places.values()][0]; left = s.clientWidth / 2 - (first.x + first.w / 2) * zoom; left = Math.min(18, Math.max(left, s.clientWidth - 18 - lay.w * zoom)); }
  if (sideways && lay.h * zoom > s.clientHeight) { const first = [...lay.places.values()][0]; top_ = s.clientHeight / 2 - (first.y + first.h / 2) * zoom; top_ = Math.min(14, Math.max(top_, s.clientHeight - 14 - lay.h * zoom)); }
  place();
}
function centre(id) {
  const r = lay.places.get(id) || lay.frames.get(id), s = at("stage");
  if (!r) return;
  const x = left + (r.x + r.w / 2) * zoom, y = top_ + (r.y + r.h / 2) * zoom;
  if (x > 60 && y > 40 && x < s.clientWidth - 60 && y < s.clientHeight - 40) return;
  own = true; left += s.clientWidth / 2 - x; top_ += s.clientHeight / 2 - y;
  place();
}
function zoomBy(factor, x = at("stage").clientWidth / 2, y = at("stage").clientHeight / 2) {
  const to = Math.min(6, Math.max(0.04, zoom * factor));
  own = true;
  left = x - (x - left) * to / zoom; top_ = y - (y - top_) * to / zoom; zoom = to;
  place();
}

// ------------------------------------------------------------------------------------------------ folding, choosing, paths
function toggle(m) { formed = true; folded.has(m) ? folded.delete(m) : folded.add(m); draw(m); bring(m); focusOn(m); }
function focusOn(id) { const g = nodeOf(id); if (g) g.focus({preventScroll: true}); }
const nodeOf = id => world.querySelector(`g[data-id="${id}"]`);
function reveal(box) { const closed = chain(boxes.get(box).module).filter(m => folded.has(m)); for (const m of closed) folded.delete(m); if (closed.length) draw(closed[0]); }
function choose(id) {
  if (awaiting && picked && picked !== id) { awaiting = false; ways(picked, id); return; }
  awaiting = false; picked = id; current = 0; walkTo(0, false);
  mark(); details(id);
}
function press(id, shift) {
  if (shift && picked && picked !== id) { ways(picked, id); return; }
  if (awaiting) { choose(id); return; }
  if (modules.has(id)) { toggle(id); picked = id; details(id); } else choose(id);
}
function light(nodes, edge) {
  svg.classList.toggle("some", nodes.size > 0);
  for (const g of world.querySelectorAll("g.node")) g.classList.toggle("hit", nodes.has(g.dataset.id));
  for (const p of world.querySelectorAll("path.edge")) p.classList.toggle("hit", Boolean(edge && edge(p.dataset.from, p.dataset.to.split(" "))));
}
function reach(start, forward) {
  const next = new Map(), found = new Set([start]), stack = [start];
  for (const {a, b} of lay.edges.values()) { const [x, y] = forward ? [a, b] : [b, a]; if (!next.has(x)) next.set(x, []); next.get(x).push(y); }
  while (stack.length) for (const n of next.get(stack.pop()) || []) if (!found.has(n)) { found.add(n); stack.push(n); }
  return found;
}
function ways(a, b) {
  if (!reach(a, true).has(b)) [a, b] = [b, a];
  const down = reach(a, true), up = reach(b, false), nodes = new Set([...down].filter(n => up.has(n)));
  at("message").textContent = nodes.size ? `${nodes.size} ${say("way")}` : say("noWay");
  light(nodes, (from, to) => nodes.has(from) && to.some(t => nodes.has(t)));
}
function mark() {
  const m = current ? moments[current - 1] : null;
  svg.classList.toggle("walking", Boolean(m));
  const done = new Set(moments.slice(0, current).map(x => shown(x.box)));
  for (const g of world.querySelectorAll("g.node")) {
    const here = m && shown(m.box) === g.dataset.id;
    g.classList.toggle("now", Boolean(here)); g.classList.toggle("back", Boolean(here && m.step)); g.classList.toggle("done", done.has(g.dataset.id));
    g.classList.toggle("picked", g.dataset.id === picked && !m);
  }
}

// ------------------------------------------------------------------------------------------------ search
const words = new Map();
for (const b of data.boxes) words.set(b.id, [b.name, b.op, b.within, b.kind, b.value, b.inside && [b.inside.name, b.inside.path, b.inside.class], b.static, b.shapes, b.dtypes,
  (b.tensors || []).map(t => [t.name, t.shape])].flat(4).filter(Boolean).join(" ").toLowerCase().replaceAll("−", "-"));  // as it is typed
for (const m of data.modules) words.set(m.id, [m.name, m.path, m.class, m.in, m.out].flat().join(" ").toLowerCase());
const wanted = () => at("search").value.trim().toLowerCase().replaceAll("−", "-").replace(/(?<=\d)\s*[x*,]\s*(?=\d)/g, "×");
const found = word => [...words].filter(([, text]) => text.includes(word)).map(([id]) => id);
let turnOf = -1;
function search() {
  const word = wanted();
  at("message").textContent = "";
  if (!word) { at("hits").textContent = ""; light(new Set()); mark(); return; }
  const hits = found(word), seen = new Set(hits.map(id => boxes.has(id) ? shown(id) : chain(id).find(m => folded.has(m)) || id));
  at("hits").textContent = hits.length ? `${hits.length} ${say("hits")}` : say("nothing");
  svg.classList.add("some"); light(seen.size ? seen : new Set([""]));
}
function nextHit() {
  const hits = found(wanted());
  if (!wanted() || !hits.length) return;
  const id = hits[turnOf = (turnOf + 1) % hits.length];
  if (boxes.has(id)) reveal(id); else { const around = chain(id).slice(0, -1).filter(m => folded.has(m)); for (const m of around) folded.delete(m); if (around.length) draw(around[0]); }
  centre(id); details(id); search();
  at("hits").textContent = `${turnOf + 1} / ${hits.length}`;
}
function clearAll() { at("search").value = ""; turnOf = -1; awaiting = false; picked = null; search(); at("message").textContent = ""; details(null); }

// ------------------------------------------------------------------------------------------------ the panel
function facts(rows) { const list = el("dl"); for (const [name, value] of rows) if (value && value.length !== 0) list.append(el("dt", {}, name), el("dd", {}, value)); return list; }
const bytesText = n => { const units = ["B", "KB", "MB", "GB", "TB"]; let k = 0; while (n >= 1024 && k < 4) { n /= 1024; k++; } return `${n.toFixed(k && n < 10 ? 1 : 0)} ${units[k]}`; };
const goTo = (id, text) => el("button", {class: "link", onclick: () => { reveal(id); centre(id); choose(id); }}, text);
function math(text) { const d = el("div", {class: "math"}); d.innerHTML = text; return d; }  // made by mathematics.py, which escapes
function details(id) {
  const panel = at("panel"), parts = [];
  if (!id) { panel.replaceChildren(...overview()); return; }
  const b = boxes.get(id), m = modules.get(id);
  if (m) {
    parts.push(el("h2", {}, m.ops ? counted(m.ops) + " " : m.name + " ", el("small", {}, m.class)));
    parts.push(facts([[say("path"), translated(m.path)], [say("in"), m.in.join(", ")], [say("out"), m.out.join(", ")], [say("parameters"), m.parameters ? m.parameters.toLocaleString() : ""], ["×", m.repeats > 1 ? String(m.repeats) : ""]]));
    parts.push(el("button", {onclick: () => { toggle(id); details(id); }}, say(folded.has(id) ? "unfoldThis" : "foldThis")), " ", pathButton(id));
  } else parts.push(...nodeParts(b));
  panel.replaceChildren(...parts);
  panel.dataset.of = id; panel.scrollTop = 0;
}
function overview() {  // what the graph is, when nothing is chosen: its ends, its size and its modules
  const ends = kind => data.boxes.filter(b => b.kind === kind).slice(0, 6).map(b => `${b.name} ${b.shapes.join(", ")}`).join("; ");
  const named = data.modules.filter(m => !m.ops), outer = named.filter(m => !m.parent), outline = el("div", {class: "outline"});
  for (const m of named.slice(0, 80)) {
    const go = () => { const around = chain(m.id).slice(0, -1).filter(p => folded.has(p)); for (const p of around) folded.delete(p); if (around.length) draw(around[0]); centre(m.id); choose(m.id); };
    const row = el("button", {class: "link", onclick: go}, m.name, el("small", {}, ` ${m.class === m.name ? "" : m.class}${m.parameters ? `  ${m.parameters.toLocaleString()}` : ""}`));
    row.style.marginLeft = `${level(m.id) * 14}px`;
    outline.append(row);
  }
  if (named.length > 80) outline.append(el("span", {class: "hint"}, `80 / ${named.length}`));
  const total = outer.reduce((n, m) => n + m.parameters, 0);
  const parts = [el("p", {class: "hint"}, matchMedia("(pointer: coarse)").matches ? say("hintTouch") : say("hint")), el("p", {class: "hint"}, say(data.steps.length && Object.keys(data.arrays).length ? "walkHint" : "noArrays")), el("h2", {}, data.title || say("graph")),
    facts([[say("in"), ends("input") || ends("leaf")], [say("out"), ends("output")], [say("parameters"), total ? total.toLocaleString() : ""], [say("opCount"), data.ops.toLocaleString()], [say("keeps"), bytesText(data.kept)]])];
  if (named.length) parts.push(el("h3", {}, `${say("outline")} · ${say("parameters")}`), outline);
  return [...parts, el("p", {class: "hint"}, say("keys"))];
}
function pathButton(id) { return el("button", {id: "path", onclick: () => { picked = id; awaiting = true; at("message").textContent = say("pickEnd"); }}, say("pathFrom")); }
function head(b, extra = "") { return el("h2", {}, b.name + " ", el("small", {}, [b.inside ? both(b.inside.path || b.inside.name, " · ", b.inside.class) : "", extra].filter(Boolean).join(" · "))); }
function nodeParts(b) {
  const parts = [head(b)], where = chain(b.module).map(m => modules.get(m).name).filter(Boolean).join(" / ");
  const rows = [[say("kind"), translated(b.kind)], [say("op"), b.op && b.op !== b.name ? b.op : ""], [say("within"), b.within], [say("path"), where]];
  b.shapes.forEach((s, i) => rows.push([say(isOp(b) ? "result" : "value"), `${s} ${b.dtypes[i]}, ${bytesText(b.bytes[i])}`]));
  rows.push([say("settings"), b.static.join(", ")], [say("gradient"), b.gradient ? `${b.gradient.signed || say("norm") + " " + b.gradient.norm} ${translated(b.gradient.state)}` : ""]);
  parts.push(facts(rows), pathButton(b.id));
  const args = el("dl");
  for (const l of data.links) if (l.to === b.id && l.arguments.length) args.append(el("dt", {}, l.arguments.join(", ")), el("dd", {}, goTo(l.from, boxes.get(l.from).name), ` ${l.shape}${l.flows ? "" : " ┄"}`));
  for (const t of b.tensors || []) args.append(el("dt", {}, t.argument), el("dd", {}, `${t.name} ${t.shape}${t.norm ? `, ∂ ${say("norm")} ${t.norm}` : ""}`));
  if (args.children.length) parts.push(el("h3", {}, say("arguments")), args);
  const uses = data.links.filter(l => l.from === b.id);
  if (uses.length) parts.push(el("h3", {}, say("usedBy")), el("dl", {}, ...uses.slice(0, 12).flatMap(l => [el("dt", {}, "→"), el("dd", {}, goTo(l.to, boxes.get(l.to).name), l.arguments.length ? ` · ${l.arguments.join(", ")}` : "")])));
  if (b.keeps) parts.push(el("h3", {}, say("keeps")), facts(b.keeps.map(k => [k.name, `${k.shape} ${k.dtype}, ${k.shared ? say("shared") : bytesText(k.bytes)}`])));
  if (b.math) parts.push(el("h3", {}, say("forwardMath")), math(b.math));
  const formulas = Object.entries(b.formulas || {}), set = formulas.filter(([name]) => b.slopes[name]);
  if (set.length) parts.push(el("h3", {}, say("gradientMath")), ...set.map(([name]) => math(derivative(name, data.maths[b.slopes[name]]))));
  if (formulas.length) parts.push(el("h3", {}, say("gradientCode")), ...formulas.flatMap(([name, t]) => [el("span", {class: "hint"}, `∂${name}`), el("pre", {}, t)]));
  if (b.arrays) { parts.push(el("h3", {}, say(isOp(b) ? "result" : "value"))); parts.push(explorer(b)); }
  if (b.line) parts.push(el("h3", {}, say("line")), el("pre", {}, b.line));
  return parts;
}
const esc = t => t.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const frac = (p, q) => `<mfrac><mrow><mo>∂</mo><mi>${p}</mi></mrow><mrow><mo>∂</mo><mi>${esc(q)}</mi></mrow></mfrac>`;
const derivative = (name, body) => body.replace("<math>", `<math>${frac("L", name)}<mo>=</mo>`);
// The result (or, with a step, the gradients handed on) and the operands; a picked cell marks the cells that it came from.
function explorer(b, step = null) {
  const holder = el("div", {class: "explorer"}), targets = step ? step.outgoing.filter(o => o.array) : b.arrays.results.map((k, which) => ({argument: "", array: k, which})).filter(t => t.array);
  const explain = (target, cell) => step ? gradientOrigin(b, step, target, cell) : origin(b, cell, target.which);
  const apart = targets.map(t => isOp(b) && numbersOf(t.array)?.length > 0 && explain(t, 0) !== null);  // whether the page has a rule for it
  let pickedOut = 0, chosen = null;
  const show = () => {
    const parts = [], target = targets[pickedOut], from = chosen === null || !target ? null : explain(target, chosen);
    targets.forEach((t, i) => parts.push(el("h3", {}, step ? `∂${t.argument}  ${say("norm")} ${t.norm}` : `${say(isOp(b) ? "result" : "value")}  ${shapeText(data.arrays[t.array].shape)}`),
      seen(t.array, {pick: apart[i] ? cell => { pickedOut = i; chosen = cell; show(); follow(); } : null, chosen: i === pickedOut ? chosen : null})));
    if (chosen === null) { if (isOp(b) && targets.some(t => numbersOf(t.array)?.length)) parts.push(el("p", {class: "hint"}, apart.includes(true) ? say("pick") : say("notApart"))); } else if (from && from.sum) {
      const sum = el("div", {class: "sum"}, from.sum); sum.dataset.total = from.total; parts.push(sum);
      if (from.same) parts.push(el("p", {class: "hint"}, say("allSame")));
    } else parts.push(el("p", {class: "hint"}, from ? from.lost : say("notApart")));
    const marks = new Map((from && from.from || []).map(([, key, cells]) => [key, cells])), told = new Set(targets.map(t => t.array));
    const rows = step ? [["g", step.arrays[0]], ...(b.arrays.operands || [])] : b.arrays.operands || [];
    if (step && from && from.from) for (const [name, key] of from.from) if (!rows.some(r => r[1] === key)) rows.push([name, key]);
    for (const [name, key] of rows) { parts.push(el("h3", {}, `${step && name === "g" ? "g = ∂L/∂" + say("result") : name}  ${key && data.arrays[key] ? shapeText(data.arrays[key].shape) : ""}`), seen(key, {marks: marks.get(key) || null})); }
    holder.replaceChildren(...parts);
    holder.dataset.sum = from && from.sum || "";
  };
  const follow = () => {  // what was written into view, where the panel is lower than what stands in it
    const panel = at("panel").getBoundingClientRect(), told = holder.querySelector(".sum") || holder.querySelector("p.hint"), r = told && told.getBoundingClientRect();
    if (r && (r.bottom > panel.bottom || r.top < panel.top)) at("panel").scrollTop += r.height > panel.height - 16 ? r.top - panel.top - 8 : r.bottom - panel.bottom + 8;
  };
  show();
  return holder;
}

// ------------------------------------------------------------------------------------------------ step by step
function walkTo(n, tell = true) {
  current = Math.max(0, Math.min(moments.length, n));
  const m = current ? moments[current - 1] : null;
  at("slide").value = current;
  at("place").textContent = m ? `${say(m.step ? "backward" : "forward")} ${m.step ? current - moments.filter(x => x.forward).length : current} / ${m.step ? data.steps.length : moments.filter(x => x.forward).length}` : `${say("steps")} (${moments.length})`;
  at("back").disabled = !current; at("next").disabled = current >= moments.length;
  mark();
  if (!m || !tell) return;
  centre(shown(m.box));
  const b = boxes.get(m.box), panel = at("panel"), parts = [head(b, `${say(m.step ? "backward" : "forward")}`)];
  if (!m.step) {
    if (b.math) parts.push(math(b.math));
    parts.push(b.arrays ? explorer(b) : el("p", {class: "hint"}, say("noArrays")));
  } else {
    parts.push(el("h3", {}, say("chainRule")));
    for (const o of m.step.outgoing) {
      const set = data.maths[(b.slopes || {})[o.argument]];
      parts.push(math(`<math>${frac("L", o.argument)}<mo>=</mo>${frac("L", "y")}<mo>·</mo>${frac("y", o.argument)}</math>${set ? " <math><mo>=</mo>" + set.slice(6) : ""}`));
    }
    parts.push(el("p", {class: "hint"}, `y = ${b.name}(${[...new Set([...(b.arrays && b.arrays.operands || []).map(o => o[0])])].join(", ")}),  g = ∂L/∂y${m.step.kept.length ? `;  ${say("keeps")}: ${m.step.kept.join(", ")}` : ""}`));
    if (b.arrays) parts.push(explorer(b, m.step));
    for (const o of m.step.outgoing) if (o.formula) parts.push(el("span", {class: "hint"}, `∂${o.argument}, ${say("gradientCode")}`), el("pre", {}, o.formula));
  }
  panel.replaceChildren(...parts);
  panel.dataset.of = m.box; panel.scrollTop = 0;
}
function play() { if (timer) { clearInterval(timer); timer = null; } else { timer = setInterval(() => { if (current >= moments.length) play(); else walkTo(current + 1); }, 1100); } at("play").setAttribute("aria-pressed", String(Boolean(timer))); at("play").textContent = timer ? `❚❚ ${say("pause")}` : `▷ ${say("play")}`; }

// ------------------------------------------------------------------------------------------------ the interface
function label() {
  document.documentElement.lang = speak ? "ja" : "en";
  for (const m of data.modules) reworded(m, "in", "out", "lines", ...(/^backward pass/.test(m.path) ? ["name", "class"] : []));
  for (const b of data.boxes) {
    reworded(b, "shapes", ...(b.kind === "op" ? [] : ["static"]), ...(["leaf", "constant", "output"].includes(b.english?.name ?? b.name) && b.kind !== "op" ? ["name"] : []));
    for (const t of [...b.tensors || [], ...b.keeps || []]) reworded(t, "shape");
  }
  for (const l of data.links) reworded(l, "shape");
  document.querySelector("h1").textContent = data.title || say("graph");
  at("summary").textContent = `${counted(data.ops)}${speak ? "、" : ", "}${bytesText(data.kept)} ${say("keptAll")}`;
  at("search").placeholder = say("search"); at("search").setAttribute("aria-label", say("searchLabel"));
  const unusual = new Set([...data.boxes.map(b => b.gradient?.state), ...data.links.map(l => l.state)]);
  const signs = [...data.legend.map(([fill, text]) => [fill, LEGEND[text] && speak ? LEGEND[text] : text]), ...(data.boxes.some(b => b.gradient) ? [["#fff0f5", `∂ ${say("gradientTab")}`]] : []), ...Object.entries(data.states).filter(([state]) => unusual.has(state)).map(([state, tint]) => [tint, `∂ ${translated(state)}`]), ...(data.links.some(l => !l.flows) ? [["", say("noFlow")]] : [])];
  at("legend").replaceChildren(...signs.map(([fill, text]) => { const sample = el("i", fill ? {} : {class: "dashes"}); sample.style.background = fill; return el("li", {}, sample, text); }));
  for (const id of ["fold", "unfold", "fit", "print", "language"]) at(id).textContent = say(id);
  for (const id of ["clear", "turn", "look", "print", "help", "play", "language"]) { at(id).title = say(id); at(id).setAttribute("aria-label", say(id)); }
  at("back").setAttribute("aria-label", say("prev")); at("next").setAttribute("aria-label", say("next")); at("slide").setAttribute("aria-label", say("step")); at("panel").setAttribute("aria-label", say("panel")); at("legend").setAttribute("aria-label", say("colours"));
  at("play").textContent = timer ? `❚❚ ${say("pause")}` : `▷ ${say("play")}`;
  at("keys").querySelector("p").textContent = say("keys");
}
function setFolds(all) { formed = true; folded.clear(); if (all) for (const m of data.modules) if (level(m.id) >= 1 || m.ops) folded.add(m.id); draw(); }
const actions = {
  fold: () => setFolds(true), unfold: () => setFolds(false), fit: () => fit(true), turn: () => { formed = true; sideways = !sideways; draw(); }, clear: clearAll,
  look: () => document.documentElement.classList.toggle("dark"), print: () => window.print(), help: () => at("keys").showModal(),
  language: () => { speak = 1 - speak; label(); draw(); walkTo(current); if (!current) details(picked); }, back: () => walkTo(current - 1), next: () => walkTo(current + 1), play,
};
for (const id in actions) at(id).addEventListener("click", actions[id]);
at("slide").max = moments.length;
at("slide").addEventListener("input", () => walkTo(Number(at("slide").value)));
at("search").addEventListener("input", () => { turnOf = -1; search(); });
at("search").addEventListener("keydown", e => { if (e.key === "Enter") { e.preventDefault(); nextHit(); } else if (e.key === "Escape") { clearAll(); at("search").blur(); } e.stopPropagation(); });
addEventListener("keydown", e => {
  if (e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey || e.altKey || at("keys").open) return;
  const g = e.target.closest && e.target.closest("g[data-id]"), key = e.key.toLowerCase();
  const does = {arrowright: actions.next, arrowleft: actions.back, "/": () => at("search").focus(), escape: clearAll, f: actions.fit, t: actions.turn, d: actions.look, "+": () => zoomBy(1.25), "-": () => zoomBy(0.8), "?": actions.help,
    p: () => { if (picked || g) { picked = g ? g.dataset.id : picked; awaiting = true; at("message").textContent = say("pickEnd"); } }}[key];
  if ((key === "enter" || key === " ") && g) { e.preventDefault(); press(g.dataset.id, e.shiftKey); } else if (does) { e.preventDefault(); does(); }
});
let moved = false;
{
  const stage = at("stage"), pointers = new Map();
  stage.addEventListener("click", e => { const g = e.target.closest && e.target.closest("g[data-id]"); if (g && !moved && !(g.classList.contains("frame") && e.target.classList.contains("area"))) press(g.dataset.id, e.shiftKey); });
  stage.addEventListener("pointerdown", e => { pointers.set(e.pointerId, [e.clientX, e.clientY]); if (pointers.size === 1) moved = false; });
  addEventListener("pointermove", e => {
    const was = pointers.get(e.pointerId);
    if (!was) return;
    if (pointers.size === 2) {  // two fingers
      const [other] = [...pointers].filter(([id]) => id !== e.pointerId).map(([, p]) => p), r = stage.getBoundingClientRect(), far = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]) || 1;
      left += (e.clientX - was[0]) / 2; top_ += (e.clientY - was[1]) / 2;  // what is between the fingers stays there
      zoomBy(far([e.clientX, e.clientY], other) / far(was, other), (e.clientX + other[0]) / 2 - r.left, (e.clientY + other[1]) / 2 - r.top);
    } else { own = true; left += e.clientX - was[0]; top_ += e.clientY - was[1]; place(); }
    if (Math.hypot(e.clientX - was[0], e.clientY - was[1]) > 2) moved = true;
    pointers.set(e.pointerId, [e.clientX, e.clientY]);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, e => pointers.delete(e.pointerId));
  stage.addEventListener("wheel", e => { e.preventDefault(); const r = stage.getBoundingClientRect(); zoomBy(Math.exp(-e.deltaY * 0.0016), e.clientX - r.left, e.clientY - r.top); }, {passive: false});
  addEventListener("resize", () => { if (own) return; if (!formed) openAtLevel(); draw(); });
  addEventListener("beforeprint", () => { svg.setAttribute("viewBox", `-8 -8 ${lay.w + 16} ${lay.h + 16}`); world.removeAttribute("transform"); });  // the whole graph, whatever the sheet's size
  addEventListener("afterprint", () => { svg.removeAttribute("viewBox"); place(); });
}
if (matchMedia("(prefers-color-scheme: dark)").matches) actions.look();
label(); openAtLevel(); draw(); walkTo(0, false); details(null);
document.body.dataset.opened = String(Math.round(performance.now()));
