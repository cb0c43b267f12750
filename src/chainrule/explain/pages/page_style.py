"""How pages look: light and dark, wide and narrow, on paper."""

STYLE = """\
:root { color-scheme: light dark; --page: #fff; --panel: #f5f6f8; --ink: #1b1f24; --quiet: #57606a;
  --line: #d0d7de; --link: #0b57b7; --one: #1f5fa8; --two: #b8501b; --shade: 31, 95, 168; --word: #8b1a6b;
  --note: #2e6b34; --text: #8a4b08; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --panel: #20242a; --ink: #e9edf2;
  --quiet: #a3abb5; --line: #3a414a; --link: #7cb5f5; --one: #6fadf0; --two: #f0915a; --shade: 111, 173, 240;
  --word: #f08fc8; --note: #8fd19a; --text: #efb676; } }
@media print { :root { --page: #fff; --panel: #fff; --ink: #000; --quiet: #444; --line: #bbb; --link: #000;
  --one: #1f5fa8; --two: #b8501b; --shade: 31, 95, 168; --word: #8b1a6b; --note: #2e6b34; --text: #8a4b08; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.5rem; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, "Liberation Sans", sans-serif; }
header, main, footer { max-width: 66rem; margin: auto; padding: 0 1.25rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.5rem 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; }
h4, h5 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: .5rem; top: .5rem; z-index: 2; padding: .5rem 1rem; background: var(--page); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
main:focus { outline: none; }
nav { position: sticky; top: 0; z-index: 1; background: var(--page); border-bottom: 1px solid var(--line); }
nav ul { display: flex; gap: .2rem 1.1rem; max-width: 66rem; margin: auto; padding: .5rem 1.25rem;
  overflow-x: auto;
  list-style: none; white-space: nowrap; }
nav a { text-decoration: none; display: inline-block; padding: .15rem 0; }
nav a:hover { text-decoration: underline; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.cards div { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem;
  padding: .6rem .9rem; }
.cards dt { color: var(--quiet); font-size: .85rem; }
.cards dd { margin: 0; }
.cards strong { font-size: 1.45rem; display: block; line-height: 1.3; }
.cards span { color: var(--quiet); font-size: .85rem; }
.scroll { overflow: auto; max-height: 34rem; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: .2rem 0; font-size: .88rem; }
table { overflow-wrap: normal; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; font-weight: 400; }
thead th { font-weight: 600; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; white-space: nowrap; }
caption { min-width: 18rem; }
.matrix td, .matrix thead th { text-align: right; padding: .25rem .55rem; }
.matrix tbody th, .matrix thead th { font-weight: 600; }
.matrix td.none { color: var(--quiet); }
.matrix td.dark { color: #fff; }
figure { margin: 1rem 0; break-inside: avoid; }
figure svg, figure img { max-width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: .88rem; }
.chart text { fill: var(--ink); font-size: 12px; }
.chart .quiet { fill: var(--quiet); }
.chart .grid { stroke: var(--line); fill: none; }
.chart .one { stroke: var(--one); } .chart .two { stroke: var(--two); stroke-dasharray: 6 3; }
.chart path { fill: none; stroke-width: 2; } .chart path.grid { stroke-width: 1; }
.chart text.one { fill: var(--one); stroke: none; } .chart text.two { fill: var(--two); stroke: none; }
.chart circle { fill: var(--one); fill-opacity: .55; }
.diagram .scroll { max-height: none; } .diagram svg { min-width: 44rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; }
.charts figure { flex: 1 1 24rem; margin: .5rem 0; min-width: 0; }
.wrong { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: .75rem; padding: 0;
  list-style: none; }
.wrong > li { border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; background: var(--panel);
  break-inside: avoid; }
.wrong h3 { margin: 0 0 .3rem; }
.wrong img { image-rendering: pixelated; width: 7rem; height: 7rem; float: right; margin-left: .75rem;
  border: 1px solid var(--line); }
.wrong p { margin: .15rem 0; font-size: .92rem; }
dl.facts, .chainrule-health dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem;
  margin: .4rem 0; }
dl.facts dt, .chainrule-health dt { color: var(--quiet); }
dl.facts dd, .chainrule-health dd { margin: 0; overflow-wrap: anywhere; max-width: 46rem; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem;
  margin: .75rem 0;
  overflow: auto; max-height: 40rem; font: .84rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas,
  monospace; }
pre .k { color: var(--word); } pre .c { color: var(--note); } pre .s { color: var(--text); }
footer { color: var(--quiet); font-size: .88rem; margin-top: 3rem; padding-bottom: 2rem;
  border-top: 1px solid var(--line); }
main .chainrule { background: none; color: inherit; font: inherit; }
main .chainrule .scroll { max-height: none; }
main .chainrule td { min-width: 9rem; } main .chainrule table.array td { min-width: 0; }
@media (max-width: 40rem) { body { font-size: 15px; } h1 { font-size: 1.4rem; } nav ul { flex-wrap: nowrap;
  } }
.chainrule-health td, .chainrule-health thead th + th { text-align: right; }
@page { margin: 16mm 14mm; }
@media print {
  body { font-size: 10.5pt; } nav, .skip { display: none; } header, main, footer { max-width: none;
  padding: 0; }
  .diagram svg { min-width: 0; } .scroll, pre { overflow: visible; max-height: none; } pre {
  white-space: pre-wrap; font-size: 8pt;
  border: 0;
  padding: 0; } h2, h3, h4 { break-after: avoid; } tr, .cards div { break-inside: avoid; }
  thead { display: table-header-group; } table { font-size: 9pt; } details:not([open]) { display: none; }
  main .chainrule td { min-width: 0; } main .chainrule table { font-size: 7pt; }
  main .chainrule table.array tr { display: block; }
  main .chainrule table.array td { display: inline-block; padding-right: .6em; }
  #source, #trace { break-before: page; } a { text-decoration: none; }
}
"""
