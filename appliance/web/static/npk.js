// NPK 1 in a browser: the phone's side of docs/npk1.md, without a transport and without dependencies.
//
//   Message, Command, Op, Status          numbers on the air; statusName(number) gives "expired"
//   SERVICE, INFO, TX, RX                 UUIDs of the GATT service
//   newPhoneKey(), pointOf(publicKey)     a key pair whose private half cannot be exported; its 65 bytes
//   commandId(orderId)                    8 bytes: the same press has the same id, also when it is retried
//   Framer, Reassembler                   messages in pieces of one GATT value (or one tunnel frame)
//   PhoneSession                          m1, onM2, m3, onM4, request, onResponse: bytes in, bytes out
//   Conversation                          one link: ask(type, message, wanted), deliver(frame), hungUp(why)
//   press(conversation, session, {...})   the whole of it: greet, bring time or denylist, command, verdict
//   encode, decode, sign1, verify1        deterministic CBOR and COSE_Sign1 with ES256
//
// A transport gives `new Conversation(send, valueBytes)` an async `send(frame)` and calls `deliver`
// for each frame that comes and `hungUp` when the link goes. Everything that the lock may do wrong
// rejects with a ProtocolError; its `code` says what: "protocol", "not_this_lock", "hung_up",
// "timeout", "declined". Nothing here touches the page, storage or the network.

export const SERVICE = "ebe1e0e4-41d4-403f-9452-bdedc7813032";
export const INFO = "ebe1e0e5-41d4-403f-9452-bdedc7813032";
export const TX = "ebe1e0e6-41d4-403f-9452-bdedc7813032";
export const RX = "ebe1e0e7-41d4-403f-9452-bdedc7813032";

export const VERSION = 1;
export const SUITE = 1;
export const MESSAGE_BYTES_MAX = 2048;
export const VALUE_BYTES_MIN = 20;
export const VALUE_BYTES_MAX = 512;
// A page cannot see the MTU. Writes with response of 180 bytes need no long write at MTU 185 and up,
// and where the MTU is smaller the system falls back to one.
export const BROWSER_VALUE_BYTES = 180;
export const ANSWER_MS_MAX = 5000;

export const Message = Object.freeze({
  M1: 1, M2: 2, M3: 3, M4: 4, NO: 0x0f, REQUEST: 0x10, RESPONSE: 0x11,
});
export const Command = Object.freeze({ UNLOCK: 1, ADMIN: 4, COURIER: 8, OFFICE: 16 });
export const Op = Object.freeze({
  DENYLIST: 1, TIME: 2, ISSUER: 3, LOG: 4, STATE: 5, ACK: 6, SET_TIME: 7, LOCAL_TIME: 8,
  LOCK: 9, FIND: 10, DENY: 11, BLINK: 12, PUT_PIN: 13, CLEAR_PIN: 14,
});
export const Flag = Object.freeze({
  TIME_UNKNOWN: 1, LOG_WAITING: 2, PRIVACY: 4, BATTERY_LOW: 8, DENYLIST_OLD: 16, OFFICE: 32,
});
export const Status = Object.freeze({
  DONE: 0, BUSY: 1, RATE_LIMITED: 2, BAD_FRAME: 3, UNKNOWN_ISSUER: 4, BAD_SIGNATURE: 5,
  WRONG_DOOR: 6, DENIED: 7, SUPERSEDED: 8, NO_TIME: 9, NOT_YET: 10, EXPIRED: 11, WRONG_PIN: 12,
  PRIVACY: 13, JAMMED: 14, SCHEDULE: 15, NOT_SUPPORTED: 16, SLOTS_FULL: 17, PIN_TAKEN: 18,
  UNKNOWN: 31,
});

// The bus's word for a status; a number of a newer lock is a "no" in any case.
export function statusName(status) {
  const found = Object.entries(Status).find(([, number]) => number === status);
  return found ? found[0].toLowerCase() : "not_supported";
}

