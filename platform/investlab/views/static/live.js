/* The stream in the browser: one WebSocket that heals itself, and what may honestly be said of the data's age.
   `Stream` knows topics and their numbers; `badge` is a pure function of what is known. */

export const SECONDS = {
  probe: 4,        // silence after which the hub is asked whether it is there
  silent: 9,       // silence after which the connection counts as lost
  connect: 4,      // longest wait for a connection
  firstRetry: 0.25,
  lastRetry: 5,
  delayed: 5,
  stale: 15,
};

export function streamAddress(gateway, location) {
  if (!gateway) return null;
  const found = new URL(gateway);
  const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(found.hostname);
  const host = isLoopback ? location.hostname : found.hostname;
  const port = found.port ? `:${found.port}` : "";
  return `${found.protocol === "https:" ? "wss:" : "ws:"}//${host}${port}${found.pathname.replace(/\/$/, "")}/v1/stream`;
}

export function retryDelay(attempt, random = Math.random) {
  const longest = Math.min(SECONDS.lastRetry, SECONDS.firstRetry * 2 ** attempt);
  return longest * (0.5 + 0.5 * random());
}

/* What the badge says. `age` is the seconds since data last came, null before any did. */
export function badge({ configured, connected, tried, replay, age }) {
  const session = replay?.session ?? replay?.first_session;
  const clock = replay ? `REPLAY ${session}` : "";
  const ago = age === null ? "" : `updated ${duration(age)} ago`;
  if (!configured) return { state: "offline", label: clock || "NO STREAM", detail: "no gateway is running" };
  if (!connected && !tried) return { state: "connecting", label: clock || "CONNECTING", detail: "connecting" };
  if (!connected) return { state: "offline", label: `OFFLINE${clock && ` · ${clock}`}`, detail: ago || "gateway not reached" };
  if (age === null) return { state: "waiting", label: clock || "CONNECTED", detail: "waiting for data" };
  const pace = replay ? replay.seconds_per_session : 0;
  const isOver = replay && replay.sessions_done >= replay.sessions_total;
  if (isOver) return { state: "replay", label: clock, detail: "pass complete" };
  if (age > Math.max(SECONDS.stale, 5 * pace)) return { state: "stale", label: `STALE${clock && ` · ${clock}`}`, detail: ago };
  if (age > Math.max(SECONDS.delayed, 2.5 * pace)) return { state: "delayed", label: `DELAYED${clock && ` · ${clock}`}`, detail: ago };
  return replay ? { state: "replay", label: clock, detail: ago } : { state: "live", label: "LIVE", detail: ago };
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

export class Stream {
  constructor({ address, topics, onMessage, onConnect = () => {} }, surroundings = {}) {
    this.address = address;
    this.topics = topics;
    this.onMessage = onMessage;
    this.onConnect = onConnect;
    this.now = surroundings.now ?? (() => performance.now() / 1000);
    this.later = surroundings.later ?? ((seconds, act) => setTimeout(act, seconds * 1000));
    this.open = surroundings.open ?? ((url) => new WebSocket(url));
    this.connected = false;
    this.tried = false;
    this.dataAt = null;
    this.last = new Map();
    this.attempt = 0;
    this.socket = null;
  }

  get age() {
    return this.dataAt === null ? null : this.now() - this.dataAt;
  }

  connect() {
    if (!this.address) return;
    const socket = this.open(this.address);
    this.socket = socket;
    this.startedAt = this.now();
    this.heardAt = null;
    this.probed = false;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.heardAt = this.now();
      this.subscribe(this.topics);
    };
    socket.onmessage = (event) => socket === this.socket && this.receive(event.data);
    socket.onclose = () => socket === this.socket && this.lose();
  }

  subscribe(topics) {
    const last = {};
    for (const [topic, seen] of this.last) last[topic] = seen;
    this.send({ action: "subscribe", topics, last });
  }

  send(frame) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    this.heardAt = this.now();
    this.probed = false;
    if (!this.connected) {
      this.connected = this.tried = true;
      this.attempt = 0;
      this.onConnect();
    }
    if (message.kind === "heartbeat") this.send({ action: "pong" });
    else if (message.kind === "update" || message.kind === "snapshot") this.take(message);
    else if (message.kind === "error") console.warn(`stream: ${message.error?.detail}`);
  }

  take(message) {
    const seen = this.last.get(message.topic);
    if (seen && seen.epoch === message.epoch && message.seq <= seen.seq) return;
    this.last.set(message.topic, { epoch: message.epoch, seq: message.seq });
    if (message.kind === "update" || message.topic === "replay") this.dataAt = this.now();
    this.onMessage(message);
  }

  /* Called every second or so: asks a silent hub for a sign of life, and gives up on one that gives none. */
  watch() {
    if (!this.socket) return;
    if (this.heardAt === null) {
      if (this.now() - this.startedAt > SECONDS.connect) this.abandon();
      return;
    }
    const silence = this.now() - this.heardAt;
    if (silence > SECONDS.silent) this.abandon();
    else if (silence > SECONDS.probe && !this.probed) {
      this.probed = true;
      this.subscribe(["replay"]);
    }
  }

  abandon() {
    const socket = this.socket;
    this.lose();
    socket.close();
  }

  lose() {
    this.socket = null;
    this.connected = false;
    this.tried = true;
    this.later(retryDelay(this.attempt), () => this.socket === null && this.connect());
    this.attempt += 1;
  }
}
