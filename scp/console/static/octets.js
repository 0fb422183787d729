// A message's octets beside the tree of its fields: a field chosen shows its octets, an octet its field.
import { html, useState } from "./preact.js";

const ROW = 16;

function pathTo(parts, at) {
  const found = (parts || []).find(each => each.from <= at && at < each.to);
  return found ? [found, ...pathTo(found.parts, at)] : [];
}

function Fields({ parts, chosen, choose }) {
  return html`<ul class="fields">${parts.map(part => html`<li><button class=${part === chosen ? "chosen" : ""} aria-pressed=${part === chosen ? "true" : "false"} onClick=${() => choose(part)}>${part.name}${part.value ? html` <span class="mono dim">${part.value}</span>` : null}</button>
    ${part.parts ? html`<${Fields} parts=${part.parts} chosen=${chosen} choose=${choose} />` : null}</li>`)}</ul>`;
}

export function Octets({ octets, parts }) {
  const [chosen, choose] = useState(null);
  const count = octets.length / 2;
  const at = chosen ? chosen.from : 0;
  const pick = offset => { const path = pathTo(parts, Math.max(0, Math.min(count - 1, offset))); if (path.length) choose(path[path.length - 1]); };
  function key(event) {
    const far = chosen ? chosen.to - chosen.from : 1;
    const step = { ArrowRight: far, ArrowLeft: -1, ArrowDown: ROW, ArrowUp: -ROW }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    pick(chosen ? at + step : 0);
  }
  const rows = [];
  for (let start = 0; start < count; start += ROW) rows.push(start);
  const marked = offset => chosen && chosen.from <= offset && offset < chosen.to;
  return html`<div class="octets">
    <${Fields} parts=${parts || []} chosen=${chosen} choose=${choose} />
    <div><p class="dim" role="status">${chosen ? `${chosen.name}: octets ${chosen.from} to ${chosen.to - 1}${chosen.value ? ", " + chosen.value : ""}` : `${count} octets; choose a field or an octet, here with the arrow keys`}</p>
      <pre tabindex="0" role="region" aria-label="Octets" onKeyDown=${key}>${rows.map(start => html`<span class="dim">${start.toString(16).padStart(4, "0")} </span>${[...Array(Math.min(ROW, count - start)).keys()].map(index => html`<span class=${marked(start + index) ? "marked" : ""} onClick=${() => pick(start + index)}> ${octets.slice(2 * (start + index), 2 * (start + index) + 2)}</span>`)}${"\n"}`)}</pre></div>
  </div>`;
}