export class ProtocolError extends Error {
  constructor(text, code = "protocol") {
    super(text);
    this.name = "ProtocolError";
    this.code = code;
  }
}

// --- bytes ---------------------------------------------------------------------------------------

const utf8 = new TextEncoder();

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function sameBytes(a, b) {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

// --- CBOR: integers, byte and text strings, arrays, maps, in the one deterministic form ------------

const DEPTH_MAX = 5; // as kernel/cbor.py
const LEAST = [24, 2 ** 8, 2 ** 16, 2 ** 32];

function head(major, value) {
  const top = major << 5;
  if (value < 24) return Uint8Array.of(top | value);
  if (value < 2 ** 8) return Uint8Array.of(top | 24, value);
  if (value < 2 ** 16) return Uint8Array.of(top | 25, value >> 8, value & 255);
  const bytes = new Uint8Array(value < 2 ** 32 ? 5 : 9);
  const view = new DataView(bytes.buffer);
  bytes[0] = top | (bytes.length === 5 ? 26 : 27);
  if (bytes.length === 5) view.setUint32(1, value);
  else view.setBigUint64(1, BigInt(value));
  return bytes;
}

function compareBytes(a, b) {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

export function encode(item) {
  if (Number.isSafeInteger(item)) return item >= 0 ? head(0, item) : head(1, -1 - item);
  if (item instanceof Uint8Array) return concat(head(2, item.length), item);
  if (typeof item === "string") {
    const text = utf8.encode(item);
    return concat(head(3, text.length), text);
  }
  if (Array.isArray(item)) return concat(head(4, item.length), ...item.map(encode));
  if (item instanceof Map) {
    const pairs = [...item].map(([key, value]) => [encode(key), encode(value)]);
    pairs.sort(([a], [b]) => compareBytes(a, b));
    return concat(head(5, item.size), ...pairs.flat());
  }
  throw new TypeError("not an item of NPK 1");
}

export function decode(data) {
  const reader = new CborReader(data);
  const item = reader.item(0);
  if (reader.at !== data.length) throw new ProtocolError("bytes follow the item");
  return item;
}

class CborReader {
  constructor(data) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = 0;
  }

  head() {
    if (this.at >= this.data.length) throw new ProtocolError("the item is cut short");
    const first = this.data[this.at++];
    const info = first & 0x1f;
    if (info < 24) return [first >> 5, info];
    if (info > 27) throw new ProtocolError("indefinite or reserved length");
    const width = 1 << (info - 24);
    if (this.at + width > this.data.length) throw new ProtocolError("the length is cut short");
    const value =
      width === 1 ? this.view.getUint8(this.at)
      : width === 2 ? this.view.getUint16(this.at)
      : width === 4 ? this.view.getUint32(this.at)
      : Number(this.view.getBigUint64(this.at));
    this.at += width;
    if (value < LEAST[info - 24]) throw new ProtocolError("the length is written too long");
    if (!Number.isSafeInteger(value)) throw new ProtocolError("a number beyond what NPK 1 has");
    return [first >> 5, value];
  }

  item(depth) {
    const [major, value] = this.head();
    if (major === 0) return value;
    if (major === 1) return -1 - value;
    if (major === 2) return this.string(value);
    if (major === 3) return this.text(value);
    if (major > 5) throw new ProtocolError("a tag, float or simple value");
    if (depth === DEPTH_MAX) throw new ProtocolError("nested too deep");
    // Every element takes a byte at least, so a huge count ends here and not in memory.
    if (value > this.data.length - this.at) throw new ProtocolError("the list is cut short");
    return major === 4 ? this.array(value, depth) : this.map(value, depth);
  }

  string(size) {
    if (size > this.data.length - this.at) throw new ProtocolError("the string is cut short");
    this.at += size;
    return this.data.slice(this.at - size, this.at);
  }

  text(size) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.string(size));
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError("the text is not UTF-8");
    }
  }

  array(size, depth) {
    const items = [];
    for (let i = 0; i < size; i++) items.push(this.item(depth + 1));
    return items;
  }

  map(size, depth) {
    const items = new Map();
    let last = new Uint8Array(0);
    for (let i = 0; i < size; i++) {
      const start = this.at;
      const key = this.item(depth + 1);
      const written = this.data.slice(start, this.at);
      if (!Number.isInteger(key) || compareBytes(written, last) <= 0) {
        throw new ProtocolError("a map key is no integer, repeated or out of order");
      }
      last = written;
      items.set(key, this.item(depth + 1));
    }
    return items;
  }
}

