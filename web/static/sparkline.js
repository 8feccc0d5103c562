const uPlot = globalThis.uPlot; // vendor/uplot, a classic script: its package has no smaller module
const HEADROOM = 0.1;
const DOT = 2.5;

/** A small line, without axes. One can be shown in one cell after another. */
export class Sparkline {
  #plot;
  #cell;
  #size = "";
  #span = 1;

  constructor(ink) {
    this.#plot = new uPlot({
      width: 100,
      height: 30,
      padding: [DOT + 1, DOT + 3, DOT + 1, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: {
        x: { time: false, range: (_, first, last) => (last === null ? [0, 1] : [last - this.#span, last]) },
        y: { range: (_, low, high) => around(low, high) },
      },
      series: [{}, { stroke: () => ink.line, width: 1.5, points: { show: false } }],
      hooks: { draw: [(plot) => drawEnd(plot, ink)] },
    }, [[], []]);
  }

  get cell() {
    return this.#cell;
  }

  put(cell) {
    this.#cell = cell;
    cell.append(this.#plot.root);
  }

  remove() {
    this.#cell = null;
    this.#plot.root.remove();
  }

  /** Takes the size of its cell, which must not depend on what is in it. */
  fit(width, height) {
    const size = `${width} ${height}`;
    if (size === this.#size || width < 1 || height < 1) return;
    this.#size = size;
    this.#plot.setSize({ width, height });
  }

  /** `span` is how many seconds up to its end are shown. */
  draw(series, span) {
    this.#span = span;
    this.#plot.setData(series);
  }
}

function around(low, high) {
  if (low === null) return [0, 1];
  const room = (high - low || Math.abs(high) * 1e-4 || 1) * HEADROOM;
  return [low - room, high + room];
}

/** A dot where the line has got to, if it is still going. */
function drawEnd(plot, ink) {
  const [times, values] = plot.data;
  const last = values.at(-1);
  if (last === null || last === undefined) return;
  const { ctx } = plot;
  ctx.beginPath();
  ctx.arc(plot.valToPos(times.at(-1), "x", true), plot.valToPos(last, "y", true), DOT * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fillStyle = ink.dot;
  ctx.fill();
}

/** The colours of the style sheet, which a canvas cannot inherit. Reads them again when the scheme changes. */
export function inkOf(element) {
  const ink = {};
  const read = () => {
    const style = getComputedStyle(element);
    ink.line = style.getPropertyValue("--line-ink").trim();
    ink.dot = style.getPropertyValue("--ink").trim();
  };
  read();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
  return ink;
}
