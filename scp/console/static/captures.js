// Captures: what is in one, what this node would answer, and one without numbers.
import { html, useState } from "./preact.js";
import { post, Problem } from "./api.js";
import { words } from "./ladder.js";

const VERDICTS = { same: "same answer", different: "different answer", unanswered: "no answer in the capture", silent: "no answer of ours" };

export function CapturesPage({ session }) {
  const [file, choose] = useState(null);
  const [result, set] = useState(null);
  const [state, say] = useState("");
  const [wanted, want] = useState("");
  if (!session.scopes.includes("trace")) return html`<h1>Captures</h1><p class="notice">The key needs the scope trace.</p>`;
  async function go(what) {
    say("working"); set(null);
    try {
      const response = await post(`/v1/captures/${what}`, file);
      if (what === "anonymised") { save(await response.blob(), file.name.replace(/(\.pcap(ng)?)?(\.gz)?$/, "") + "-anonymised.pcapng"); say("The anonymised capture was downloaded."); return; }
      set({ what, ...await response.json() });
      say("");
    } catch (problem) { say(problem instanceof Problem ? problem.message : String(problem)); }
  }
  const take = event => { event.preventDefault(); const files = event.dataTransfer ? event.dataTransfer.files : event.target.files; if (files.length) { choose(files[0]); set(null); say(""); } };
  const found = result ? result.items.filter(each => !wanted || JSON.stringify(each).toLowerCase().includes(wanted.toLowerCase())) : [];
  return html`<h1>Captures</h1>
    <p>pcap or pcapng, gzipped or not, up to 64 MiB. It is read on the node, in a process of its own; nothing of it is kept.</p>
    <div class="row drop" onDragOver=${event => event.preventDefault()} onDrop=${take}>
      <label>Capture, chosen or dropped here<input type="file" onChange=${take} /></label>
      <button class="primary" disabled=${!file || state === "working"} onClick=${() => go("decoded")}>Decode</button>
      <button disabled=${!file || state === "working"} onClick=${() => go("replayed")}>Replay against this node</button>
      <button disabled=${!file || state === "working"} onClick=${() => go("anonymised")}>Download without numbers</button>
    </div>
    <p role="status">${state === "working" ? "Working …" : ""}</p>
    ${state && state !== "working" ? html`<p class="notice" role="alert">${state}</p>` : null}
    ${result ? html`<label>Search<input type="search" value=${wanted} onInput=${event => want(event.target.value)} placeholder="number, IMSI, operation, reason …" /></label>
      <p class="dim">${found.length} of ${result.items.length}${result.more ? ", the first of more" : ""}. ${result.account}</p>
      ${found.slice(0, 500).map(result.what === "decoded" ? Message : Dialogue)}` : null}`;
}

function Message(message) {
  return html`<details class=${message.fault || message.error ? "fail" : ""}><summary><span class="dim">${message.frame} ${(message.time || "").slice(11, 26)} ${message.source || ""} → ${message.destination || ""}</span> ${words(message)}</summary><pre tabindex="0">${JSON.stringify(message, null, 2)}</pre></details>`;
}

function Dialogue(call) {
  return html`<details class=${call.verdict === "same" ? "" : "fail"}><summary><span class="dim">frame ${call.frame}</span> <span class="mono">${call.a_number || "?"} → ${call.b_number || "?"}</span>: ${VERDICTS[call.verdict] || call.verdict}${call.reason ? `, ${call.action} ${call.reason}` : ""}</summary>
    ${call.explanation ? html`<p>${call.explanation}</p>` : null}
    <p>The capture's SCP: <span class="mono">${(call.theirs || []).join("; ") || "no answer"}</span></p><p>This node: <span class="mono">${(call.ours || []).join("; ") || "no answer"}</span></p>
    ${(call.differences || []).length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Differences"><table><thead><tr><th scope="col">Field</th><th scope="col">The capture's SCP</th><th scope="col">This node</th></tr></thead>
      <tbody>${call.differences.map(each => html`<tr><td>${each.field}</td><td class="mono">${each.theirs || "–"}</td><td class="mono">${each.ours || "–"}</td></tr>`)}</tbody></table></div>` : null}
    <ol class="steps">${(call.path || []).map(step => html`<li>${step.condition}: <span class="mono">${step.value}</span> <span class="dim">→ ${step.outcome}</span></li>`)}</ol></details>`;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
