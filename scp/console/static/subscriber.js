// A subscriber: the record, place, devices, balance, changes, and what would happen to a call.
import { html, useEffect, useState } from "./preact.js";
import { ask, look } from "./api.js";
import { CallTable, Path, Trace } from "./calls.js";
import { age, moment, money } from "./parts.js";

export function SubscriberPage({ calls, query, session }) {
  const asked = (query.get("number") || "").replace(/^\+|\s/g, "");
  const [typed, type] = useState(asked);
  return html`<h1>Subscriber</h1>
    <form class="row" onSubmit=${event => { event.preventDefault(); location.hash = `#/subscriber?number=${encodeURIComponent(typed.replace(/^\+|\s/g, ""))}`; }}>
      <label>Number, E.164<input type="search" inputmode="tel" value=${typed} onInput=${event => type(event.target.value)} /></label><button class="primary">Show</button></form>
    ${asked ? html`<${Subscriber} key=${asked} msisdn=${asked} calls=${calls} session=${session} />` : null}`;
}

const MONEY = /^(reserve|extend|commit|release|credit )/;

function Subscriber({ msisdn, calls, session }) {
  const [found, set] = useState(undefined);
  const [account, setAccount] = useState(null);
  const [changes, setChanges] = useState([]);
  const [lacks, setLacks] = useState("");
  const [reserved, setReserved] = useState([]);
  const [devices, setDevices] = useState(null);
  const [problem, fail] = useState("");
  const may = scope => session.scopes.includes(scope);
  async function load() {
    try {
      set(await look(`/v1/subscribers/${msisdn}`));
      const { changes: said, problem: lacks } = await ask("GET", `/v1/changes?number=${msisdn}&limit=50`);
      setChanges(said);
      setLacks(lacks);
      if (may("charging")) {
        setAccount(await look(`/v1/charging/accounts/${msisdn}`));
        const ids = [...new Set(said.filter(each => MONEY.test(each.what) && each.after && each.after.id).map(each => each.after.id))].slice(0, 10);
        setReserved((await Promise.all(ids.map(id => look(`/v1/charging/reservations/${encodeURIComponent(id)}`)))).filter(Boolean));
      }
      if (session.devices) setDevices(await look(`/v1/devices/${msisdn}`));
      fail("");
    } catch (error) { fail(error.message); }
  }
  useEffect(() => { load(); }, [msisdn]);
  async function change(method, path, body) {
    try { await ask(method, path, body); } catch (error) { fail(error.message); return; }
    load();
  }
  const recent = calls.filter(each => [each.attempt.a_number, each.attempt.b_number].some(text => text && (text === msisdn || text.endsWith(msisdn.slice(-9))))).slice(0, 30);
  const placed = found && found.roaming !== null ? changes.find(each => each.after && each.after.roaming === found.roaming && each.after.vlr === found.vlr && (!each.before || each.before.roaming !== found.roaming || each.before.vlr !== found.vlr)) : null;
  const yes = value => value === null || value === undefined ? "not known" : value ? "yes" : "no";
  return html`${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}
    <h2>${msisdn}</h2>
    ${found === null ? html`<p>No record: the operator has not authorized this number, and nothing else is set.</p>` : null}
    ${found ? html`<dl class="facts">
      <div><dt>Authorized (operator)</dt><dd>${yes(found.authorized)} <span class="mono dim">${found.imsi || ""}</span></dd></div>
      <div><dt>Registered (VoIP service)</dt><dd>${yes(found.registered)} <span class="mono dim">${found.aor || ""}</span></dd></div>
      <div><dt>Forwarding (subscriber)</dt><dd>${found.forwarding ? `on, ${found.when}` : "off"} <span class="mono dim">${(found.locations || []).join(" ")} ${found.forwarding_number || ""}</span></dd></div>
      <div><dt>Place</dt><dd>${found.roaming === null ? "not known" : found.roaming ? "abroad" : "at home"} <span class="mono dim">${found.vlr ? `VLR ${found.vlr}` : ""}</span>${placed ? html` <span class="dim">set ${age(Date.parse(placed.time))}</span>` : null}</dd></div>
      ${account ? html`<div><dt>Balance</dt><dd>${money(account.balance, account.currency)}, ${money(account.held, account.currency)} of it held</dd></div>` : null}
    </dl>` : null}
    <div class="row">
      ${may("authorization") && found !== undefined ? html`<button onClick=${() => change(found && found.authorized ? "DELETE" : "PUT", `/v1/authorizations/${msisdn}`, found && found.authorized ? undefined : {})}>${found && found.authorized ? "End the authorization" : "Authorize"}</button>` : null}
      ${may("forwarding") && found ? html`<button onClick=${() => change("PUT", `/v1/forwarding/${msisdn}`, { enabled: !found.forwarding, when: found.when, locations: found.locations || [] })}>Switch forwarding ${found.forwarding ? "off" : "on"}</button>` : null}
      ${may("forwarding") && found && found.when !== "locations" ? html`<label>Forward<select value=${found.when} onChange=${event => change("PUT", `/v1/forwarding/${msisdn}`, { enabled: found.forwarding, when: event.target.value })}><option value="always">always</option><option value="roaming">while roaming</option></select></label>` : null}
      ${may("registration") && found && found.registered ? html`<button onClick=${() => confirm(`End the registration of ${msisdn}? Its forwarding ends too.`) && change("DELETE", `/v1/registrations/${msisdn}`)}>End the registration</button>` : null}
      ${may("forwarding") && found && found.roaming !== null ? html`<button onClick=${() => change("DELETE", `/v1/roaming/${msisdn}`)}>Forget where the subscriber is</button>` : null}
      ${may("trace") ? html`<${Trace} msisdn=${msisdn} />` : null}
    </div>
    ${session.whereabouts ? html`<${Whereabouts} key=${msisdn} msisdn=${msisdn} />` : null}
    ${may("authorization") && may("charging") ? html`<${Credit} msisdn=${msisdn} account=${account} change=${change} />` : null}
    ${devices ? html`<h2>Devices</h2>${devices.problem ? html`<p class="notice">The VoIP service does not say: ${devices.problem}</p>` : html`<p>${devices.registered} registered now</p>
      <ul>${devices.devices.map(each => html`<li key=${each.id}><span class="mono">${each.id}</span> ${each.label} <span class=${"pill " + (each.state === "active" ? "pass" : "warn")}>${each.state}</span></li>`)}</ul>`}` : null}
    ${reserved.length ? html`<h2>Reservations</h2><div class="scroll" tabindex="0" role="region" aria-label="Reservations"><table><thead><tr><th scope="col">Call</th><th scope="col">State</th><th scope="col" class="number">Granted</th><th scope="col" class="number">Used</th><th scope="col" class="number">Charged</th></tr></thead>
      <tbody>${reserved.map(each => html`<tr key=${each.id}><td class="mono">${each.call_id}</td><td>${each.state}</td><td class="number">${each.granted_seconds} s</td><td class="number">${each.used_seconds} s</td><td class="number">${money(each.charged, each.currency)}</td></tr>`)}</tbody></table></div>` : null}
    <h2>Recent changes</h2>
    ${lacks ? html`<p class="notice">Those through other nodes may lack: ${lacks}</p>` : null}
    ${changes.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Recent changes"><table class="stack changes"><thead><tr><th scope="col">When, UTC</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
      <tbody>${changes.flatMap((each, at) => differences(each).map(([name, before, after], line) => html`<tr key=${`${at} ${name}`} class=${line ? "more" : ""}><td class="dim when">${line ? "" : moment(each.time)}</td><td>${line ? "" : each.who}${!line && each.node ? html` <span class="dim">at ${each.node}</span>` : null}</td><td title=${each.what}>${line ? "" : done(each.what)}</td><td>${name}</td><td class="mono" data-name="before">${before}</td><td class="mono" data-name="after">${after}</td></tr>`))}</tbody></table></div>` : html`<p class="dim">None among the latest 2,000 of all numbers.</p>`}
    <${WhatIf} msisdn=${msisdn} />
    <h2>Calls since this console was opened</h2>
    ${recent.length ? html`<${CallTable} calls=${recent} />` : html`<p class="dim">None.</p>`}`;
}

const DONE = [[/^PUT .*authorizations/, "authorized"], [/^DELETE .*authorizations/, "authorization ended"], [/^PUT .*registrations/, "registered"], [/^DELETE .*registrations/, "registration ended"], [/^PUT .*forwarding/, "forwarding set"],
  [/^PUT .*roaming/, "place set"], [/^DELETE .*roaming/, "place forgotten"], [/^PUT .*traces/, "trace begun"], [/^DELETE .*traces/, "trace ended"], [/^DELETE .*calls/, "call released"], [/^POST .*import/, "import"]];
const done = what => (DONE.find(([pattern]) => pattern.test(what)) || [0, what])[1];

// Where the HLR says that the subscriber is: it is asked when somebody wants to know.
function Whereabouts({ msisdn }) {
  const [place, set] = useState(null);
  const [problem, fail] = useState("");
  const find = () => ask("GET", `/v1/whereabouts/${msisdn}`).then(found => { set(found); fail(""); }, error => { set(null); fail(error.message); });
  return html`<p><button onClick=${find}>Ask the HLR for the place</button> ${place ? html`<span role="status">${place.roaming === null ? "at" : place.roaming ? "abroad, at" : "at home, at"} VLR <span class="mono">${place.vlr}</span>, ${place.state}; it was there ${age(Date.now() - 1000 * place.age_s)}</span>` : null}
    ${problem ? html`<span class="fail" role="alert">${problem}</span>` : null}</p>`;
}

const plainly = value => value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

// What a change has changed: [field, before, after].
function differences(change) {
  const before = change.before || {}, after = change.after || {};
  if (!change.before || !change.after) { // something new, or gone: as one
    const all = Object.entries(change.after || before).filter(([, value]) => value !== null && value !== "" && value !== false && !(Array.isArray(value) && !value.length)).map(([name, value]) => `${name} ${plainly(value)}`).join(", ");
    return [["", change.before ? all : "–", change.after ? all : "–"]];
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(name => name !== "version" && JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null));
  return names.length ? names.map(name => [name, plainly(before[name]), plainly(after[name])]) : [["", "–", "–"]];
}

function Credit({ msisdn, account, change }) {
  const [amount, type] = useState("");
  const [payment, name] = useState(() => `console-${Date.now().toString(36)}`);
  function pay(event) {
    event.preventDefault();
    change("PUT", `/v1/charging/accounts/${msisdn}/credits/${encodeURIComponent(payment)}`, { amount: Number(amount) });
    type("");
    name(`console-${Date.now().toString(36)}`);
  }
  return html`<form class="row" onSubmit=${pay}><label>Add to the balance, minor units${account ? ` of ${account.currency}` : ""}<input type="number" step="1" required value=${amount} onInput=${event => type(event.target.value)} /></label>
    <label>Payment's id<input required maxlength="128" value=${payment} onInput=${event => name(event.target.value)} /></label><button>Add</button></form>`;
}

const TRIGGERS = { terminating: "as a call to this number (terminating)", originating: "at the caller's switch (originating)", forwarded: "after a diversion (forwarded)" };

// What would happen to a call to this number, or from it, there: a dry run of the node, nothing is changed.
function WhatIf({ msisdn }) {
  const [form, set] = useState({ calls: "no", other: "", trigger: "terminating", vlr: "", redirecting_number: "" });
  const [run, setRun] = useState(null);
  const [problem, fail] = useState("");
  const type = name => event => set({ ...form, [name]: event.target.value });
  const plain = text => text.replace(/^\+|\s/g, "");
  const own = form.calls === "yes";
  async function go(event) {
    event.preventDefault();
    const body = own ? { a_number: "+" + msisdn, b_number: form.other.trim(), trigger: "originating" } : { b_number: "+" + msisdn, trigger: form.trigger };
    if (!own && form.other.trim()) body.a_number = form.other.trim();
    if (form.vlr) body.vlr = plain(form.vlr);
    if (!own && form.redirecting_number) { body.redirecting_number = form.redirecting_number; body.redirections = 1; }
    try { setRun(await ask("POST", "/v1/decisions", body)); fail(""); } catch (error) { setRun(null); fail(error.message); }
  }
  return html`<h2>What would happen to a call now</h2>
    <form class="row" onSubmit=${go}>
      <label>This number<select value=${form.calls} onChange=${type("calls")}><option value="no">is called</option><option value="yes">calls</option></select></label>
      <label>${own ? "Number called, as dialled" : "Calling number"}<input inputmode="tel" required=${own} value=${form.other} onInput=${type("other")} /></label>
      ${own ? null : html`<label>The switch asks<select value=${form.trigger} onChange=${type("trigger")}>${Object.entries(TRIGGERS).map(([each, words]) => html`<option value=${each}>${words}</option>`)}</select></label>`}
      <label>VLR number (where the subscriber is)<input inputmode="tel" value=${form.vlr} onInput=${type("vlr")} /></label>
      ${own ? null : html`<label>Redirecting number<input inputmode="tel" value=${form.redirecting_number} onInput=${type("redirecting_number")} /></label>`}
      <button class="primary">Decide it</button></form>
    ${problem ? html`<p class="notice" role="alert">${problem}</p>` : null}${run ? html`<${Path} run=${run} />` : html`<p class="dim">A dry run: nothing is changed, and no call is made.</p>`}`;
}
