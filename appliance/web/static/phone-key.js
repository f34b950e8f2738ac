// This phone's own key: made here, kept here, never able to leave; and what the box gave it to open
// doors with. One key per stay, so that two stays cannot be told to be of one phone.

import { newPhoneKey, pointOf } from "./npk.js";

const DATABASE = "nightporter";
const STORE = "phone";

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
export const randomHex = (count) => hex(crypto.getRandomValues(new Uint8Array(count)));

// One request to IndexedDB.
function kept(mode, ask) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const asked = ask(transaction.objectStore(STORE));
      transaction.oncomplete = () => { database.close(); resolve(asked.result); };
      transaction.onabort = () => { database.close(); reject(transaction.error); };
    };
  });
}

// A refusal of the box, with its sentence.
export class Refused extends Error {
  constructor(code, sentence) {
    super(sentence);
    this.name = "Refused";
    this.code = code;
  }
}

async function ask(query, variables) {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Nightporter": "1" },
    body: JSON.stringify({ query, variables }),
  });
  const said = await answer.json();
  if (said.errors) throw new Refused(said.errors[0].extensions?.code, said.errors[0].message);
  if (!said.data) throw new Refused("broken", said.sentence ?? "");
  return said.data;
}

const KEYS = `query ($phone: ID!) { keys: mobileKeys(phoneId: $phone) {
  doorId title number credential endsS lockPoint tunnel tag } }`;
const ENROL = `mutation ($id: String!, $point: String!) {
  said: enrolPhone(id: $id, point: $point) { done code sentence } }`;

const TIME = "query ($nonce: String!) { time: lockTime(nonce: $nonce) }";

// The time for a lock that lost its own, signed by the box; null where it cannot be had.
export async function timeFor(nonce) {
  const { time } = await ask(TIME, { nonce: hex(nonce) });
  return time === null ? null : bytesOf(time);
}

// The key pair of a stay, made the first time it is asked for.
export async function phoneOf(holder) {
  let pair = await kept("readonly", (store) => store.get(`pair ${holder}`));
  if (!pair) {
    pair = await newPhoneKey();
    await kept("readwrite", (store) => store.put(pair, `pair ${holder}`));
    // Without this a browser may clear what it likes; whether it agrees is its own business.
    await navigator.storage?.persist?.().catch(() => false);
  }
  const point = await pointOf(pair.publicKey);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", point));
  return { pair, point: hex(point), id: `phone-${hex(digest.slice(0, 8))}` };
}

// The doors this phone opens: fetched anew where the box can be reached, else as they were fetched.
// Enrols the phone where that was not done yet. Throws Refused where the box says no.
export async function keysOf(holder, phone) {
  try {
    let { keys } = await ask(KEYS, { phone: phone.id });
    if (keys === null) {
      const { said } = await ask(ENROL, { id: randomHex(16), point: phone.point });
      if (!said.done) throw new Refused(said.code, said.sentence);
      ({ keys } = await ask(KEYS, { phone: phone.id }));
    }
    await kept("readwrite", (store) => store.put(keys, `keys ${holder}`));
    return { keys: keys.map(read), fresh: true };
  } catch (error) {
    if (error instanceof Refused) throw error;
    const keys = (await kept("readonly", (store) => store.get(`keys ${holder}`))) ?? [];
    return { keys: keys.map(read), fresh: false };
  }
}

function read(key) {
  return {
    ...key,
    credential: bytesOf(key.credential),
    lockPoint: key.lockPoint === null ? null : bytesOf(key.lockPoint),
    tag: key.tag === null ? null : bytesOf(key.tag),
  };
}
