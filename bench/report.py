# SPDX-License-Identifier: MIT
"""Makes bench/RESULTS.md and bench/report/index.html of the raw results that bench/run has kept.

    /usr/bin/python3 bench/report.py RAW_FOLDER BENCH_FOLDER

RAW_FOLDER holds card.json, which says what was measured where, and one .jsonl a part (see
raw_results.h). Across systems only ratios are told as findings: the rates beside them are this
machine's, and no other's. A ratio is the median of the ratios of the same round.
"""
import collections
import html
import json
import pathlib
import statistics
import sys

from charts import line_chart

# What is wanted: one system's rate of new keys, as a multiple of another's.
TARGETS = [
    ("onced-endpoint-sync", "fastapi-redis-everysec", 15),
    ("onced-api-sync", "fastapi-redis-everysec", 15),
    ("onced-api-os", "webdis-redis-off", 2),
]
# The same of the engine's benches. Audit at 35 % of a cycle at most: with it at least 0.65 of without.
ENGINE_TARGETS = [
    ("BM_ClaimCycle/audit:1/body:100/threads:1", "BM_FloorCycle/body:100/threads:1", 0.85),
    ("BM_ClaimCycle/audit:0/body:100/threads:1", "BM_FloorGetPutPut/threads:1", 0.7),
    ("BM_ClaimCycle/audit:1/body:100/threads:1", "BM_ClaimCycle/audit:0/body:100/threads:1", 0.65),
    ("BM_ClaimReplay/spread:0/threads:1", "BM_FloorGet/spread:0/threads:1", 0.7),
    ("BM_ClaimReplay/spread:1/threads:1", "BM_FloorGet/spread:1/threads:1", 0.7),
    ("BM_ClaimReplay/spread:0/threads:2", "BM_ClaimReplay/spread:0/threads:1", 1.7),
    ("BM_ClaimGate/clients:64/threads:1", "BM_FloorPutSync/threads:64", 2),
]
DUPLICATES = {1: "0 %", 2: "50 %", 10: "90 %", 100: "99 %"}
COMPARISONS = {
    "http": "the API beside a stock cpp-httplib echo, PostgreSQL, and itself with another durability",
    "gateway": "the gateway beside nginx that only passes on",
    "redis": "the Redis door beside redis-server with an append-only file",
}
PERCENTS = ["50", "90", "99", "99.9", "99.99", "100"]


