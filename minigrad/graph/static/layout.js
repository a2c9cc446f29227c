// A layered layout of nested boxes. Every open module is laid out by itself and is then one large box of the module around it; an arrow
// that crosses a frame does so at a port. Lengths run along the layers (y) and across them (x); the caller swaps them for left to right.
//
// arranged(root, boxes, edges): root = {id, children: [box or module]}, a box = {id, w, h, at: how far from its middle arrows end}, a module = {id, children, label: the width of its title, least: of its name};
// edges = [[from box, to box], ...]. What is longer than `limit` is broken into columns side by side, where at most `passing` results pass. A layer that is
// wider than `across` goes on in layers of its own below it (as Coffman and Graham bound the width of a schedule). With `spines`, a module stands
// in line with the few boxes beside it, and what is in it has the length that they leave; else it may begin a column of its own.
// Returns {w, h, used, turns, places, frames, segments}.
const GAP = 22, BESIDE = 16, PAD = 12, HEAD = 24, TURN = 3;  // TURN: from line to line where results go on in the next column

function arranged(root, edges, limit = Infinity, sideways = false, across = Infinity, spines = true, passing = 3) {
  const [TOP, LEFT] = sideways ? [PAD, HEAD] : [HEAD, PAD];  // its title is above what is in a module, also when the caller swaps lengths
  const up = new Map(), order = new Map();  // child -> module; box -> place in the order of creation
  (function note(module) { for (const c of module.children) { up.set(c.id, module); order.set(c.id, order.size); if (c.children) note(c); } })(root);
  const chain = id => { const found = []; for (let m = up.get(id); m; m = up.get(m.id)) found.push(m); return found; };
  const inner = new Map();  // module -> its edges
  const add = (module, u, v, key, target) => {
    const all = inner.get(module) || inner.set(module, new Map()).get(module), name = u + " " + v + " " + key;
    if (!all.has(name)) all.set(name, {u, v, key, targets: []});
    all.get(name).targets.push(target);
  };
  for (const [a, b] of edges) {
    const over = chain(a), under = chain(b), common = over.find(m => under.includes(m));
    let at = a;
    for (const m of over) { if (m === common) break; add(m, at, ">" + a, a, b); at = m.id; }
    let to = b;
    for (const m of under) { if (m === common) break; add(m, "<" + a, to, a, b); to = m.id; }
    add(common, at, to, a, b);
  }
  return spread(layer(root, limit, across));

  function standing(module, loose) {  // the heights of the layers that a module's own boxes need: what several results lead to stands in one
    const after = new Map(), high = [];
    for (const e of (inner.get(module) || new Map()).values()) { if (!after.has(e.u)) after.set(e.u, []); after.get(e.u).push(e.v); }
    const level = new Map(module.children.map(c => [c.id, 0]));
    for (const c of module.children) for (const v of after.get(c.id) || []) if (order.get(v) > order.get(c.id)) level.set(v, Math.max(level.get(v), level.get(c.id) + 1));
    for (const c of loose) { const l = level.get(c.id); high[l] = Math.max(high[l] || 0, c.h); }
    return high.filter(h => h);
  }

  function layer(module, limit, across) {  // {w, h, items, parts, ports}: places inside the module
    const items = new Map(), list = [];
    const loose = module.children.filter(c => !c.children), lines = standing(module, loose), few = spines && lines.length < 4, beside = few ? lines.reduce((n, h) => n + h + GAP, 0) : 0;
    const put = item => { items.set(item.id, item); list.push(item); };
    for (const c of module.children) {
      if (!c.children) { put({id: c.id, w: c.w, h: c.h, at: c.at || 0, ports: null}); continue; }
      const sub = layer(c, Math.max(limit - TOP - PAD - beside, 200), across - LEFT - PAD);
      let w = Math.max(sub.w + LEFT + PAD, sideways ? 0 : c.label);
      const enter = sideways ? [] : [...sub.ports["<"].values()].sort((p, q) => p - q);
      if (enter.length && ![...enter, w].some((x, i) => x - (enter[i - 1] ?? 0) >= c.least)) w = enter.at(-1) + c.least;  // room for the name beside what enters
      put({id: c.id, w, h: Math.max(sub.h + PAD + TOP, sideways ? c.label : 0), sub, ports: sub.ports});
    }
    const links = [...(inner.get(module) || new Map()).values()];
    for (const e of links) for (const end of [e.u, e.v]) if (!items.has(end)) put({id: end, w: 0, h: 0, port: end[0]});
    list.forEach((item, i) => { item.place = item.port === "<" ? -1 : item.port ? 1e9 : i; item.rank = 0; });
    const computed = new Set(links.map(e => e.v));  // what is given comes before its first use, also if it was made later: the states that a module fills in
    for (const e of links) { const u = items.get(e.u); if (!u.port && !computed.has(e.u)) u.place = Math.min(u.place, items.get(e.v).place - 0.5); }
    const out = new Map(list.map(i => [i, []])), into = new Map(list.map(i => [i, []]));
    const back = [];
    for (const e of links) {
      const u = items.get(e.u), v = items.get(e.v);
      if (u.place >= v.place) { back.push(e); continue; }  // modules that call each other in turns
      out.get(u).push({v, e}); into.get(v).push({u, e});
    }
    const sorted = [...list].sort((p, q) => p.place - q.place);
    const entries = list.some(i => i.port === "<") ? 1 : 0;
    let lowest = entries;
    const taken = [], full = (v, r) => taken[r] && taken[r] + BESIDE + v.w > across, take = (v, r) => { v.rank = r; taken[r] = taken[r] ? taken[r] + BESIDE + v.w : v.w; };
    for (const v of sorted) {
      if (v.port) { v.rank = v.port === "<" ? 0 : Math.max(entries, ...into.get(v).map(({u}) => u.rank + 1)); continue; }
      let r = Math.max(entries, ...into.get(v).map(({u}) => u.rank + 1));
      if (!into.get(v).length && !out.get(v).length) r = lowest;  // what no arrow touches stands beside what was made just before it
      while (full(v, r)) r++;
      lowest = Math.max(lowest, r);
      take(v, r);
    }
    for (const v of [...sorted].reverse()) {
      if (v.port || into.get(v).length || !out.get(v).length) continue;
      let r = Math.min(...out.get(v).map(o => o.v.rank)) - 1;
      while (r > v.rank && full(v, r)) r--;
      if (r > v.rank) { taken[v.rank] = Math.max(0, taken[v.rank] - BESIDE - v.w); take(v, r); }
    }
    const last = Math.max(0, ...list.filter(i => i.port !== ">").map(i => i.rank)) + 1;
    for (const v of list) if (v.port === ">") v.rank = last;
    const ranks = [];
    const row = r => ranks[r] || (ranks[r] = []);
    for (const v of sorted) row(v.rank).push(v);
    const pieces = [];  // from layer to layer: {a, b, e's key, targets}
    for (const u of sorted) {  // one way for all uses of a result that lie further down: arrows merge
      const byKey = new Map();
      for (const {v, e} of out.get(u)) { if (!byKey.has(e.key)) byKey.set(e.key, []); byKey.get(e.key).push({v, e}); }
      for (const [key, uses] of byKey) {
        uses.sort((p, q) => p.v.rank - q.v.rank);
        let from = u, at = u.rank;
        const rest = [...uses];
        while (rest.length) {
          while (rest.length && rest[0].v.rank === at + 1) { const {v, e} = rest.shift(); pieces.push({a: from, b: v, key, targets: e.targets}); }
          if (!rest.length) break;
          const dummy = {id: "", w: 8, h: 0, dummy: true, rank: ++at};
          row(at).push(dummy);
          pieces.push({a: from, b: dummy, key, targets: rest.flatMap(x => x.e.targets)});
          from = dummy;
        }
      }
    }
    for (let r = 0; r < ranks.length; r++) row(r);
    const above = new Map(), below = new Map();
    const shift = (item, key, side) => item.at || (item.ports ? (item.ports[side].get(key) ?? item.w / 2) - item.w / 2 : 0);
    for (const p of pieces) {
      p.da = shift(p.a, p.key, ">"); p.db = shift(p.b, p.key, "<");
      if (!below.has(p.a)) below.set(p.a, []); below.get(p.a).push(p);
      if (!above.has(p.b)) above.set(p.b, []); above.get(p.b).push(p);
    }
    for (const p of pieces) {  // what hangs on one arrow follows it; an arrow that joins a chain from the side does not bend it
      const single = p.a.dummy ? above.get(p.b).length === 1 : below.get(p.a).length === 1;
      p.weight = p.a.dummy && p.b.dummy ? 4 : p.a.dummy || p.b.dummy ? single ? 1 : 0.05 : p.b.place - p.a.place === 1 ? 8 : 2;
    }
    // order within the layers: by the mean place of the neighbours, down and up in turn; the order with the fewest crossings stays
    const index = () => ranks.forEach(items => items.forEach((v, i) => { v.i = i; }));
    index();
    const crossings = () => {
      let n = 0;
      for (const items of ranks) {
        const ends = items.flatMap(v => (below.get(v) || []).map(p => [v.i + p.da / (v.w + 1), p.b.i]));
        if (ends.length > 120) continue;
        for (let i = 0; i < ends.length; i++) for (let j = 0; j < i; j++) if ((ends[i][0] - ends[j][0]) * (ends[i][1] - ends[j][1]) < 0) n++;
      }
      return n;
    };
    if (list.length < 1500) {
      let best = crossings(), kept = ranks.map(items => [...items]);
      for (let turn = 0; turn < 8 && best; turn++) {
        const down = turn % 2 === 0;
        for (const items of down ? ranks : [...ranks].reverse()) {
          for (const v of items) {
            const near = (down ? above : below).get(v) || [];
            v.mean = near.length ? near.reduce((s, p) => s + (down ? p.a.i + p.da / (p.a.w + 1) : p.b.i + p.db / (p.b.w + 1)), 0) / near.length : v.i;
          }
          items.sort((p, q) => p.mean - q.mean);
          items.forEach((v, i) => { v.i = i; });
        }
        const now = crossings();
        if (now < best) { best = now; kept = ranks.map(items => [...items]); }
      }
      ranks.forEach((_, r) => { ranks[r] = kept[r]; });
      index();
    }
    const tall = ranks.map(items => Math.max(0, ...items.map(v => v.h)));
    const after = r => r === ranks.length - 1 ? 0 : tall[r] === 0 && ranks[r].every(v => v.port) ? 4 : ranks[r + 1].every(v => v.port) ? 4 : GAP;
    const length = tall.reduce((n, t, r) => n + t + after(r), 0), wanted = Math.ceil(length / limit);
    for (const p of pieces) p.way = (p.a.ways ||= {})[p.key] ||= {};  // what the arrows of one result have in common
    const distinct = pieces => new Set(pieces.map(p => p.way)).size;
    const leaving = list.filter(v => v.port === ">" && above.has(v)).map(v => {  // the pieces of a way that leads out of the module and nowhere else, from its end
      const found = [];
      for (let p = above.get(v)[0]; p; p = p.a.dummy && below.get(p.a).length === 1 ? above.get(p.a)[0] : null) found.push(p);
      for (const p of found) p.leaves = true;
      return found;
    });
    const through = ranks.map(items => distinct(items.flatMap(v => below.get(v) || []).filter(p => !p.leaves)));  // results that go from layer r to the next
    const column = new Array(ranks.length).fill(0);
    const spine = few && module.children.length - loose.length === 1;
    if (wanted > 1 && !spine) for (let r = 1, long = tall[0], c = 0, start = 0, left = length - long; r < ranks.length; r++) {
      const more = after(r - 1) + tall[r];
      left -= after(r - 1);
      if (through[r - 1] <= passing && tall[r] && r > entries && left > 0.12 * limit && (start + long + more > limit - 8 - TURN || (long > 0.9 * length / wanted && long + more > length / wanted))) { c++; long = 0; start = 12 + TURN * through[r - 1]; }
      column[r] = c; long += more; left -= tall[r];
    }
    for (const way of leaving) {  // it needs not pass the columns that follow: it leaves the module where its own column ends
      const port = way[0].b, c = column[way.at(-1).a.rank], cut = way.findLastIndex(p => column[p.b.rank] > c);
      if (cut < 0) continue;
      const last = way[cut], gone = new Set(way.slice(0, cut));
      for (let i = pieces.length - 1; i >= 0; i--) if (gone.has(pieces[i])) pieces.splice(i, 1);
      for (const v of [port, ...way.slice(0, cut).map(p => p.a)]) ranks[v.rank].splice(ranks[v.rank].indexOf(v), 1);
      below.set(last.a, below.get(last.a).filter(p => p !== last));
      last.b = port; last.db = 0; port.rank = last.a.rank; port.after = last;
    }
    // places across: each item wants the weighted mean of its neighbours' places; of neighbours in conflict the mean counts
    for (const items of ranks) { let x = 0; for (const v of items) { v.x = x + v.w / 2; x += v.w + BESIDE; } const mid = (x - BESIDE) / 2; for (const v of items) v.x -= mid; }
    const widest = Math.max(across, ...ranks.map(items => items.reduce((n, v) => n + v.w + BESIDE, -BESIDE)));
    const settle = (items, wish) => {
      const blocks = [];
      let offset = 0;
      items.forEach((v, i) => {
        offset += i ? (items[i - 1].w + v.w) / 2 + BESIDE : 0;
        const [want, weight] = wish(v);
        blocks.push({sum: (want - offset) * weight, weight, n: 1, offsets: [offset]});
        while (blocks.length > 1) {
          const q = blocks.at(-1), p = blocks.at(-2);
          if (p.sum / p.weight <= q.sum / q.weight) break;
          blocks.pop();
          p.sum += q.sum; p.weight += q.weight; p.offsets.push(...q.offsets);
        }
      });
      let i = 0, [low, high] = [-Infinity, Infinity];
      if (items.length && across < Infinity) {  // nothing sticks out of the width that there is: bounds for all, so that the order stays
        low = (items[0].w - widest) / 2; high = Math.max(low, (widest - items.at(-1).w) / 2 - offset);
      }
      for (const b of blocks) for (const o of b.offsets) items[i++].x = Math.min(high, Math.max(low, b.sum / b.weight)) + o;
    };
    const pull = (near, down) => near.reduce(([s, w], p) => [s + p.weight * (down ? p.a.x + p.da - p.db : p.b.x + p.db - p.da), w + p.weight], [0, 0]);
    for (let turn = 0; turn < 14; turn++) {
      const down = turn % 2 === 0, both = turn >= 10;
      for (const items of down ? ranks : [...ranks].reverse()) settle(items, v => {
        let [s, w] = [0, 0];
        if (down || both) { const [a, b] = pull(above.get(v) || [], true); s += a; w += b; }
        if (!down || both) { const [a, b] = pull(below.get(v) || [], false); s += a; w += b; }
        return w ? [s / w, w] : [v.x, 0.01];
      });
    }
    for (const p of pieces) {  // a way past several layers is one straight line where its neighbours leave it the room
      if (!p.b.dummy || (p.a.dummy && column[p.a.rank] === column[p.b.rank])) continue;
      const line = [p.b];
      for (let q; (q = (below.get(line.at(-1)) || []).find(q => q.b.dummy && column[q.b.rank] === column[p.b.rank])); ) line.push(q.b);
      let low = -Infinity, high = Infinity;
      for (const v of line) {
        const items = ranks[v.rank], i = items.indexOf(v), [before, behind] = [items[i - 1], items[i + 1]];
        if (before) low = Math.max(low, before.x + (before.w + v.w) / 2 + BESIDE);
        if (behind) high = Math.min(high, behind.x - (behind.w + v.w) / 2 - BESIDE);
      }
      const mean = line.reduce((n, v) => n + v.x, 0) / line.length, own = p.a.x + p.da;
      const wish = p.weight < 1 || own < low || own > high || column[p.a.rank] !== column[p.b.rank] ? mean : own;
      if (low <= high) for (const v of line) v.x = Math.min(high, Math.max(low, wish));
    }
    let x0 = 0, bottom = 0, ways = 0, most = 0;
    for (let c = 0; c <= column.at(-1); c++) {  // each column begins at the top, right of the one before
      let left = Infinity, right = -Infinity, y = c ? 12 + TURN * ways : 0, end = 0;
      ranks.forEach((items, r) => { if (column[r] === c) for (const v of items) { left = Math.min(left, v.x - v.w / 2); right = Math.max(right, v.x + v.w / 2); } });
      if (left > right) left = right = 0;
      ranks.forEach((items, r) => {
        if (column[r] !== c) return;
        for (const v of items) { v.x += x0 - left; v.top = y; v.y = y + (tall[r] - v.h) / 2; v.high = tall[r]; v.column = c; v.edge = x0 + right - left; }
        end = y + tall[r]; y = end + after(r);
      });
      bottom = Math.max(bottom, end);
      ways = distinct(pieces.filter(p => p.a.column === c && column[p.b.rank] > c));  // arrows in the gap, which is as wide as they need
      most = Math.max(most, ways);
      x0 += right - left + (c < column.at(-1) ? 32 + 7 * Math.max(0, ways - 1) : 0);
    }
    if (column.at(-1)) {
      bottom += 8 + TURN * most;
      for (const v of list) if (v.port === ">") { v.top = v.y = bottom; if (v.after) { v.x = v.after.a.x + v.after.da; v.column = v.after.a.column; } }
    }
    const turned = list.reduce((n, v) => n + (v.sub ? v.sub.turned : 0), distinct(pieces.filter(p => p.a.column !== p.b.column)) - column.at(-1));  // ways from column to column, more than one each
    const ports = {"<": new Map(), ">": new Map()};
    for (const v of list) if (v.port) ports[v.port].set(v.id.slice(1), v.x + LEFT);
    return {w: x0, h: bottom, list, pieces, ports, back, items, turned};
  }

  function spread(whole) {
    const places = new Map(), frames = new Map(), segments = [];
    (function put(layer, x, y, id) {
      for (const v of layer.list) {
        if (v.port) continue;
        const box = {x: x + v.x - v.w / 2, y: y + v.y, w: v.w, h: v.h};
        (v.sub ? frames : places).set(v.id, box);
        if (v.sub) put(v.sub, box.x + LEFT, box.y + TOP, v.id);
      }
      const turns = new Map();  // column -> what leaves it: the ways of one result merge
      for (const {a, b, key, da, db, targets, way} of layer.pieces) {
        if (a.column !== b.column) {  // down, through the gap between the columns, and up to the next one's top
          const known = turns.get(a.column) || turns.set(a.column, []).get(a.column);
          if (!known.includes(way)) known.push(way);
          const n = known.indexOf(way), gutter = x + a.edge + 16 + 7 * n, low = y + Math.min(layer.h, a.top + a.high + 8 + TURN * n), high = y + 6 + TURN * n;
          segments.push({key, targets, square: true, head: !b.dummy && !b.port && !b.sub, points: [
            [x + a.x + da, y + (a.dummy ? a.top + a.high : a.y + a.h)], [x + a.x + da, low], [gutter, low], [gutter, high], [x + b.x + db, high], [x + b.x + db, b.dummy ? y + b.top + b.high : y + b.y]]});
          continue;
        }
        const x0 = x + a.x + da, x1 = x + b.x + db;
        segments.push({key, targets, head: !b.dummy && !b.port && !b.sub, points: [
          [x0, a.port === "<" ? y - TOP : y + (a.dummy ? a.top + a.high : a.y + a.h)], [x0, y + a.top + a.high],
          [x1, y + b.top], [x1, b.port === ">" ? y + b.top + PAD : b.dummy ? y + b.top + b.high : y + b.y]]});
      }
      for (const {u, v, key, targets} of layer.back) {
        const a = layer.items.get(u), b = layer.items.get(v);
        segments.push({key, targets, head: true, points: [[x + a.x, y + a.y], [x + a.x, y + a.y - 8], [x + b.x, y + b.y + b.h + 8], [x + b.x, y + b.y + b.h]]});
      }
    })(whole, 0, 0, "");
    const used = whole.list.reduce((n, v) => n + v.w * v.h, 0);  // the area of what is at the outermost level
    return {w: whole.w, h: whole.h, used, turns: whole.turned, places, frames, segments};
  }
}
