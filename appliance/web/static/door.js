// The door page with this phone's own key. Without this file, or where the browser lacks something,
// the page's button and the PIN work all the same.

import { Command, Message, PhoneSession, Status, press } from "./npk.js";
import { LinkError, byBluetooth, byTunnel, hasBluetooth } from "./links.js";
import { Refused, keysOf, phoneOf, randomHex, timeFor } from "./phone-key.js";

const place = document.getElementById("phone");
const texts = JSON.parse(place.dataset.texts);
const { door, holder, tunnel } = place.dataset;

// --- one press -------------------------------------------------------------------------------------

// A press keeps its id until its end is known, also over a reload: tried again, by whatever way, it
// moves the bolt once.
const PRESS_MS_MAX = 120_000;
const PRESS = `press ${door}`;

function pressId() {
  const [id, at] = (sessionStorage.getItem(PRESS) ?? "").split(" ");
  if (id && Date.now() - Number(at) < PRESS_MS_MAX) return id;
  const fresh = randomHex(8);
  sessionStorage.setItem(PRESS, `${fresh} ${Date.now()}`);
  return fresh;
}

const bytesOfHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

// Carries one press out over a link; gives [state, sentence]. Never throws.
async function open(connect, phone, key) {
  let link = null;
  let begun = false; // whether the lock may have heard what we want
  try {
    link = await connect();
    const session = new PhoneSession({
      privateKey: phone.pair.privateKey,
      credential: key.credential,
      lockId: key.number,
      lockPoint: key.lockPoint,
    });
    const watched = {
      ask: (type, ...more) => {
        begun ||= type === Message.M3;
        return link.conversation.ask(type, ...more);
      },
    };
    const id = bytesOfHex(pressId());
    return said(await press(watched, session, { command: Command.UNLOCK, id, timeFor }));
  } catch (error) {
    const refusal = link?.refused();
    if (refusal) return ["refused", refusal.sentence];
    if (begun) return ["wait", texts.unknown];
    return trouble(error);
  } finally {
    link?.close();
  }
}

function said(verdict) {
  if (verdict.status === Status.UNKNOWN) return ["wait", texts.unknown];
  sessionStorage.removeItem(PRESS);
  if (verdict.done) return ["done", verdict.repeated ? texts.repeated : texts.done];
  return no(verdict.name);
}

const no = (word) =>
  ["refused", `${texts.refused} ${texts[`reason.${word}`] ?? texts["reason.other"]}`];

// Nothing has moved: the lock was not asked.
function trouble(error) {
  if (error instanceof LinkError) return ["wait", texts[error.code] ?? texts.broke];
  switch (error.code) {
    case "declined": return no(error.message);
    case "not_this_lock": return ["refused", texts.not_this_lock];
    case "hung_up": case "timeout": case "protocol": return ["wait", texts.link_lost];
    default: return ["wait", texts.broke];
  }
}

// --- the page --------------------------------------------------------------------------------------

function element(name, more) {
  return Object.assign(document.createElement(name), more);
}

const status = element("p", { className: "said" });
status.setAttribute("role", "status");

function say(state, sentence) {
  status.className = state === "hint" ? "hint" : `said ${state}`;
  status.textContent = sentence;
}

function wayButton(text, working, connect, phone, key) {
  const button = element("button", { type: "button", textContent: text, className: "second" });
  button.addEventListener("click", async () => {
    const buttons = [...document.querySelectorAll("#ways button")];
    if (place.getAttribute("aria-busy") === "true") return;
    place.setAttribute("aria-busy", "true");
    for (const each of buttons) each.disabled = true;
    say("", working);
    const [state, sentence] = await open(connect, phone, key);
    for (const each of buttons) each.disabled = false;
    place.removeAttribute("aria-busy");
    say(state, sentence);
    button.focus();
  });
  return button;
}

function offer(phone, key) {
  const ways = [];
  if (hasBluetooth()) {
    const connect = () => byBluetooth(key.number, key.tag);
    ways.push(wayButton(texts.bluetooth, texts.working_bluetooth, connect, phone, key));
  }
  if (key.tunnel) {
    const connect = () => byTunnel(tunnel);
    ways.push(wayButton(texts.tunnel, texts.working_tunnel, connect, phone, key));
  }
  if (ways.length === 0) return;
  ways[0].className = "big";
  const byBox = document.querySelector("#box button");
  Object.assign(byBox, { className: "second", textContent: texts.by_box });
  status.before(...ways);
}

// The page itself, for the hour in which the box cannot be reached.
async function keepPage() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/my/worker.js", { scope: "/my/" });
  await navigator.serviceWorker.ready;
  await (await caches.open("door 1")).add(location.pathname);
}

async function begin() {
  place.append(element("h2", { textContent: texts.title }), status);
  place.hidden = false;
  if (!globalThis.isSecureContext) return say("", texts.insecure);
  say("", texts.working_key);
  const phone = await phoneOf(holder);
  const { keys, fresh } = await keysOf(holder, phone);
  const key = keys.find((each) => each.doorId === door && each.lockPoint !== null);
  if (!key) return say("", fresh ? texts.no_lock : texts.no_key);
  if (key.endsS * 1000 <= Date.now()) return say("wait", texts.old);
  offer(phone, key);
  const mine = document.querySelector(`[data-phone="${phone.id}"]`);
  if (mine) {
    // Signing out is how this phone gives its key up; taken away here, it would fetch it again.
    const since = mine.querySelector("span");
    since.textContent = `${texts.this_one}. ${since.textContent}`;
    mine.querySelector("form").remove();
  }
  if (fresh) keepPage().catch(() => {}); // a browser that keeps nothing opens doors all the same
  return say("hint", fresh ? texts.ready : texts.line);
}

begin().catch((error) => {
  say("wait", error instanceof Refused && error.message ? error.message : texts.no_key);
});
