// The live feed (docs/feed.md): one socket for the page, which reconnects by itself. A subscriber gets
// a snapshot first, then frames without a gap; after a gap or a lost connection the stream restarts
// with a snapshot.
//
//   subscribe("book", slug, (frame) => ...);   // also "trades", "ticker", "lifecycle"
//   subscribe("me", null, (frame) => ...);     // the viewer's own account
//   subscribe("lifecycle", "all", ...);        // ticker and lifecycle of every listed market
//   onState(({ connected, engine, exchange }) => ...);   // engine: "up" or "away"
//       // exchange: the state of the whole exchange as JSON, "" until known
const RECONNECT_MS = [250, 500, 1000, 2000, 4000];
const SILENCE_MS = 6000; // three heartbeats
const CHANNEL_OF = { exchange: "lifecycle", me: "me" };
const EVERY = "all";

const streams = new Map(); // "channel market" -> {channel, market, handlers, seqs: Map(market -> seq)}
const watchers = new Set();
const state = { connected: false, engine: "up", exchange: "", everConnected: false };
let socket = null;
let attempts = 0;
let silence = 0;
let flush = 0;
const waiting = new Set();
const leaving = new Set();

/** Call `handler(frame)` for every frame of a channel; returns a function that unsubscribes. */
export function subscribe(channel, market, handler) {
  const key = `${channel} ${market}`;
  let stream = streams.get(key);
  if (stream === undefined) {
    stream = { channel, market, handlers: new Set(), seqs: new Map() };
    streams.set(key, stream);
    request(stream);
  } else {
    request(stream); // a later subscriber needs a snapshot too
  }
  stream.handlers.add(handler);
  if (socket === null) connect();
  return () => {
    stream.handlers.delete(handler);
    if (stream.handlers.size > 0) return;
    streams.delete(key);
    waiting.delete(stream);
    leaving.add(stream);
    schedule();
  };
}

/** Call `watcher({connected, engine, exchange, everConnected})` now and at every change. */
export function onState(watcher) {
  watchers.add(watcher);
  watcher({ ...state });
}

function named(markets) {
  if (markets[0] === null) return {};
  return { markets: markets[0] === EVERY ? EVERY : markets };
}

function change(news) {
  if (Object.entries(news).every(([name, value]) => state[name] === value)) return;
  Object.assign(state, news);
  for (const watcher of watchers) watcher({ ...state });
}

function connect() {
  if (socket !== null) return; // an immediate attempt came first
  const url = new URL("/ws/v1", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    attempts = 0;
    leaving.clear(); // a new connection has no subscriptions yet
    for (const stream of streams.values()) {
      stream.seqs.clear();
      waiting.add(stream);
    }
    sendWaiting();
    listen();
    change({ connected: true, everConnected: true });
  });
  socket.addEventListener("message", (event) => {
    listen();
    take(JSON.parse(event.data));
  });
  socket.addEventListener("close", lose);
}

function lose() {
  clearTimeout(silence);
  socket = null;
  change({ connected: false });
  const pause = RECONNECT_MS[Math.min(attempts, RECONNECT_MS.length - 1)];
  attempts += 1;
  setTimeout(connect, pause * (0.75 + Math.random() / 2));
}

/** A connection that is silent for longer than its heartbeats counts as lost. */
function listen() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    const silent = socket;
    silent.removeEventListener("close", lose);
    silent.close();
    lose();
  }, SILENCE_MS);
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function request(stream) {
  waiting.add(stream);
  schedule();
}

function schedule() {
  if (flush === 0) flush = setTimeout(sendWaiting, 0);
}

function sendWaiting() {
  flush = 0;
  if (socket?.readyState !== WebSocket.OPEN) return;
  const gone = [...leaving].filter(({ channel, market }) => !streams.has(`${channel} ${market}`));
  leaving.clear();
  sendTogether("unsubscribe", gone);
  sendTogether("subscribe", [...waiting]);
  waiting.clear();
}

/** One message for all markets of a channel. */
function sendTogether(op, several) {
  const groups = new Map();
  for (const { channel, market } of several) {
    const key = market === null || market === EVERY ? `${channel} ${market}` : channel;
    if (!groups.has(key)) groups.set(key, { channel, markets: [] });
    groups.get(key).markets.push(market);
  }
  for (const { channel, markets } of groups.values()) {
    for (let start = 0; start < markets.length; start += 100) {
      send({ op, channels: [channel], ...named(markets.slice(start, start + 100)) });
    }
  }
}

function take(frame) {
  if (frame.type === "heartbeat") {
    const exchange = frame.exchange === null ? state.exchange : JSON.stringify(frame.exchange);
    change({ engine: frame.engine, exchange });
    return compare(frame);
  }
  const channel = CHANNEL_OF[frame.type] ?? frame.type.replace("_snapshot", "");
  for (const key of [`${channel} ${frame.market}`, `${channel} ${EVERY}`]) {
    const stream = streams.get(key);
    if (stream !== undefined && follows(stream, frame)) {
      for (const handler of stream.handlers) handler(frame);
    }
  }
}

/** Whether a frame continues its chain; a gap requests a new snapshot. */
function follows(stream, frame) {
  if (frame.seq === null) return true;
  const known = stream.seqs.get(frame.market);
  if (frame.prev_seq === null || frame.prev_seq === known) {
    stream.seqs.set(frame.market, frame.seq);
    return true;
  }
  if (known === undefined || frame.seq > known) request(stream);
  return false;
}

function compare(frame) {
  for (const stream of streams.values()) {
    if (stream.channel === "me") continue;
    for (const [market, known] of stream.seqs) {
      if (frame.markets[market]?.[stream.channel] > known) request(stream);
    }
  }
}

/** A page restored from the back/forward cache has missed everything meanwhile. */
function resume({ persisted }) {
  if (!persisted || streams.size === 0) return;
  clearTimeout(silence);
  const old = socket;
  socket = null;
  old?.removeEventListener("close", lose);
  old?.close();
  attempts = 0;
  change({ connected: false });
  connect();
}

addEventListener("pagehide", () => socket?.removeEventListener("close", lose));
addEventListener("pageshow", resume);