// --- keys and signatures -----------------------------------------------------------------------------

const subtle = () => globalThis.crypto.subtle; // undefined outside a secure context
const ECDSA_KEY = { name: "ECDSA", namedCurve: "P-256" };
const ECDH_KEY = { name: "ECDH", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };
const PROTECTED = Uint8Array.of(0xa1, 0x01, 0x26); // {1: -7}
const POINT_BYTES = 65;

export function newPhoneKey() {
  return subtle().generateKey(ECDSA_KEY, false, ["sign", "verify"]);
}

export async function pointOf(publicKey) {
  return new Uint8Array(await subtle().exportKey("raw", publicKey));
}

async function sha256(data) {
  return new Uint8Array(await subtle().digest("SHA-256", data));
}

export async function commandId(orderId) {
  return (await sha256(utf8.encode(orderId))).slice(0, 8);
}

// SHA-256 over parts, each after its length in four bytes.
export function digest(...parts) {
  const sized = parts.flatMap((part) => {
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, part.length);
    return [size, part];
  });
  return sha256(concat(...sized));
}

function toBeSigned(payload, aad) {
  return encode(["Signature1", PROTECTED, aad, payload]);
}

export async function sign1(privateKey, payload, aad) {
  // WebCrypto gives r || s, which is what COSE wants.
  const signature = await subtle().sign(ES256, privateKey, toBeSigned(payload, aad));
  return encode([PROTECTED, new Map(), payload, new Uint8Array(signature)]);
}

export async function verify1(publicKey, data, aad) {
  const parts = decode(data);
  if (!Array.isArray(parts) || parts.length !== 4) throw new ProtocolError("not a COSE_Sign1");
  const [head1, open, payload, signature] = parts;
  const shaped =
    head1 instanceof Uint8Array && sameBytes(head1, PROTECTED) &&
    open instanceof Map && open.size === 0 &&
    payload instanceof Uint8Array &&
    signature instanceof Uint8Array && signature.length === 64;
  if (!shaped) throw new ProtocolError("not a COSE_Sign1 of ours");
  const holds = await subtle().verify(ES256, publicKey, signature, toBeSigned(payload, aad));
  if (!holds) throw new ProtocolError("the signature does not hold", "not_this_lock");
  return payload;
}

// --- frames ----------------------------------------------------------------------------------------

const FIRST = 0x80;
const LAST = 0x40;
const SEQ = 0x3f;
const BEHIND_MAX = 32;
const REPEATS_MAX = 256;

export class Framer {
  #seq = 0;

