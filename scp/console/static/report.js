// The page that camel-scp replay --html writes: what was replayed, in the console's own components.
import { html, render } from "./preact.js";
import { Dialogues, verdictWords } from "./replays.js";

const count = value => value.toLocaleString("en");

function Bars({ rows }) {
  const most = Math.max(1, ...rows.map(row => row.count));
  return rows.map(row => html`<div class="bar" title=${row.title || ""}><span class="mono">${row.label}</span><i style=${{ width: `${(100 * row.count) / most}%` }}></i><span>${count(row.count)}</span></div>`);
}

function Report({ data }) {
  return html`<main><h1>Replay of ${data.name}</h1><p class="dim">${data.account}</p>
    <div class="tiles">${Object.entries(verdictWords(data.who)).map(([name, text]) => html`<div class=${"tile call " + name}><b>${count(data.verdicts[name] || 0)}</b>${text}</div>`)}</div>
    <h2>${data.who === "we" ? "Our decisions" : "The node's answers"}</h2><${Bars} rows=${data.decisions.map(each => ({ label: `${each.action} ${each.reason}`.trim(), title: each.explanation, count: each.count }))} />
    ${data.fields.length ? html`<h2>What differs</h2><${Bars} rows=${data.fields.map(each => ({ label: each.field, count: each.count }))} />` : null}
    <h2>Dialogues</h2><${Dialogues} calls=${data.calls} who=${data.who} leftOut=${data.left_out} openFirst=${data.calls.length === 1 || location.hash === "#open"} /></main>`;
}

const data = JSON.parse(document.getElementById("data").textContent);
document.title = `Replay of ${data.name}`;
render(html`<${Report} data=${data} />`, document.getElementById("report"));
