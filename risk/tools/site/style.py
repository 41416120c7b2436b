"""The style sheet of the site.

Never here: HTML.
"""

from __future__ import annotations

STYLE = """\
:root { --ink: #1c2430; --soft: #5b6675; --line: #dde3ea; --back: #fff; --side: #f6f8fa; --link: #0b5cad; --code: #f3f5f8;
  --live: #1a7f37; --shadow: #9a6700; --draft: #57606a; --disabled: #8c959f; --hot: #b42318; --name: #0b5cad; --param: #8a3ffc;
  --word: #57606a; --value: #0a7a55; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ef; --soft: #9aa6b5; --line: #323b47; --back: #14181d; --side: #1a2027; --link: #6cb2ff; --code: #1e252d;
    --live: #4ac26b; --shadow: #d4a72c; --draft: #8b949e; --disabled: #6e7781; --hot: #ff8078; --name: #6cb2ff; --param: #c297ff;
    --word: #9aa6b5; --value: #56d4a0; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--back); font: 15px/1.55 system-ui, "Noto Sans CJK SC", sans-serif; }
nav { border-bottom: 1px solid var(--line); background: var(--side); padding: .55rem 1.5rem; display: flex; flex-wrap: wrap;
  gap: .2rem 1.1rem; }
nav a { color: var(--soft); text-decoration: none; } nav a.here { color: var(--ink); font-weight: 600; }
main { max-width: 74rem; margin: 0 auto; padding: 1.2rem 1.5rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: .3rem 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
p.lead { color: var(--soft); margin: .2rem 0 1rem; max-width: 52rem; white-space: pre-line; }
.small, .soft { color: var(--soft); } .small { font-size: .87rem; }
table { border-collapse: collapse; max-width: 100%; margin: .4rem 0 1rem; }
table.rules { width: 100%; table-layout: fixed; min-width: 46rem; }
table.rules th:nth-child(2) { width: 20%; } table.rules th:nth-child(3) { width: 23%; } table.rules th:nth-child(4) { width: 9rem; }
table.rules th:nth-child(5) { width: 6.2rem; } table.rules td:nth-child(n+4) { white-space: nowrap; }
table.tests { width: 100%; table-layout: fixed; min-width: 46rem; } table.tests th:nth-child(2) { width: 45%; }
table.tests th:nth-child(3) { width: 25%; } td:first-child > code, td:first-child > span > code { white-space: nowrap; }
.wide { overflow-x: auto; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85rem; border-bottom: 1px solid var(--line);
  padding: .3rem .8rem .3rem 0; }
td { border-bottom: 1px solid var(--line); padding: .4rem .8rem .4rem 0; vertical-align: top; }
  td:last-child, th:last-child { padding-right: 0; }
td.num { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: .8rem 0; } dt { color: var(--soft); }
  dd { margin: 0; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .87em; }
code { overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
  line-height: 1.6; margin: .4rem 0 1rem; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 999px; padding: 0 .55rem; font-size: .78rem;
  margin-right: .3rem;
  color: var(--soft); white-space: nowrap; }
.badge.live { color: var(--live); } .badge.shadow { color: var(--shadow); } .badge.draft { color: var(--draft); }
.badge.disabled { color: var(--disabled); } .badge.critical, .badge.final { color: var(--hot); }
.w { color: var(--word); } .p { color: var(--param); } .v { color: var(--value); } pre a, .n { color: var(--name); }
.fires { color: var(--hot); } .silent { color: var(--live); } .unknown { color: var(--shadow); }
td .step { display: block; } td .step + .step { margin-top: .15rem; }
ul.plain { list-style: none; padding: 0; margin: .3rem 0; } ul.columns { columns: 18rem; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); } svg .edge { fill: none;
  stroke: var(--soft); stroke-opacity: .45; }
svg .box { fill: var(--side); stroke: var(--line); } svg a:hover .box { stroke: var(--link); } svg .rule .box { stroke: var(--live); }
svg .rule.shadow .box { stroke: var(--shadow); } svg .head { fill: var(--soft); font-weight: 600; }
footer { color: var(--soft); font-size: .82rem; border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .6rem;
  overflow-wrap: anywhere; }
@media print { nav { display: none; } main { padding: 0; } pre { white-space: pre-wrap; } }
"""
