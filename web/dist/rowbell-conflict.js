var J=["last_synced_at","updated_at"],k=t=>[...J,t.versionColumn??"version"],z=t=>[...k(t),...t.key??["id"],...t.current?[]:["created_at"]];function m(t){return t.method?t.method:Object.keys(t.yours??{}).filter(r=>r!==(t.versionColumn??"version")).length===0?"DELETE":"PATCH"}function x(t){if(m(t)==="DELETE")return null;let e=t.base??t.current??{},r=t.yours??{};return{...e,...m(t)==="PUT"?r:T(e,r)}}function E(t){let e=t.current??{},r=t.base!=null,n=x(t)??t.base??e,i=[];for(let o of new Set([...Object.keys(e),...Object.keys(n)]))z(t).includes(o)||!t.current&&n[o]===null&&(t.base?.[o]??null)===null||O(i,[o],r,t.base?.[o],n[o],e[o]);for(let o of i)_(t.conflicts,o.path)&&(o.changedBy="both");return i}function O(t,e,r,n,i,o){if(h(i,o))return;if(u(i)&&u(o)){let l=u(n)?n:{};for(let c of new Set([...Object.keys(o),...Object.keys(i)]))O(t,[...e,c],r,l[c],i[c],o[c]);return}let d=!r||!h(n,i),a=!r||!h(n,o);t.push({path:e,before:n,mine:i,theirs:o,changedBy:d&&a?"both":d?"mine":"theirs"})}var W=t=>t.map(e=>/^[\p{Alphabetic}\p{N}_-]+$/u.test(e)?e:JSON.stringify(e)).join(".");function _(t,e){let r=W(e);return t?.some(n=>n===r||r.startsWith(`${n}.`))??!1}var j=t=>t.map(({changedBy:e})=>e==="both"?null:e);function S(t,e){return!t.current||m(t)==="PUT"?e.map(()=>"mine"):e.map(({changedBy:r})=>r==="theirs"?"theirs":"mine")}function A(t,e,r,n){if(n==="server")return{choice:n,method:null,body:null,version:null,row:t.current};let i=t.current,o=i?.[t.versionColumn??"version"]??null;if(m(t)==="DELETE")return{choice:n,method:i&&"DELETE",body:null,version:o,row:null};let d=n==="merge"?t.merged:null,a=structuredClone(d??i??U(x(t)??{},k(t)));if(e.forEach(({path:f,mine:p,theirs:D,changedBy:M},P)=>{let b=r[P];d&&b===M||G(a,f,typeof b=="object"?b.value:b==="mine"?p:D)}),!i)return{choice:n,method:"PUT",body:a,version:null,row:a};let l=C(i,a);if(Object.keys(l).length===0)return{choice:n,method:null,body:null,version:null,row:a};let c=h({...i,...T(i,l)},a);return{choice:n,method:c?"PATCH":"PUT",body:c?l:a,version:o,row:a}}var U=(t,e)=>Object.fromEntries(Object.entries(t).filter(([r])=>!e.includes(r)));function G(t,e,r){let n=e.length-1,i=t;for(let o of e.slice(0,n))i=u(i[o])?i[o]:i[o]={};r===void 0?delete i[e[n]]:i[e[n]]=structuredClone(r)}function T(t,e){return Object.fromEntries(Object.entries(e).map(([r,n])=>[r,u(n)?N(t[r],n):n]))}function N(t,e){if(!u(e))return e;let r=u(t)?{...t}:{};for(let[n,i]of Object.entries(e))i===null?delete r[n]:r[n]=N(r[n],i);return r}function C(t,e){let r={};for(let n of new Set([...Object.keys(t),...Object.keys(e)])){if(h(t[n],e[n]))continue;let i=u(t[n])&&u(e[n]);r[n]=i?C(t[n],e[n]):e[n]??null}return r}var u=t=>typeof t=="object"&&t!==null&&!Array.isArray(t);function h(t,e){if(Object.is(t,e)||t===e)return!0;if(typeof t!="object"||typeof e!="object"||t===null||e===null||Array.isArray(t)!==Array.isArray(e))return!1;let r=Object.keys(t);return r.length===Object.keys(e).length&&r.every(n=>n in e&&h(t[n],e[n]))}function s(t,e={},...r){let n=document.createElement(t);for(let[i,o]of Object.entries(e))typeof o=="function"?n.addEventListener(i.slice(2),o):typeof o=="boolean"&&!i.startsWith("aria-")?n.toggleAttribute(i,o):o!=null&&n.setAttribute(i,String(o));return n.append(...r.filter(i=>i!=null&&i!==!1)),n}var H=60;function L(t,e,r,n){let i=n?.(t,e);return i!==void 0?typeof i=="string"?g(i):i:t===void 0?s("span",{class:"none"},r.absent):t===null||t===""?s("span",{class:"none"},r.empty):typeof t=="boolean"?g(t?r.yes:r.no):Array.isArray(t)?I(t,e.before,r):g(u(t)?$(t,r):String(t))}var g=t=>s("span",{class:"text"},t);function I(t,e,r){if(t.length===0)return s("span",{class:"none"},r.empty);let n=Array.isArray(e)?e:t,i=t.map(o=>{let d=u(o)?$(o,r):Array.isArray(o)?JSON.stringify(o):String(o),a=!n.some(l=>h(l,o));return s("li",{},a?s("mark",{},d):d)});return s("ul",{class:"list"},...i)}function $(t,e){let r=i=>typeof i=="object"&&i!==null?JSON.stringify(i):i;return Object.entries(t).map(([i,o])=>`${i}: ${o===null?e.empty:r(o)}`).join(", ")||e.empty}function q(t,e,r,n){let i=K([t,r.mine,r.theirs,r.before]),o=Y(i,t,e),d=s("p",{class:"wrong",id:`${e}-wrong`,role:"alert"});o.setAttribute("aria-describedby",d.id);let a=s("input",{type:"checkbox",id:`${e}-none`});return a.checked=t==null,o.addEventListener("input",()=>a.checked=!1),{node:s("div",{class:"editor"},o,s("div",{class:"void"},a,s("label",{for:a.id},n.noValue)),d),focus:()=>o.focus(),read:c};function c(){let p=a.checked?{value:f()}:V(i,o.value,n);return d.textContent="problem"in p?p.problem:"",o.setAttribute("aria-invalid",String("problem"in p)),"problem"in p?null:p}function f(){return r.path.length>1&&t===void 0?void 0:null}}function K(t){let e=t.find(r=>r!=null);return typeof e=="number"||typeof e=="boolean"?typeof e:typeof e=="object"?"json":"string"}function Y(t,e,r){let n=e==null?"":t==="json"?JSON.stringify(e,null,2):String(e);if(t==="boolean"){let d=s("select",{id:r},...["true","false"].map(a=>s("option",{},a)));return d.value=n||"false",d}let o=t==="json"||n.length>H||n.includes(`
`)?s("textarea",{id:r,class:t,spellcheck:String(t==="string")}):s("input",{id:r,inputmode:t==="number"?"decimal":null,autocomplete:"off"});return o.value=n,o}function V(t,e,r){if(t==="string")return{value:e};if(t==="boolean")return{value:e==="true"};if(t==="number"){let n=Number(e.trim().replace(",","."));return e.trim()===""||!Number.isFinite(n)?{problem:r.noNumber}:{value:n}}try{return{value:JSON.parse(e)}}catch{return{problem:r.noJson}}}var y=new CSSStyleSheet;y.replaceSync(`
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
`);var B={heading:"Changed by somebody else",changed:"While you were editing, this was changed elsewhere. Choose what shall stand.",deleted:"While you were editing, this was deleted. You can make it again, or let it go.",removing:"You deleted this, but it was changed meanwhile. This is what changed.",unknownBase:"It is not known any more what it was before, so every difference is shown.",before:"Before",mine:"Yours",theirs:"Now on the server",removed:"Deleted",byBoth:"both changed it",byMe:"you changed it",byThem:"they changed it",keepMine:"Keep mine",keepTheirs:"Keep theirs",merge:"Use merged",edit:"Edit\u2026",saveEdit:"Save this",back:"Back",later:"Decide later",makeAgain:"Make it again",letGo:"Leave it deleted",deleteAnyway:"Delete it anyway",keepIt:"Keep it",ready:"Everything is decided.",open:t=>t===1?"One field still needs your choice.":`${t} fields still need your choice.`,same:"Both sides say the same by now.",empty:"empty",absent:"not there",noValue:"no value",noNumber:"This must be a number, like 12.50.",noJson:"This is not JSON: look for a missing comma, quote or bracket.",yes:"yes",no:"no"};var v=class extends HTMLElement{words={};#e={current:null};#a={};#n=[];#o=[];#t=null;#l=null;#r=s("dialog",{"aria-labelledby":"heading","aria-describedby":"detail"});#c=s("output",{id:"status"});constructor(){super();let e=this.attachShadow({mode:"open"});e.adoptedStyleSheets=[y],e.append(this.#r),this.#r.addEventListener("close",()=>this.#r.open||this.#d(w()))}disconnectedCallback(){this.#d(w())}get isOpen(){return this.#l!==null}get#s(){return{...B,...this.words}}ask(e,r={}){this.#d(w()),this.#e=e,this.#a=r;let n=E(e).sort((i,o)=>+(o.changedBy==="both")-+(i.changedBy==="both"));return this.#n=n,this.#o=e.current?j(this.#n):this.#n.map(()=>"mine"),this.#t=null,new Promise(i=>{this.#l=i,this.#m(),this.#r.showModal(),this.#r.querySelector("h2")?.focus()})}close(){this.#r.close()}#d(e){let r=this.#l;r&&(this.#l=null,this.#r.close(),r(e),this.dispatchEvent(new CustomEvent("decision",{detail:e,bubbles:!0,composed:!0})))}#i(e){let r=e==="mine"?S(this.#e,this.#n):this.#o,n=e==="merge"?r.indexOf(null):-1;if(n>=0)return this.#b(n);let i=r;this.#d(A(this.#e,this.#n,i,e))}#b(e){this.#h(!0),this.#r.querySelector(`input[name="field-${e}"]`)?.focus()}#g(){let e=this.#t??[],r=e.map(i=>i.read()),n=r.indexOf(null);if(n>=0)return e[n].focus();this.#o=r,this.#i("edit")}#m(){let e=this.#s,{heading:r=e.heading,detail:n=""}=this.#a;this.#r.replaceChildren(s("header",{},s("div",{},s("h2",{id:"heading",tabindex:-1},r),s("p",{id:"detail"},n&&`${n} `,this.#y()))),s("div",{class:"fields",role:"region",tabindex:0,"aria-labelledby":"heading"},...this.#n.map((i,o)=>this.#w(i,o))),s("footer",{},this.#c,...this.#k())),this.#h(!1)}#y(){let e=this.#s,{current:r,base:n}=this.#e;return m(this.#e)==="DELETE"?e.removing:r?this.#n.length===0?e.same:n?e.changed:`${e.changed} ${e.unknownBase}`:e.deleted}#w(e,r){let n=this.#s,i={both:n.byBoth,mine:n.byMe,theirs:n.byThem}[e.changedBy],o=this.#u&&!this.#t,d=this.#t?s("label",{for:`edit-${r}`},this.#f(e)):this.#f(e),a=s("div",{class:"name",id:`name-${r}`},d,this.#e.current&&this.#e.base&&s("span",{class:"tag"},i)),l=this.#t?[this.#t[r].node]:this.#v(e,r);return s("div",{role:o?"radiogroup":"group",class:e.changedBy,"aria-labelledby":a.id},a,...l)}get#u(){return this.#e.current!==null&&m(this.#e)!=="DELETE"}#v(e,r){let n=this.#s,i=l=>s("div",{class:"value"},L(l,e,n,this.#a.format)),o=(l,c,f)=>s("div",{class:`side ${l}`},s("div",{class:"who"},c),f),a=this.#e.base&&(this.#e.current||!h(e.before,e.mine))?o("before",n.before,i(e.before)):null;return this.#e.current?this.#u?[a,...["mine","theirs"].map(l=>{let c=s("input",{type:"radio",name:`field-${r}`,value:l});c.checked=this.#o[r]===l,c.addEventListener("change",()=>{this.#o[r]=l,this.#h(!1)});let f=s("span",{class:"who"},c,n[l]);return s("label",{class:`side ${l}`},f,i(e[l]))})]:[a,o("theirs",n.theirs,i(e.theirs))]:[a,o("mine",n.mine,i(e.mine))]}#f({path:e}){return this.#a.names?.[e.join(".")]??[this.#a.names?.[e[0]]??e[0].replaceAll("_"," "),...e.slice(1)].join(" \u203A ")}#k(){let e=this.#s,r=(o,d,a)=>s("button",{type:"button",class:d,onclick:a},o),n=r(e.later,"later",()=>this.close());if(this.#t)return[r(e.back,"back",()=>this.#p(!1)),r(e.saveEdit,"save main",()=>this.#g())];let i=r(e.edit,"edit",()=>this.#p(!0));return m(this.#e)==="DELETE"?[n,r(e.deleteAnyway,"mine",()=>this.#i("mine")),r(e.keepIt,"server main",()=>this.#i("server"))]:this.#e.current?[n,r(e.keepMine,"mine",()=>this.#i("mine")),r(e.keepTheirs,"server",()=>this.#i("server")),i,r(e.merge,"merge main",()=>this.#i("merge"))]:[n,r(e.letGo,"server",()=>this.#i("server")),i,r(e.makeAgain,"mine main",()=>this.#i("mine"))]}#p(e){this.#t=e?this.#n.map((r,n)=>this.#x(r,n)):null,this.#m(),this.#t?.length?this.#t[0].focus():this.#r.querySelector("h2")?.focus()}#x(e,r){let n=this.#o[r]==="theirs"?e.theirs:e.mine;return q(n,`edit-${r}`,e,this.#s)}#h(e){let r=this.#s,n=this.#o.filter(o=>o===null).length,i=!this.#u||this.#t;this.#c.textContent=i?"":n>0?r.open(n):r.ready,this.#c.classList.toggle("warn",e&&n>0)}},w=()=>({choice:"later",method:null,body:null,version:null,row:null});customElements.define("rowbell-conflict",v);export{v as RowbellConflict};
