"""An HTML page of one file, without script, network or anything else to load. Pure.

It is readable on a phone and in the dark. Whatever is told in it is escaped twice, for terminals,
since a page is copied from, and for HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from probes.core.text import escape

STYLE = """\
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --paper: #fff; --good: #0b62c4; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #9aa4af; --line: #3a424c;
  --paper: #14171b; --good: #6cb1ff; --bad: #ff8a80; } }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .bad { color: var(--bad); font-weight: 600; }
.soft, .x, .y, th { color: var(--soft); } .x, .y, .soft { font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: normal; }
th[scope="row"] { white-space: nowrap; }
.names th[scope="row"] { min-width: 5rem; white-space: normal; overflow-wrap: anywhere; }
.chart { display: flex; } .y { flex: 0 0 4rem; position: relative; }
.y span { position: absolute; right: .5rem; transform: translateY(-50%); }
.x { position: relative; height: 1.5rem; margin-left: 4rem; white-space: nowrap; }
.x span { position: absolute; transform: translateX(-50%); }
.x .first { transform: none; } .x .last { transform: translateX(-100%); }
.times { display: flex; height: auto; white-space: normal; } .times span { all: unset; flex: 1; }
.times :nth-child(2) { text-align: center; } .times :nth-child(3) { text-align: right; }
@media (max-width: 24rem) { body { padding: .5rem; font-size: 14px; }
  .names th[scope="row"] { min-width: 0; } }
svg { flex: 1; height: 14rem; min-width: 0; overflow: visible; }
.grid { stroke: var(--line); } .gap { fill: var(--bad); opacity: .18; }
.range { stroke: var(--good); stroke-width: 3; opacity: .45; } .mean, .bar { fill: var(--good); }
.bar { stroke: var(--paper); } .failed { stroke: var(--bad); stroke-width: 2; }
"""


def page(title: str, body: str) -> str:
    """A page with a title, which is text, and a body, which is HTML."""
    # Were there a hole in the escaping, the policy lets nothing run or be fetched through it.
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{text(title)}</title>
<style>
{STYLE}</style>
</head>
<body>
<h1>{text(title)}</h1>
{body}
</body>
</html>
"""


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> str:
    """A table, with or without heads of columns; the first cell of a row is its head.

    Where these are `names` they may be long, and break anywhere.
    """
    head = "".join(f'<th scope="col">{text(each)}</th>' for each in heads)
    lines = [head, *map(_row, rows)]
    begin = f'<table class="{kind}">' if kind else "<table>"
    return "\n".join([begin, *(f"<tr>{line}</tr>" for line in lines if line), "</table>"])


def text(of: object) -> str:
    """Anything as text in HTML."""
    return html.escape(escape(str(of)))


def _row(cells: Sequence[object]) -> str:
    first, *others = (text(cell) for cell in cells)
    return f'<th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}'
