// Captures: what is in one, what this node would answer, and one without numbers.
import { html, useState } from "./preact.js";
import { post, Problem } from "./api.js";
import { Behind, words } from "./ladder.js";
import { Dialogues } from "./replays.js";

export function CapturesPage({ session }) {
  const [file, choose] = useState(null);
  const [result, set] = useState(null);
  const [state, say] = useState("");
  if (!session.scopes.includes("trace")) return html`<h1>Captures</h1><p class="notice">The key needs the scope trace.</p>`;
  async function go(what) {
    say("working"); set(null);
    try {
      const response = await post(`/v1/captures/${what}`, file);
      if (what === "anonymised") { save(await response.blob(), file.name.replace(/(\.pcap(ng)?)?(\.gz)?$/, "") + "-anonymised.pcapng"); say("The anonymised capture was downloaded."); return; }
      set({ what, ...await response.json() });
      say("");
    } catch (problem) { say(problem instanceof Problem ? `${problem.title}: ${problem.message}` : `The node does not answer: ${problem.message}`); }
  }
  const take = event => { event.preventDefault(); const files = event.dataTransfer ? event.dataTransfer.files : event.target.files; if (files.length) { choose(files[0]); set(null); say(""); } };
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
    ${result && result.what === "decoded" ? html`<${Messages} result=${result} />` : null}
    ${result && result.what === "replayed" ? html`<p class="dim">${result.account}</p><${Dialogues} calls=${result.items} who="the node" leftOut=${0} openFirst=${result.items.length === 1} />${result.more ? html`<p class="dim">These are the first of more.</p>` : null}` : null}`;
}

const MOST = 500;

function Messages({ result }) {
  const [wanted, want] = useState("");
  const found = result.items.filter(each => !wanted || JSON.stringify({ ...each, parts: undefined }).toLowerCase().includes(wanted.toLowerCase()));
  if (!result.items.length) return html`<p class="notice" role="alert">No SS7 message is in it: ${result.account}.</p>`;
  return html`<label>Search<input type="search" value=${wanted} onInput=${event => want(event.target.value)} placeholder="number, IMSI, operation, reason …" /></label>
    <p class="dim">${found.length} of ${result.items.length}${result.more ? ", the first of more" : ""}. ${result.account}</p>
    ${found.slice(0, MOST).map(each => html`<${Message} key=${each.frame + (each.octets || "")} message=${each} />`)}`;
}

function Message({ message }) {
  const [open, show] = useState(false);
  const { octets, parts, ...decoded } = message;
  return html`<details class=${message.fault || message.error ? "fail" : ""} onToggle=${event => show(event.currentTarget.open)}><summary><span class="dim">${message.frame} ${(message.time || "").slice(11, 26)} ${message.source || ""} → ${message.destination || ""}</span> ${words(message)}</summary>
    ${open ? html`<${Behind} event=${{ decoded, octets, parts }} />` : null}</details>`;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