  split(type, message, valueBytes) {
    if (!(valueBytes >= VALUE_BYTES_MIN && valueBytes <= VALUE_BYTES_MAX)) {
      throw new RangeError(`a value has ${VALUE_BYTES_MIN} to ${VALUE_BYTES_MAX} bytes`);
    }
    if (message.length > MESSAGE_BYTES_MAX) throw new RangeError("the message is too long");
    const first = Uint8Array.of(type, message.length >> 8, message.length & 255);
    const whole = concat(first, message);
    const room = valueBytes - 1;
    const frames = [];
    for (let at = 0; at < whole.length; at += room) {
      const bits = (at === 0 ? FIRST : 0) | (at + room >= whole.length ? LAST : 0);
      frames.push(concat(Uint8Array.of(bits | this.#seq), whole.slice(at, at + room)));
      this.#seq = (this.#seq + 1) & SEQ;
    }
    return frames;
  }
}

export class Reassembler {
  #seq = 0;
  #type = 0;
  #total = 0;
  #parts = null;
  repeats = 0;

  // [type, message] where this frame ends one, null where it does not.
  feed(frame) {
    if (frame.length < 1 || frame.length > VALUE_BYTES_MAX) {
      throw new ProtocolError("a frame of no possible length");
    }
    const header = frame[0];
    const behind = (this.#seq - header) & SEQ;
    if (behind >= 1 && behind <= BEHIND_MAX) {
      if (++this.repeats > REPEATS_MAX) throw new ProtocolError("too many repeated frames");
      return null;
    }
    if (behind !== 0) throw new ProtocolError("a frame is missing");
    this.#seq = (this.#seq + 1) & SEQ;
    let data = frame.slice(1);
    if (header & FIRST) {
      if (this.#parts !== null || data.length < 3) {
        throw new ProtocolError("a message begins inside another, or without its head");
      }
      this.#type = data[0];
      this.#total = (data[1] << 8) | data[2];
      if (this.#total > MESSAGE_BYTES_MAX) throw new ProtocolError("the message is too long");
      this.#parts = new Uint8Array(0);
      data = data.slice(3);
    } else if (this.#parts === null || data.length === 0) {
      throw new ProtocolError("a frame that belongs to no message, or is empty");
    }
    this.#parts = concat(this.#parts, data);
    const last = (header & LAST) !== 0;
    if (this.#parts.length > this.#total || last !== (this.#parts.length === this.#total)) {
      throw new ProtocolError("the frames are not as long as the first one said");
    }
    if (!last) return null;
    const message = this.#parts;
    this.#parts = null;
    return [this.#type, message];
  }
}

// --- the session -----------------------------------------------------------------------------------

const systemEntropy = {
  nonce: (size) => globalThis.crypto.getRandomValues(new Uint8Array(size)),
  ephemeral: () => subtle().generateKey(ECDH_KEY, false, ["deriveBits"]),
};

// Each direction: AES-128-GCM, the message's type as associated data, its number in the nonce.
class Channel {
  #keys;
  #ivs;
  #counts = { out: 0, in: 0 };

  static async open(privateKey, theirPoint, transcript) {
    let theirs;
    try {
      theirs = await subtle().importKey("raw", theirPoint, ECDH_KEY, false, []);
    } catch {
      throw new ProtocolError("not a point of the curve");
    }
    const secret = await subtle().deriveBits({ name: "ECDH", public: theirs }, privateKey, 256);
    const material = await subtle().importKey("raw", secret, "HKDF", false, ["deriveBits"]);
    const how = { name: "HKDF", hash: "SHA-256", salt: transcript, info: utf8.encode("NPK1 keys") };
    const okm = new Uint8Array(await subtle().deriveBits(how, material, 56 * 8));
    const key = (at, use) =>
      subtle().importKey("raw", okm.slice(at, at + 16), "AES-GCM", false, [use]);
    const channel = new Channel();
    channel.#keys = { out: await key(0, "encrypt"), in: await key(16, "decrypt") };
    channel.#ivs = { out: okm.slice(32, 44), in: okm.slice(44, 56) };
    return channel;
  }

  #how(direction, type) {
    const iv = this.#ivs[direction].slice();
    const number = this.#counts[direction];
    const counter = new DataView(iv.buffer);
    counter.setUint32(8, (counter.getUint32(8) ^ number) >>> 0);
    return { name: "AES-GCM", iv, additionalData: Uint8Array.of(type), tagLength: 128 };
  }

  async seal(type, text) {
    const how = this.#how("out", type);
    this.#counts.out += 1;
    return new Uint8Array(await subtle().encrypt(how, this.#keys.out, text));
  }

  async open(type, sealed) {
    let text;
    try {
      text = await subtle().decrypt(this.#how("in", type), this.#keys.in, sealed);
    } catch {
      throw new ProtocolError("not the next message of this session");
    }
    this.#counts.in += 1;
    return new Uint8Array(text);
  }
}

function items(data, ...kinds) {
  const found = decode(data);
  const fits =
    Array.isArray(found) && found.length === kinds.length &&
    kinds.every((kind, i) =>
      kind === "any" ||
      (kind === "int" ? Number.isInteger(found[i]) : found[i] instanceof Uint8Array));
  if (!fits) throw new ProtocolError("not the message that was expected");
  return found;
}

export class PhoneSession {
  #facts;
  #entropy;
  #ephemeral = null;
  #m1 = null;
  #transcript = null;
  #channel = null;

  // privateKey: CryptoKey for ECDSA P-256; credential, lockPoint: bytes; lockId: the door's number.
  constructor({ privateKey, credential, lockId, lockPoint, entropy = systemEntropy }) {
    if (lockPoint.length !== POINT_BYTES) throw new RangeError("a point has 65 bytes");
    this.#facts = { privateKey, credential, lockId, lockPoint };
    this.#entropy = entropy;
  }

  async m1() {
    if (this.#m1 === null) {
      this.#ephemeral = await this.#entropy.ephemeral();
      const point = await pointOf(this.#ephemeral.publicKey);
      this.#m1 = encode([VERSION, SUITE, point, this.#entropy.nonce(16)]);
    }
    return this.#m1;
  }

  // The lock proves itself, or this rejects with code "not_this_lock". Nothing is said before.
  async onM2(message) {
    if (this.#channel !== null) throw new ProtocolError("M2 comes once");
    const m1 = await this.m1();
    const [theirPoint, nonce, sealed] = items(message, "bytes", "bytes", "bytes");
    if (theirPoint.length !== POINT_BYTES) throw new ProtocolError("not a point of the curve");
    const transcript = await digest(utf8.encode("NPK1"), m1, theirPoint, nonce);
    const channel = await Channel.open(this.#ephemeral.privateKey, theirPoint, transcript);
    const signed = await channel.open(Message.M2, sealed);
    const lockKey = await subtle().importKey(
      "raw", this.#facts.lockPoint, ECDSA_KEY, false, ["verify"],
    );
    const payload = await verify1(lockKey, signed, concat(utf8.encode("NPK1-LOCK"), transcript));
    const [lockId, wallS, uncertaintyS, denylistSeq, generation, flags] =
      items(payload, "int", "int", "int", "int", "int", "int");
    if (lockId !== this.#facts.lockId) {
      throw new ProtocolError("this is another door", "not_this_lock");
    }
    this.#transcript = transcript;
    this.#channel = channel;
    return { lockId, wallS, uncertaintyS, denylistSeq, generation, flags, nonce };
  }

  async m3(command, id) {
    if (id.length !== 8) throw new RangeError("a command id has 8 bytes");
    const { privateKey, credential, lockId } = this.#facts;
    const bound = await digest(this.#known(), credential);
    const aad = concat(utf8.encode("NPK1-PHONE"), bound);
    const proof = await sign1(privateKey, encode([command, id, lockId]), aad);
    return this.#channel.seal(Message.M3, encode([credential, proof]));
  }

  async onM4(message) {
    this.#known();
    const text = await this.#channel.open(Message.M4, message);
    const [status, event, wallS, repeated] = items(text, "int", "int", "int", "int");
    return {
      status, name: statusName(status), done: status === Status.DONE, event, wallS,
      repeated: repeated === 1,
    };
  }

  request(op, ...args) {
    this.#known();
    return this.#channel.seal(Message.REQUEST, encode([op, ...args]));
  }

  async onResponse(message) {
    this.#known();
    const text = await this.#channel.open(Message.RESPONSE, message);
    const [status, result] = items(text, "int", "any");
    return { status, name: statusName(status), result };
  }

  #known() {
    if (this.#channel === null) throw new ProtocolError("no M2 yet");
    return this.#transcript;
  }
}

// --- one link --------------------------------------------------------------------------------------

export class Conversation {
  #send;
  #framer = new Framer();
  #inward = new Reassembler();
  #waiting = null;
  #ready = [];
  #end = null;

  constructor(send, valueBytes = BROWSER_VALUE_BYTES) {
    this.#send = send;
    this.valueBytes = valueBytes;
  }

  // One frame of the lock. What breaks the protocol ends the conversation.
  deliver(frame) {
    if (this.#end !== null) return;
    try {
      const whole = this.#inward.feed(frame);
      if (whole === null) return;
      if (this.#waiting !== null) this.#settle((waiting) => waiting.resolve(whole));
      else if (this.#ready.length === 0) this.#ready.push(whole);
      else throw new ProtocolError("an answer that nobody asked for");
    } catch (error) {
      this.#finish(error);
    }
  }

  // The link is gone.
  hungUp(why = "the lock hung up") {
    this.#finish(new ProtocolError(why, "hung_up"));
  }

  // One message and its one answer, of the type that is wanted.
  async ask(type, message, wanted, answerMs = ANSWER_MS_MAX) {
    if (this.#end !== null) throw this.#end;
    if (this.#waiting !== null) throw new ProtocolError("one message at a time");
    for (const frame of this.#framer.split(type, message, this.valueBytes)) {
      await this.#send(frame);
    }
    const [got, body] = this.#ready.shift() ?? (await this.#answer(answerMs));
    if (got === Message.NO) {
      const [status, waitMs] = items(body, "int", "int");
      const declined = new ProtocolError(statusName(status), "declined");
      declined.status = status;
      declined.waitMs = waitMs;
      throw declined;
    }
    if (got !== wanted) throw new ProtocolError("not the answer that was expected");
    return body;
  }

  #answer(answerMs) {
    if (this.#end !== null) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#finish(new ProtocolError("the lock does not answer", "timeout")), answerMs,
      );
      this.#waiting = { resolve, reject, timer };
    });
  }

  #settle(how) {
    const waiting = this.#waiting;
    this.#waiting = null;
    clearTimeout(waiting.timer);
    how(waiting);
  }

  #finish(error) {
    this.#end ??= error;
    if (this.#waiting !== null) this.#settle((waiting) => waiting.reject(this.#end));
  }
}

// The lock waits three seconds for M3; a box that is away must not use them up.
const PAPER_MS_MAX = 1000;
const pause = (ms) => new Promise((resolve) => { setTimeout(() => resolve(null), ms); });

// A whole session. `timeFor(nonce)` may fetch a signed time for a lock that has lost its own, and
// `denylistSince(seq)` a signed denylist newer than the lock's; either may give null, and a failure
// of either does not keep the guest out. Gives the verdict, with the lock's `greeting`.
export async function press(
  conversation, session,
  { command = Command.UNLOCK, id, timeFor = null, denylistSince = null },
) {
  const ask = async (op, data) => {
    const request = await session.request(op, data);
    return session.onResponse(await conversation.ask(Message.REQUEST, request, Message.RESPONSE));
  };
  const bring = async (op, fetch) => {
    const paper = await Promise.race([fetch().catch(() => null), pause(PAPER_MS_MAX)]);
    return paper ? ask(op, paper) : null;
  };
  const m1 = await session.m1();
  const greeting = await session.onM2(await conversation.ask(Message.M1, m1, Message.M2));
  if (timeFor !== null && greeting.flags & Flag.TIME_UNKNOWN) {
    await bring(Op.TIME, async () => timeFor(greeting.nonce));
  }
  if (denylistSince !== null && greeting.flags & Flag.DENYLIST_OLD) {
    await bring(Op.DENYLIST, async () => denylistSince(greeting.denylistSeq));
  }
  const m3 = await session.m3(command, id);
  const verdict = await session.onM4(await conversation.ask(Message.M3, m3, Message.M4));
  return { ...verdict, greeting };
}
