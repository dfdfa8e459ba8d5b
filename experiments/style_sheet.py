"""How the report looks: on wide and narrow screens, light and dark, and on paper."""

STYLE_SHEET = """\
:root {
  --paper: #fdfdfb; --ink: #1c1c1a; --faint: #5d5d58; --line: #d9d8d2; --wash: #f1f0ea; --link: #00558a;
  --answer: #e7f1ec; --edge: #00754f;
  --serif: Charter, "Bitstream Charter", "Sitka Text", Cambria, "DejaVu Serif", Georgia, serif;
  --sans: system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  --mono: ui-monospace, "Cascadia Code", Menlo, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191a1b; --ink: #e6e4df; --faint: #a5a39c; --line: #3a3b3c; --wash: #242627; --link: #8cc4ee;
    --answer: #1d2e27; --edge: #4fc496;
  }
}
* { box-sizing: border-box; }
html { font-size: 17px; scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--serif); display: grid;
  grid-template-columns: 17rem minmax(0, 1fr);
}
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; z-index: 1; }
nav {
  position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 2.2rem 1rem 2rem
  1.6rem; font: .82rem/1.4 var(--sans);
}
nav summary { font-weight: 600; margin-bottom: .6rem; cursor: pointer; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav > details > ol > li { margin-bottom: .7rem; }
nav ol ol { padding-left: .9rem; border-left: 1px solid var(--line); margin-top: .25rem; }
nav ol ol li { margin-bottom: .2rem; }
nav a { text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
main { padding: 2rem 2.2rem 5rem; max-width: 66rem; min-width: 0; }
main p, main h1, main h2, main h3, figcaption, .question, .answer { max-width: 44rem; }
h1, h2, h3 { font-family: var(--sans); line-height: 1.25; font-weight: 650; text-wrap: balance; }
h1 { font-size: 1.9rem; margin: 0 0 .4rem; }
h2 { font-size: 1.5rem; margin: 0 0 .2rem; }
h3 { font-size: 1.12rem; margin: 2.2rem 0 .4rem; }
article { border-top: 2px solid var(--ink); margin-top: 3.5rem; padding-top: 1.1rem; }
.under { color: var(--faint); font: .82rem/1.5 var(--sans); margin: 0 0 1.4rem; }
.question, .answer {
  padding: .65rem 1rem; margin: 1.2rem 0; border-left: 4px solid var(--faint); background: var(--wash);
}
.answer { border-left-color: var(--edge); background: var(--answer); }
.question::before, .answer::before {
  content: "Question"; font: 600 .74rem/1 var(--sans); letter-spacing: .05em; text-transform: uppercase; color:
  var(--faint);
}
.answer::before { content: "Answer"; color: var(--edge); }
.question p, .answer p { margin: .3rem 0 0; }
code, pre { font-family: var(--mono); font-size: .86em; }
p code, figcaption code, td code, th code {
  background: var(--wash); padding: .05em .25em; border-radius: 3px; overflow-wrap: anywhere;
}
pre {
  background: var(--wash); padding: .8rem 1rem; line-height: 1.45; border-radius: 4px; max-width: 54rem;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.formula { margin: 1rem 0; padding: .1rem 0 .1rem 1.6rem; overflow-x: auto; overflow-y: hidden; }
.formula div { margin: .65rem 0; width: max-content; }
svg.tex { overflow: visible; }
figure { margin: 1.8rem 0; }
figure img {
  display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius:
  3px; padding: .4rem;
}
figcaption { font: .86rem/1.5 var(--sans); color: var(--faint); margin-top: .55rem; }
figcaption b { color: var(--ink); }
.table figcaption { margin: 0 0 .45rem; }
.wide { overflow-x: auto; }
table {
  border-collapse: collapse; font: .84rem/1.4 var(--sans); font-variant-numeric: tabular-nums; border-top: 1.5px
  solid var(--ink); border-bottom: 1.5px solid var(--ink);
}
th, td { text-align: left; padding: .3rem .9rem .3rem 0; vertical-align: baseline; font-weight: 400; }
th:last-child, td:last-child { padding-right: .2rem; }
tbody th { white-space: nowrap; }
thead th { max-width: 11rem; font-weight: 600; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.number { text-align: right; }
td.number, th.number[scope=row] { white-space: nowrap; }
@media (max-width: 62rem) {
  body { display: block; }
  nav { position: static; max-height: none; padding: 1.2rem 1.1rem .4rem; border-bottom: 1px solid var(--line); }
  main { padding: 1.2rem 1.1rem 3rem; }
  html { font-size: 16px; }
  h1 { font-size: 1.55rem; }
  h2 { font-size: 1.3rem; }
  .formula { padding-left: .4rem; font-size: .92em; }
}
@media print {
  :root {
    --paper: #fff; --ink: #000; --faint: #444; --line: #bbb; --wash: #f4f4f4; --link: #000; --answer: #f4f4f4;
    --edge: #000;
  }
  html { font-size: 10.5pt; }
  body { display: block; }
  nav { position: static; max-height: none; padding: 0; border: 0; }
  main { padding: 0; max-width: none; }
  article { break-before: page; border: 0; margin: 0; }
  figure:not(.table), .question, .answer, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide, .formula { overflow: visible; }
}
"""
