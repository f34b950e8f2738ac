// Keeps the page of a guest's door and what it is made of, for the hour in which the box cannot be
// reached: the phone's key opens the lock without it. Asks the box first, always.

const KEPT = "door 1";
const FILES = ["app.js", "door.js", "links.js", "npk.js", "phone-key.js", "nightporter.css"];
// A box without power leaves a connection hanging; somebody stands at a door.
const ANSWER_MS_MAX = 4000;
const GONE = new Set([401, 403, 404]);

addEventListener("install", (event) => {
  skipWaiting();
  const all = FILES.map((name) => `/static/${name}`);
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(all)));
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const ours = /^\/my\/doors\/[^/]+$/.test(pathname) || pathname.startsWith("/static/");
  // A shown PIN is the answer to a POST: it is never kept.
  if (origin === location.origin && request.method === "GET" && ours) {
    event.respondWith(answer(request));
  }
});

async function answer(request) {
  const kept = await caches.open(KEPT);
  try {
    const fresh = await fetch(request, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    // Signed out, checked out, or another's door by now: what was kept of it goes too.
    if (fresh.ok && !fresh.redirected) await kept.put(request, fresh.clone());
    else if (GONE.has(fresh.status) || fresh.redirected) await kept.delete(request);
    return fresh;
  } catch {
    return (await kept.match(request.url, { ignoreSearch: true, ignoreVary: true })) ?? Response.error();
  }
}
