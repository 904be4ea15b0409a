// SPDX-License-Identifier: MIT
// The charts, and the five minutes that they show: kept in this page, a point a second. Chart.js is a global of
// the script before this one.
import { durationText, rateText } from "/dashboard/figures.js";

const POINTS = 300;

// Of each chart its lines: what a point has under `name`, and the variable of the style sheet that is its colour.
const CHARTS = {
  throughput: {
    stacked: true,
    lines: [
      ["executed", "executed", "--line-good"],
      ["absorbed", "duplicates absorbed", "--line-main"],
      ["completed", "completed", "--line-calm"],
      ["disputed", "conflict, unknown, stale", "--line-odd"],
      ["failed", "refused, failed", "--line-bad"],
      ["other", "other", "--line-faint"],
    ],
  },
  latency: {
    logarithmic: true,
    text: durationText,
    lines: [["p50", "p50", "--line-good"], ["p99", "p99", "--line-main"], ["p999", "p99.9", "--line-odd"]],
  },
  duplicates: {
    stacked: true,
    lines: [["replayed", "replayed", "--line-main"], ["refused_in_flight", "while in flight", "--line-calm"]],
  },
  flight: {
    text: (value) => String(value),
    whole: true,
    lines: [["in_flight", "in flight", "--line-main"], ["waiters", "waiters", "--line-odd"], ["held", "held for the disk", "--line-faint"]],
  },
};

const points = [];  // of each moment what was known of each door, and under "" of all
const charts = {};
let door = "";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function secondsAgo(value) {
  if (value === 0) return "now";
  if (value % 60 === 0) return `${-value / 60} min`;
  return value % 15 === 0 && this.min === -60 ? `${-value} s` : null;
}

function options(kind) {
  const text = kind.text ?? rateText;
  const grid = colour("--rule");
  const ink = colour("--quiet");
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    parsing: false,
    interaction: { mode: "index", intersect: false },
    elements: { point: { radius: 0, hitRadius: 6 }, line: { borderWidth: 1.5, tension: 0 } },
    scales: {
      x: {
        type: "linear", min: -POINTS, max: 0,
        grid: { color: grid, drawTicks: false, borderColor: grid },
        ticks: { color: ink, stepSize: 15, maxRotation: 0, autoSkip: false, padding: 8, callback: secondsAgo },
      },
      y: {
        type: kind.logarithmic ? "logarithmic" : "linear", beginAtZero: !kind.logarithmic, stacked: Boolean(kind.stacked),
        suggestedMax: kind.logarithmic ? undefined : 1,
        grid: { color: grid, drawTicks: false, borderColor: grid },
        ticks: {
          color: ink, padding: 6, maxTicksLimit: 5, precision: kind.whole ? 0 : undefined,
          callback: (value) => (kind.logarithmic && !/^1/.test(String(value)) ? "" : text(value)),
        },
      },
    },
    plugins: {
      legend: { position: "bottom", align: "start", labels: { color: colour("--ink"), boxWidth: 10, boxHeight: 10, padding: 10 } },
      tooltip: {
        callbacks: {
          title: (items) => (items.length === 0 ? "" : `${Math.round(-items[0].parsed.x)} s ago`),
          label: (item) => `${item.dataset.label}: ${text(item.parsed.y)}`,
        },
      },
    },
  };
}

function dataset(kind, [name, label, variable]) {
  const ink = colour(variable);
  return { label, name, data: [], borderColor: ink, backgroundColor: kind.stacked ? `${ink}55` : ink,
           fill: kind.stacked ? "stack" : false, spanGaps: false };
}

// Once, and again whenever the colours change.
export function drawCharts() {
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  for (const [id, kind] of Object.entries(CHARTS)) {
    charts[id]?.destroy();
    charts[id] = new window.Chart(document.getElementById(`chart-${id}`), {
      type: "line",
      data: { datasets: kind.lines.map((line) => dataset(kind, line)) },
      options: options(kind),
    });
  }
  show();
}

function show() {
  const now = performance.now();
  const window = points.length === 0 ? 0 : Math.ceil((now - points[0].at) / 30000) * 30;
  for (const chart of Object.values(charts)) {
    chart.options.scales.x.min = -Math.min(POINTS, Math.max(60, window));
    for (const line of chart.data.datasets) {
      // By tenths of a second: Chart.js keeps something for each x that it has ever seen, and never frees it.
      line.data = points.map((point) => ({ x: Math.round((point.at - now) / 100) / 10, y: point.doors?.[door]?.[line.name] ?? NaN }));
    }
    chart.update("none");
  }
}

// `doors` null: nothing is known of this moment, and no line is drawn across it.
export function addPoint(doors) {
  const now = performance.now();
  if (doors !== null || points[points.length - 1]?.doors) points.push({ at: now, doors });
  while (points.length > 0 && points[0].at < now - (POINTS + 2) * 1000) points.shift();
  show();
}

export function drawDoor(name) {
  door = name;
  show();
}
