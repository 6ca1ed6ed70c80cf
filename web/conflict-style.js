// How <rowbell-conflict> looks. A page sets the custom properties to make it look like itself.

export const style = new CSSStyleSheet();

style.replaceSync(`
:host {
  --ink: var(--rowbell-ink, light-dark(#1c2126, #e7eaee));
  --quiet: var(--rowbell-quiet, light-dark(#5a6672, #a3adb8));
  --paper: var(--rowbell-paper, light-dark(#ffffff, #1b2026));
  --shade: var(--rowbell-shade, light-dark(#f3f5f7, #252c34));
  --line: var(--rowbell-line, light-dark(#d3d9df, #3a444e));
  --edge: var(--rowbell-edge, light-dark(#76828e, #8894a0));
  --accent: var(--rowbell-accent, light-dark(#0b5cad, #7db8f5));
  --on-accent: var(--rowbell-on-accent, light-dark(#ffffff, #0d1b2a));
  --warn: var(--rowbell-warn, light-dark(#9a3412, #fdba74));
  --warn-shade: var(--rowbell-warn-shade, light-dark(#fff4e5, #3a2a17));
  font: 1rem/1.45 system-ui, sans-serif;
}
* { box-sizing: border-box; }
dialog {
  width: min(60rem, calc(100vw - 1.5rem)); max-height: calc(100dvh - 1.5rem);
  padding: 0; border: 1px solid var(--line); border-radius: .75rem;
  color: var(--ink); background: var(--paper); box-shadow: 0 1rem 3rem #0006;
}
dialog[open] { display: flex; flex-direction: column; }
dialog::backdrop { background: #0b121a99; }
header { display: flex; gap: 1rem; align-items: start; padding: 1.1rem 1.25rem .9rem; border-bottom: 1px solid var(--line); }
header div { flex: 1; }
h2 { margin: 0; font-size: 1.2rem; line-height: 1.3; outline: none; }
p { margin: .25rem 0 0; color: var(--quiet); }
form { display: contents; }
.fields { overflow: auto; padding: .25rem 1.25rem 1rem; flex: 1; }
[role=radiogroup], [role=group] {
  display: grid; grid-template-columns: minmax(7rem, 1fr) 1.4fr 1.4fr 1.4fr; gap: .6rem;
  padding: .9rem 0; border-bottom: 1px solid var(--line); min-width: 0;
}
.fields > :last-child { border-bottom: 0; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.tag { display: block; margin-top: .25rem; font-weight: 400; font-size: .85rem; color: var(--quiet); }
.both .tag { color: var(--warn); font-weight: 600; }
.side {
  display: block; min-width: 0; padding: .55rem .7rem; border: 1px solid transparent; border-radius: .5rem;
  background: var(--shade); overflow-wrap: anywhere;
}
label.side { border-color: var(--edge); background: var(--paper); cursor: pointer; }
label.side:has(input:checked) { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); background: var(--shade); }
label.side:has(input:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
.who { display: flex; align-items: center; gap: .4rem; font-size: .85rem; color: var(--quiet); margin-bottom: .15rem; }
input[type=radio] { accent-color: var(--accent); width: 1.05rem; height: 1.05rem; margin: 0; flex: none; }
.none { color: var(--quiet); font-style: italic; }
.text { white-space: pre-wrap; }
.list { margin: 0; padding-left: 1.1rem; }
.list > li { padding-left: .1rem; }
mark { color: inherit; background: var(--warn-shade); border-radius: .2rem; box-shadow: 0 0 0 .15rem var(--warn-shade); }
.editor { grid-column: 2 / -1; }
.void { font-size: .85rem; color: var(--quiet); display: flex; align-items: center; gap: .4rem; margin: .35rem 0 0; }
input:not([type]), textarea, select {
  width: 100%; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--edge); border-radius: .4rem; padding: .5rem .6rem;
}
textarea { min-height: 5rem; resize: vertical; }
textarea.json { font-family: ui-monospace, monospace; font-size: .9rem; min-height: 9rem; }
[aria-invalid=true] { border-color: var(--warn); border-width: 2px; }
.wrong { color: var(--warn); margin: .3rem 0 0; }
footer {
  display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; padding: .9rem 1.25rem;
  border-top: 1px solid var(--line); background: var(--shade);
}
footer output { flex: 1 1 14rem; color: var(--quiet); }
footer output.warn { color: var(--warn); font-weight: 600; }
button {
  font: inherit; min-height: 2.75rem; padding: .4rem 1rem; border-radius: .5rem; cursor: pointer;
  color: var(--ink); background: var(--paper); border: 1px solid var(--edge);
}
button:hover { border-color: var(--accent); }
button.main { color: var(--on-accent); background: var(--accent); border-color: var(--accent); font-weight: 600; }
button.later { border-color: transparent; background: none; padding: .4rem .6rem; color: var(--quiet); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
h2:focus-visible { outline: none; }
@media (max-width: 44rem) {
  dialog { width: 100vw; max-width: 100vw; height: 100dvh; max-height: 100dvh; border: 0; border-radius: 0; margin: 0; }
  header { padding: .9rem 1rem .7rem; }
  .fields { padding: 0 1rem 1rem; }
  [role=radiogroup], [role=group] { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .name, div.side, .editor { grid-column: 1 / -1; }
  .before { background: none; padding: 0 0 .1rem; border: 0; }
  .before .who { display: inline-flex; margin-right: .4rem; }
  .before .value { display: inline; }
  footer { padding: .75rem 1rem; gap: .5rem; }
  footer output { flex-basis: 100%; }
  footer button { flex: 1 1 40%; padding: .4rem .5rem; }
}
`);
