// The page's words. A language is a column.
const WORDS = {
  search: ["name, op, class, shape, parameter", "名前・演算・クラス・形・パラメータ"], searchLabel: ["search", "検索"], clear: ["clear the search", "検索を消す"],
  fold: ["fold all", "すべて畳む"], unfold: ["unfold all", "すべて開く"], fit: ["fit", "全体"], turn: ["turn: top-down or left-to-right", "向き：縦・横"],
  look: ["dark or light", "明暗"], print: ["print", "印刷"], language: ["日本語", "English"], help: ["keys", "キー"], panel: ["details", "詳細"],
  hits: ["found", "件"], nothing: ["nothing found", "見つかりません"], noWay: ["no path leads from one to the other", "二つを結ぶ道はありません"],
  way: ["boxes on the paths", "道の上の箱"], foldThis: ["fold", "畳む"], unfoldThis: ["unfold", "開く"], pathFrom: ["paths from here…", "ここからの道…"],
  pickEnd: ["choose the other end", "もう一方を選んでください"],
  result: ["result", "結果"], value: ["value", "値"], kind: ["kind", "種類"], class: ["class", "クラス"], path: ["module", "モジュール"], op: ["op", "演算"], within: ["part of", "呼んだ関数"],
  settings: ["settings", "設定"], arguments: ["arguments", "引数"], parameters: ["parameters", "パラメータ"], keeps: ["kept for backward", "逆伝播のために保持"],
  shared: ["shared, costs nothing", "共有（追加なし）"], forwardMath: ["what it computes", "計算"], gradientMath: ["gradients, as mathematics", "勾配（数式）"],
  gradientCode: ["as written in the source", "ソースの記述"], line: ["made at", "作った行"], usedBy: ["goes to", "行き先"], gradient: ["gradient", "勾配"],
  norm: ["norm", "ノルム"], in: ["in", "入力"], out: ["out", "出力"], inside: ["inside", "中身"], each: ["each", "各"],
  steps: ["step by step", "一歩ずつ"], forward: ["forward", "順伝播"], backward: ["backward", "逆伝播"], prev: ["previous step", "前へ"], next: ["next step", "次へ"],
  play: ["play", "再生"], pause: ["pause", "停止"], outline: ["modules", "モジュール"],
  gradientTab: ["gradient that arrives: its norm, a scalar's value", "届く勾配：ノルム、スカラーなら値"], noFlow: ["no gradient flows", "勾配は流れない"],
  walkHint: ["Below: ▶ runs the network one op at a time, forward and then backward, with its numbers.", "下の ▶ で一演算ずつ実行：まず順伝播、次に逆伝播を数値とともに。"], step: ["step", "ステップ"], chainRule: ["the chain rule here", "ここでの連鎖律"], arrives: ["arrives", "届く勾配"], leaves: ["goes on to", "渡す勾配"],
  pick: ["Pick a cell: the cells that it came from are marked.", "マスを選ぶと、その元になったマスに印が付きます。"], products: ["terms", "項"], cells: ["cells", "マス"],
  unknown: ["not kept", "保持されていない"], noArrays: ["The numbers are not in this page: draw with backward=True or values=True.", "数値は含まれていません：draw(backward=True) か values=True で描いてください。"],
  tooLarge: ["too large to be carried whole: the first maps, made smaller, and the histogram", "大きいので縮小した最初の数枚とヒストグラムだけ"],
  hint: ["Click a box for its details, a module to open or fold it. Drag to move, wheel to zoom.", "箱をクリックすると詳細、モジュールをクリックすると開閉。ドラッグで移動、ホイールで拡大。"],
  hintTouch: ["Tap a box for its details, a module to open or fold it. Drag to move, pinch to zoom.", "箱をタップすると詳細、モジュールをタップすると開閉。ドラッグで移動、ピンチで拡大。"],
  keys: ["← → steps · Tab boxes · Enter open · / search · Esc clear · F fit · T turn · D dark · + − zoom · P path", "← → 一歩 · Tab 箱 · Enter 開く · / 検索 · Esc 消す · F 全体 · T 向き · D 明暗 · + − 拡大 · P 道"],
  ops: ["ops", "個の演算"], oneOp: ["op", "個の演算"], opCount: ["ops", "演算の数"], keptAll: ["kept for backward", "を逆伝播のために保持"], colours: ["colours", "色"], comes: ["comes from", "元"], maximum: ["the largest of", "最大"], minimum: ["the smallest of", "最小"], zeros: ["of them 0", "個は 0"],
  allSame: ["A result cell depends on the cells at the same place.", "結果のマスは同じ位置のマスだけで決まります。"], graph: ["graph", "グラフ"],
  constant: ["a constant, no cell of an operand", "定数（元のマスなし）"],
  sumTooLarge: ["too large for this page, so the sum cannot be written out", "このページには大きすぎるため、和を書き下せません"],
  mean: ["mean", "平均"], histogram: ["histogram", "ヒストグラム"], scalar: ["scalar", "スカラー"],
  notApart: ["The page does not take this op apart cell by cell.", "この演算はマスごとの計算を表示しません。"],
};
const LEGEND = {  // the colours' names in Japanese
  convolution: "畳み込み", pooling: "プーリング", matrices: "行列", activation: "活性化", elementwise: "要素ごと", normalisation: "正規化", recurrent: "再帰", softmax: "ソフトマックス",
  loss: "損失", reduction: "集約", shape: "形の変更", indexing: "添字", windows: "窓", dropout: "ドロップアウト", "your own op": "自作の演算", parameter: "パラメータ", buffer: "バッファ", input: "入力",
  constant: "定数", "leaf: given, with gradient": "葉：与えられ、勾配あり", "module, folded": "モジュール（畳んだもの）", "many ops": "多くの演算", other: "その他",
};
const PHRASES = [  // what the data says in words, in Japanese
  [/^backward pass( \d+)?$/, "逆伝播$1"], [/^(\d+) ops?$/, "$1 個の演算"], [/^used where nothing is recorded$/, "記録されない所で使用"], [/^made where nothing is recorded$/, "記録されない所で計算"],
  [/^scalar$/, "スカラー"], [/^and (\d+) more$/, "ほか $1 種"], [/^leaves (×[\d,]+)$/, "葉 $1"], [/^parameters (×[\d,]+)$/, "パラメータ $1"], [/^buffers (×[\d,]+)$/, "バッファ $1"],
  [/^constants (×[\d,]+)$/, "定数 $1"], [/^op$/, "演算"], [/^leaf$/, "葉"], [/^input$/, "入力"], [/^output$/, "出力"], [/^parameter$/, "パラメータ"], [/^buffer$/, "バッファ"], [/^constant$/, "定数"],
  [/^zero$/, "ゼロ"], [/^vanishing$/, "消失"], [/^exploding$/, "爆発"], [/^nan$/, "NaN"], [/^inf$/, "無限大"], [/^graph$/, "グラフ"],
];
let speak = (navigator.language || "").startsWith("ja") ? 1 : 0;
const say = key => WORDS[key][speak];
/** Text of the data in the page's language; the names of ops, classes, arguments and the user's own are names in both. */
const translated = text => speak ? PHRASES.reduce((t, [english, japanese]) => t.replace(english, japanese), text) : text;
/** Texts of the data are put in words of the page's language where they stand. */
function reworded(holder, ...keys) {
  const english = holder.english ||= {};
  for (const key of keys) if (holder[key] !== undefined) {
    english[key] ??= holder[key];
    holder[key] = Array.isArray(english[key]) ? english[key].map(translated) : translated(english[key]);
  }
}