class Table:
    def __init__(self, *heads):
        self.heads, self.rows = heads, []

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def markdown(self):
        lines = ["| " + " | ".join(self.heads) + " |", "|" + "---|" * len(self.heads)]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])

    def html(self):
        def line(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        rows = "\n".join(line(row, "td") for row in self.rows)
        return f"<table>{line(self.heads, 'th')}\n{rows}</table>"


def rate(value):
    return f"{value:,.0f}"


def milliseconds(us):
    return f"{us / 1e3:.2f}" if us < 100_000 else f"{us / 1e3:,.0f}"


def spread(values, form):
    return f"{form(statistics.median(values))} ({form(min(values))}–{form(max(values))})"


class Results:
    """The lines of all parts."""

    def __init__(self, folder):
        self.card = json.loads((folder / "card.json").read_text())
        files = {file.stem: [json.loads(line) for line in file.open()] for file in sorted(folder.glob("*.jsonl"))}
        self.comparisons = {name: files.pop(name, []) for name in ("http", "gateway", "redis")}
        self.growth = files.pop("growth", [])
        self.turnover = files.pop("turnover", [])
        lines = [line for part in files.values() for line in part]
        self.engine = Engine(folder / "engine.json")
        self.not_run = [line for line in lines if "not_run" in line]
        self.runs = [line for line in lines if "not_run" not in line]

    def of(self, part, **wanted):
        return [r for r in self.runs if r["part"] == part and all(r[k] == v for k, v in wanted.items())]

    def systems(self, part):
        return list(dict.fromkeys(r["system"] for r in self.of(part)))

    def values(self, part, field, **wanted):
        return [r[field] for r in self.of(part, **wanted)]

    def ratio(self, part, ours, theirs, field="per_second"):
        """Round by round; none when either was not measured."""
        ours = {r["round"]: r[field] for r in self.of(part, system=ours)}
        theirs = {r["round"]: r[field] for r in self.of(part, system=theirs)}
        return [ours[n] / theirs[n] for n in ours if theirs.get(n)]


def targets(results):
    table = Table("ratio", "beside", "wanted", "measured", "")
    for ours, theirs, wanted in TARGETS:
        ratios = results.ratio("doors", ours, theirs)
        if not ratios:
            continue
        ratio = statistics.median(ratios)
        said = f"{ratio:.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
        table.add(ours, theirs, f"≥ {wanted}x", said + "x", "met" if ratio >= wanted else "MISSED")
    return table


def doors(results):
    table = Table("system", "durability", "operations/s", "of nginx that says 200", "CPU µs each", "p50 ms",
                  "p99 ms", "keys", "executed more than once")
    for system in results.systems("doors"):
        runs = results.of("doors", system=system)
        ceiling = results.ratio("doors", system, "nginx-200")
        table.add(
            system,
            runs[0]["durability"],
            spread([r["per_second"] for r in runs], rate),
            f"{statistics.median(ceiling):.2f}" if ceiling else "",
            f"{statistics.median(r['cpu_us'] for r in runs):.0f}",
            milliseconds(statistics.median(r["latency_us"]["50"] for r in runs)),
            milliseconds(statistics.median(r["latency_us"]["99"] for r in runs)),
            rate(sum(r["keys"] for r in runs)),
            rate(sum(r["keys_with_more"] for r in runs)),
        )
    return table


def duplicates(results):
    table = Table("system", "connections", "duplicates", "first executions/s", "operations/s", "absorbed/s",
                  "told to come again", "keys executed more than once")
    for system in results.systems("duplicates"):
        for connections in (32, 256):
            for times, share in DUPLICATES.items():
                runs = results.of("duplicates", system=system, connections=connections, times=times)
                if not runs:
                    continue
                firsts = [r["per_second"] * r["keys"] / r["begun"] for r in runs]
                absorbed = [r["per_second"] * (1 - r["executions"] / r["begun"]) for r in runs]
                begun = sum(r["begun"] for r in runs)
                table.add(
                    system, connections, share, spread(firsts, rate),
                    rate(statistics.median(r["per_second"] for r in runs)),
                    rate(statistics.median(absorbed)),
                    f"{100 * sum(r['refused'] for r in runs) / begun:.1f} %",
                    f"{sum(r['keys_with_more'] for r in runs):,} of {sum(r['keys'] for r in runs):,}",
                )
    return table


def duplicates_chart(results):
    series = []
    for system in results.systems("duplicates"):
        line = []
        for place, times in enumerate(DUPLICATES):
            rates = results.values("duplicates", "per_second", system=system, connections=32, times=times)
            if rates:
                line.append((place, statistics.median(rates)))
        series.append((system, line))
    marks = list(enumerate(DUPLICATES.values()))
    return line_chart(series, "duplicates, 32 connections", "operations/s", y_log=True, x_marks=marks)


def latency(results):
    table = Table("system", "at a rate of", "was done", *(f"p{p}" if p != "100" else "most" for p in PERCENTS))
    for run in results.of("latency"):
        kept_up = run["per_second"] >= 0.95 * run["rate"]
        table.add(run["system"], f"{run['rate']:,.0f}/s",
                  f"{run['per_second']:,.0f}/s" + ("" if kept_up else " (does not keep up)"),
                  *(milliseconds(run["latency_us"][p]) for p in PERCENTS))
    return table


def latency_chart(results, at):
    """By percentile, of all that keep up with the rate."""
    series = []
    for run in results.of("latency", rate=at):
        if run["per_second"] < 0.95 * run["rate"]:
            continue
        all_of_it = sum(count for _, count in run["histogram"])
        seen, line = 0, []
        for us, count in run["histogram"]:
            seen += count
            beyond = max(1 - seen / all_of_it, 0.5 / all_of_it)
            line.append((1 / beyond, us / 1e3))
        series.append((run["system"], line))
    marks = [(1, "0"), (10, "90 %"), (100, "99 %"), (1000, "99.9 %"), (10000, "99.99 %")]
    return line_chart(series, f"percentile, at {at:,.0f} operations/s", "ms", x_log=True, y_log=True, x_marks=marks)


def connections_chart(results):
    series = []
    for system in results.systems("connections"):
        line = collections.defaultdict(list)
        for run in results.of("connections", system=system):
            line[run["connections"]].append(run["per_second"])
        series.append((system, [(c, statistics.median(v)) for c, v in sorted(line.items())]))
    return line_chart(series, "connections", "operations/s", x_log=True)


def stalls_chart(results):
    """The slowest answer of every tenth of a second, of each system's last run of new keys."""
    series = []
    for system in results.systems("doors"):
        if not system.endswith(("sync", "everysec", "etcd")) or "always" in system:
            continue
        slices = results.of("doors", system=system)[-1]["slices"]
        series.append((system, [(i / 10, most / 1e3) for i, (_, most) in enumerate(slices) if most]))
    return line_chart(series, "seconds", "slowest answer, ms", y_log=True)


def mebibytes(count):
    return f"{count / 2**20:,.0f} MiB"


def growth(results):
    table = Table("keys", "filled/s", "then new keys/s", "p99 ms", "most ms", "resident", "on disk", "start after a stop",
                  "after kill -9", "bytes written for each that was sent")
    for line in results.growth:
        table.add(f"{line['keys']:,}", rate(line["filled_per_second"]), rate(line["per_second"]),
                  milliseconds(line["p99_us"]), milliseconds(line["most_us"]), mebibytes(line["resident_kib"] * 1024),
                  mebibytes(line["disk_bytes"]), f"{line['stopped_seconds']:.2f} s", f"{line['killed_seconds']:.2f} s",
                  f"{line['write_amplification']:.1f}")
    return table


def turnover(results):
    table = Table("after", "claims and completions/s", "p99 ms", "resident", "on disk")
    for line in results.turnover:
        table.add(f"{line['second']} s", rate(line["per_second"]), milliseconds(line["p99_us"]),
                  mebibytes(line["resident_kib"] * 1024), mebibytes(line["disk_bytes"]))
    return table


def turnover_chart(results):
    lines = results.turnover
    return line_chart([("on disk, MiB", [(r["second"], r["disk_bytes"] / 2**20) for r in lines]),
                       ("p99, µs", [(r["second"], r["p99_us"]) for r in lines])], "seconds", "")


def comparison(rows):
    """Of one of the programs that compare two sides."""
    table = Table("row", "onced", "beside it", "unit", "ratio", "wanted", "")
    for row in rows:
        form = (lambda v: f"{v:.2f}") if row["less_is_better"] else rate
        ratio = statistics.median(row["ratios"])
        table.add(row["row"], form(statistics.median(row["ours"])), form(statistics.median(row["theirs"])), row["unit"],
                  spread(row["ratios"], lambda v: f"{v:.2f}"), f"{row['target']:g}",
                  "met" if ratio >= row["target"] else "MISSED")
    return table


class Engine:
    """Google Benchmark's medians: operations a second by name."""

    def __init__(self, file):
        runs = json.loads(file.read_text())["benchmarks"] if file.exists() else []
        self.rates = {r["run_name"].replace("/real_time", ""): r["items_per_second"] for r in runs
                      if r.get("aggregate_name", "median") == "median" and "items_per_second" in r}

    def ratios(self):
        table = Table("what", "is, to", "ratio", "wanted", "")
        for what, beside, wanted in ENGINE_TARGETS:
            if what in self.rates and beside in self.rates:
                ratio = self.rates[what] / self.rates[beside]
                table.add(what, beside, f"{ratio:.2f}", f"≥ {wanted:g}", "met" if ratio >= wanted else "MISSED")
        return table

    def all(self):
        table = Table("bench", "operations/s")
        for name, per_second in self.rates.items():
            table.add(name, rate(per_second))
        return table


def not_run(results):
    table = Table("system", "why")
    for name, why in dict.fromkeys((line["system"], line["not_run"]) for line in results.not_run):
        table.add(name, why)
    return table


def card(results):
    table = Table("", "")
    for name, value in results.card.items():
        table.add(name, value)
    return table


def sections(results):
    """Heading, prose, tables and charts."""
    rates = sorted({r["rate"] for r in results.of("latency")})
    shared = [at for at in rates if sum(r["per_second"] >= 0.95 * at for r in results.of("latency", rate=at)) > 2]
    yield ("What is wanted", "Rates of new keys, as ratios of runs that took turns.", [targets(results)], [])
    yield ("New keys", "32 connections, closed loop, everything on this machine's cores: each system's own processes "
           "and the load. Medians, least and most. A key is claimed, the effect made, the result stored.",
           [doors(results)], [stalls_chart(results)])
    yield ("Duplicates", "Every key 1, 2, 10 and 100 times; the duplicates come while the first is under way, and after. "
           "First executions are what the caller is paid for; what is absorbed was not executed again.",
           [duplicates(results)], [duplicates_chart(results)])
    yield ("Latency", "Operations begin at fixed times, whether or not the system keeps up, and their time counts from "
           "then. Milliseconds.", [latency(results)], [latency_chart(results, at) for at in shared[-2:]])
    yield ("Connections", "New keys, closed loop.", [], [connections_chart(results)])
    yield ("Growth", "onced alone, durability interval; filled by batches of completed keys.", [growth(results)], [])
    if results.turnover:
        kept = results.turnover[0]["retention_seconds"]
        yield ("Turnover", f"onced alone, audit off: claims at a fixed rate, whose records end after {kept} s.",
               [turnover(results)], [turnover_chart(results)])
    yield ("Engine", "By bench/engine_bench.cc and its floors, bench/engine_floor_bench.cc, in one run: spread 0 is one "
           "hot key, 1 uniform, 2 Zipf 0.99; durability 0 is sync, 1 interval, 2 os.",
           [results.engine.ratios(), results.engine.all()], [])
    for name, beside in COMPARISONS.items():
        yield (f"Ratios: {name}", f"By bench/{name}_bench.cc, where each row is explained: {beside}.",
               [comparison(results.comparisons[name])], [])
    if results.not_run:
        yield ("Not run", "Nothing is estimated.", [not_run(results)], [])
    yield ("The machine", "", [card(results)], [])


HEAD = ("Measured by `{command}` at commit {commit} on {date}, {rocksdb}. Made by `bench/report.py`; do not edit.")
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#212529}
table{border-collapse:collapse;margin:1rem 0;font-size:14px;display:block;overflow-x:auto}
td,th{border-bottom:1px solid #dee2e6;padding:.3rem .8rem .3rem 0;text-align:left;white-space:nowrap}
svg{width:100%;max-width:60rem;font:12px system-ui,sans-serif}.grid{stroke:#e9ecef}text{fill:#495057}
@media(prefers-color-scheme:dark){body{background:#16191d;color:#dee2e6}text{fill:#adb5bd}.grid{stroke:#343a40}
td,th{border-color:#343a40}}"""


def main(raw, bench):
    results = Results(pathlib.Path(raw))
    head = HEAD.format(**results.card)
    parts = [s for s in sections(results) if any(t.rows for t in s[2]) or any(s[3])]
    text = ["# What onced costs, beside what people would use instead", "", head, ""]
    page = [f"<h1>{text[0][2:]}</h1><p>{html.escape(head)}</p>"]
    for heading, prose, tables, charts in parts:
        text += [f"## {heading}", "", prose, ""]
        page += [f"<h2>{heading}</h2><p>{html.escape(prose)}</p>"]
        for table in tables:
            if table.rows:
                text += [table.markdown(), ""]
                page.append(table.html())
        page += charts
    bench = pathlib.Path(bench)
    (bench / "report").mkdir(exist_ok=True)
    (bench / "RESULTS.md").write_text("\n".join(text))
    (bench / "report" / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>onced: results</title><meta name="viewport" '
        f'content="width=device-width"><style>{STYLE}</style>\n' + "\n".join(page) + "</html>\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
