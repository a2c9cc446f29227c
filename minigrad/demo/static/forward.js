"use strict";  // a network's forward pass: layers as minigrad.demo.networks exports them, arrays row after row, sizes [C, H, W] or [N]
const LAYERS = {
  conv(x, [channels, height, width], l) {
    const [maps, rows, columns] = l.out, [KH, KW] = l.kernel, part = channels / l.groups, y = new Float64Array(maps * rows * columns);
    for (let d = 0; d < maps; d++) for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
      let total = l.bias ? l.bias[d] : 0;
      const first = Math.floor(d / (maps / l.groups)) * part;
      for (let c = 0; c < part; c++) for (let a = 0; a < KH; a++) {
        const r = i * l.stride[0] - l.padding[0] + a * l.dilation[0];
        if (r < 0 || r >= height) continue;
        for (let b = 0; b < KW; b++) {
          const s = j * l.stride[1] - l.padding[1] + b * l.dilation[1];
          if (s >= 0 && s < width) total += l.weight[((d * part + c) * KH + a) * KW + b] * x[((first + c) * height + r) * width + s];
        }
      }
      y[(d * rows + i) * columns + j] = total;
    }
    return y;
  },
  pool(x, [channels, height, width], l) {
    const [, rows, columns] = l.out, y = new Float64Array(channels * rows * columns);
    for (let c = 0; c < channels; c++) for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
      const top = i * l.stride[0] - l.padding[0], left = j * l.stride[1] - l.padding[1];
      let most = -Infinity, total = 0, inside = 0;
      for (let a = 0; a < l.kernel[0]; a++) for (let b = 0; b < l.kernel[1]; b++) {
        const r = top + a * l.dilation[0], s = left + b * l.dilation[1];
        if (r < 0 || r >= height || s < 0 || s >= width) continue;
        const v = x[(c * height + r) * width + s];
        most = Math.max(most, v); total += v; inside++;
      }
      const padded = (Math.min(top + l.kernel[0], height + l.padding[0]) - top) * (Math.min(left + l.kernel[1], width + l.padding[1]) - left);
      y[(c * rows + i) * columns + j] = l.max ? most : total / (l.divisor || (l.padding_counts ? padded : inside));
    }
    return y;
  },
  linear(x, size, l) {
    const [outputs] = l.out, inputs = x.length;
    return Float64Array.from({ length: outputs }, (_, k) => {
      let total = l.bias ? l.bias[k] : 0;
      for (let n = 0; n < inputs; n++) total += l.weight[k * inputs + n] * x[n];
      return total;
    });
  },
  affine: (x, size, l) => x.map((v, k) => { const c = Math.floor(k / (x.length / l.weight.length)); return v * l.weight[c] + l.bias[c]; }),  // batch normalisation in evaluation
  same: x => x,
  relu: x => x.map(v => Math.max(v, 0)),
  leaky: (x, size, l) => x.map(v => v > 0 ? v : l.slope * v),
  elu: (x, size, l) => x.map(v => v > 0 ? v : l.slope * Math.expm1(v)),
  tanh: x => x.map(Math.tanh),
  sigmoid: x => x.map(v => 1 / (1 + Math.exp(-v))),
  silu: x => x.map(v => v / (1 + Math.exp(-v))),
};
/** The outputs of all layers, [{values, size}], for an image of that size as the network takes it (normalised). */
function forward(layers, values, size) {
  const outputs = [];
  for (const l of layers) {
    values = LAYERS[l.kind](values, size, l); size = l.out;
    outputs.push({ values, size });
  }
  return outputs;
}
