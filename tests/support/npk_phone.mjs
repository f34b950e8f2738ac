// The browser's NPK 1 under node: `vectors FILE` checks the published vectors, `press` speaks with a
// lock on stdin and stdout, one line of JSON for each frame. argv[2] is npk.js, copied to *.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
const [, , modulePath, what, argument] = process.argv;
const npk = await import(modulePath);

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");
const b64url = (data) => Buffer.from(data).toString("base64url");

function jwk(scalar, point) {
  const p = bytes(point);
  return {
    kty: "EC", crv: "P-256", d: b64url(bytes(scalar)), x: b64url(p.slice(1, 33)), y: b64url(p.slice(33)),
  };
}

async function privateKey(name, scalar, point) {
  const use = name === "ECDSA" ? ["sign"] : ["deriveBits"];
  return crypto.subtle.importKey("jwk", jwk(scalar, point), { name, namedCurve: "P-256" }, false, use);
}

async function sessionOf(file, told) {
  const point = told.m1.slice(10, 10 + 130); // 84 01 01 58 41, then the point
  const ephemeral = {
    privateKey: await privateKey("ECDH", told.phone_ephemeral, point),
    publicKey: await crypto.subtle.importKey(
      "raw", bytes(point), { name: "ECDH", namedCurve: "P-256" }, true, [],
    ),
  };
  return new npk.PhoneSession({
    privateKey: await privateKey("ECDSA", file.keys.phone.private, file.keys.phone.point),
    credential: bytes(told.credential),
    lockId: file.lock_id,
    lockPoint: bytes(file.keys.lock.point),
    entropy: { nonce: () => bytes(told.phone_nonce), ephemeral: () => ephemeral },
  });
}

async function checkSession(file, told) {
  const session = await sessionOf(file, told);
  assert.equal(hex(await session.m1()), told.m1);
  const greeting = await session.onM2(bytes(told.m2));
  const { lockId, wallS, uncertaintyS, denylistSeq, generation, flags } = greeting;
  assert.deepEqual(
    [lockId, wallS, uncertaintyS, denylistSeq, generation, flags], told.greeting,
  );
  assert.equal(hex(greeting.nonce), told.lock_nonce);
  const verdict = await session.onM4(bytes(told.m4));
  assert.deepEqual(
    [verdict.status, verdict.event, verdict.wallS, Number(verdict.repeated)], told.verdict,
  );
  assert.equal(verdict.name, told.status.toLowerCase());
}

async function checkProof(file, told) {
  const [credential, proof] = npk.decode(bytes(told.m3_plain));
  assert.equal(hex(credential), told.credential);
  const key = await crypto.subtle.importKey(
    "raw", bytes(file.keys.phone.point), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"],
  );
  const bound = await npk.digest(bytes(told.transcript), credential);
  const aad = npk.concat(new TextEncoder().encode(file.labels.phone), bound);
  const asked = npk.decode(await npk.verify1(key, proof, aad));
  assert.deepEqual([asked[0], hex(asked[1]), asked[2]], [told.command, told.command_id, file.lock_id]);
}

function checkFrames(file) {
  const told = file.handshake;
  for (const set of file.framing) {
    const out = { phone: new npk.Framer(), lock: new npk.Framer() };
    const inward = { phone: new npk.Reassembler(), lock: new npk.Reassembler() };
    for (const [name, who] of [["m1", "phone"], ["m2", "lock"], ["m3", "phone"], ["m4", "lock"]]) {
      const type = npk.Message[name.toUpperCase()];
      const frames = out[who].split(type, bytes(told[name]), set.value_bytes);
      assert.deepEqual(frames.map(hex), set[name]);
      const found = frames.map((frame) => [inward[who].feed(frame), inward[who].feed(frame)]);
      for (const [, repeat] of found) assert.equal(repeat, null);
      const [gotType, message] = found.at(-1)[0];
      assert.deepEqual([gotType, hex(message)], [type, told[name]]);
    }
  }
  for (const { why, frames } of file.bad_frames) {
    const inward = new npk.Reassembler();
    assert.throws(() => frames.forEach((frame) => inward.feed(bytes(frame))), npk.ProtocolError, why);
  }
}

async function checkFlips(file, told) {
  const m2 = bytes(told.m2);
  for (let bit = 0; bit < m2.length * 8; bit += 1) {
    const bent = m2.slice();
    bent[bit >> 3] ^= 1 << (bit & 7);
    const session = await sessionOf(file, told);
    await assert.rejects(session.onM2(bent), npk.ProtocolError, `bit ${bit} of M2`);
  }
  const session = await sessionOf(file, told);
  await session.onM2(m2);
  const m4 = bytes(told.m4);
  for (let bit = 0; bit < m4.length * 8; bit += 1) {
    const bent = m4.slice();
    bent[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(session.onM4(bent), npk.ProtocolError, `bit ${bit} of M4`);
  }
}

async function checkVectors(path) {
  const file = JSON.parse(readFileSync(path, "utf8"));
  assert.equal(npk.SERVICE, file.service);
  assert.equal(hex(await npk.commandId(file.order_id)), file.command_id);
  checkFrames(file);
  for (const told of [file.handshake, ...file.refusals]) {
    if (told.name !== "copied_key") await checkProof(file, told);
    await checkSession(file, told);
  }
  for (const told of [file.credentials.bound, file.denylist.signed, file.time.signed]) {
    assert.equal(hex(npk.encode(npk.decode(bytes(told)))), told);
  }
  const { slot, sealed, from_s: from, until_s: until, generation, ...pin } = file.pin;
  const put = [npk.Op.PUT_PIN, slot, bytes(sealed), from, until, generation];
  assert.equal(hex(npk.encode(put)), pin.put_plain);
  assert.equal(hex(npk.encode([npk.Op.CLEAR_PIN, slot])), pin.clear_plain);
  await checkFlips(file, file.handshake);
  console.log("true");
}

async function speak() {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const say = (word) => process.stdout.write(JSON.stringify(word) + "\n");
  const keys = await npk.newPhoneKey();
  await assert.rejects(crypto.subtle.exportKey("jwk", keys.privateKey));
  say({ point: hex(await npk.pointOf(keys.publicKey)) });
  const facts = await next();
  for (const id of facts.ids) {
    const conversation = new npk.Conversation(async (frame) => {
      say({ frame: hex(frame) });
      const { frames, hung_up: hungUp } = await next();
      frames.forEach((back) => conversation.deliver(bytes(back)));
      if (hungUp) conversation.hungUp();
    }, facts.value_bytes);
    const session = new npk.PhoneSession({
      privateKey: keys.privateKey,
      credential: bytes(facts.credential),
      lockId: facts.lock_id,
      lockPoint: bytes(facts.lock_point),
    });
    try {
      const paper = (name) => (facts[name] ? async () => {
        say({ wants: name });
        return bytes((await next()).paper);
      } : null);
      const nonceFirst = facts.time ? async (nonce) => {
        say({ wants: "time", nonce: hex(nonce) });
        return bytes((await next()).paper);
      } : null;
      const verdict = await npk.press(conversation, session, {
        id: bytes(id), timeFor: nonceFirst, denylistSince: paper("denylist"),
      });
      say({ verdict: verdict.name, repeated: verdict.repeated, event: verdict.event });
    } catch (error) {
      say({ error: error.code ?? String(error) });
    }
  }
  process.exit(0);
}

await (what === "vectors" ? checkVectors(argument) : speak());
