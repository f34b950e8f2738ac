// The two ways of a phone's frames to a lock: Bluetooth, and through the box. Each gives
// { conversation, close(), refused } and knows nothing of keys.

import { Conversation, INFO, RX, SERVICE, TX, decode } from "./npk.js";

// A failure before anything was said to the lock; `code` is the page's word for it.
export class LinkError extends Error {
  constructor(code) {
    super(code);
    this.name = "LinkError";
    this.code = code;
  }
}

const OPEN_MS_MAX = 10_000;
const COMPANY = 0xffff; // docs/npk1.md: the number for tests, until there is one of our own
const chosen = new Map(); // door number -> the device that was chosen on this page
const tagless = new Set(); // doors whose tag no lock near by had: the whole list is shown next time

export const hasBluetooth = () => "bluetooth" in navigator;

// Must be called from a tap. The system shows a list of locks near by; after the first time on a
// page it is not asked for again.
export async function byBluetooth(number, tag) {
  const device = chosen.get(number) ?? (await choose(number, tag));
  try {
    const link = await connect(device, number);
    chosen.set(number, device);
    return link;
  } catch (error) {
    chosen.delete(number);
    device.gatt.disconnect();
    throw error instanceof LinkError ? error : new LinkError("link_lost");
  }
}

async function choose(number, tag) {
  const filter = { services: [SERVICE] };
  if (tag !== null && !tagless.has(number)) {
    // The first byte is the lock's flags, the rest its door's tag: a corridor of locks is one line.
    const dataPrefix = Uint8Array.of(0, ...tag);
    const mask = Uint8Array.of(0, ...tag.map(() => 0xff));
    filter.manufacturerData = [{ companyIdentifier: COMPANY, dataPrefix, mask }];
  }
  try {
    return await navigator.bluetooth.requestDevice({ filters: [filter] });
  } catch (error) {
    tagless.add(number);
    const none = error.name === "NotFoundError" && (await navigator.bluetooth.getAvailability());
    throw new LinkError(none ? "not_found" : "bluetooth_off");
  }
}

async function connect(device, number) {
  const server = await within(device.gatt.connect(), "link_lost");
  const service = await server.getPrimaryService(SERVICE);
  const info = await service.getCharacteristic(INFO);
  const [, found] = decode(bytesOf(await info.readValue()));
  // Nobody signed this; it only saves a guest who picked the neighbour's lock a fright.
  if (found !== number) throw new LinkError("another_door");
  const tx = await service.getCharacteristic(TX);
  const rx = await service.getCharacteristic(RX);
  const conversation = new Conversation((frame) => tx.writeValueWithResponse(frame));
  const hear = (event) => conversation.deliver(bytesOf(event.target.value));
  const gone = () => conversation.hungUp();
  rx.addEventListener("characteristicvaluechanged", hear);
  device.addEventListener("gattserverdisconnected", gone);
  await rx.startNotifications();
  const close = () => {
    rx.removeEventListener("characteristicvaluechanged", hear);
    device.removeEventListener("gattserverdisconnected", gone);
    device.gatt.disconnect();
  };
  return { conversation, close, refused: () => null };
}

const bytesOf = (view) =>
  new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

function within(promise, code) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new LinkError(code)), OPEN_MS_MAX);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Through the box. Why it will not is said inside the socket: { refused, sentence }.
export async function byTunnel(path) {
  const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")));
  socket.binaryType = "arraybuffer";
  let refusal = null;
  const conversation = new Conversation(async (frame) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  });
  socket.addEventListener("message", ({ data }) => {
    if (data instanceof ArrayBuffer) conversation.deliver(new Uint8Array(data));
    else refusal = JSON.parse(data);
  });
  socket.addEventListener("close", () => conversation.hungUp());
  const opened = new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("close", () => reject(new LinkError("line")));
  });
  await within(opened, "line");
  return { conversation, close: () => socket.close(), refused: () => refusal };
}
