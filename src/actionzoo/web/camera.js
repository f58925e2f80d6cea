// A camera: its pictures go to the server one by one, and answers come back.
//
// The person sees the picture as in a mirror; what is sent is drawn from the camera itself and is
// never mirrored. The next picture is sent when the last one has arrived: what was taken meanwhile
// is left out, so that no picture is old when it arrives.
const SHORT_SIDE = 256;
const LAST = 200;
const find = (name) => element.querySelector(name);
const root = find(".az-camera");
const video = find("video");
const canvas = document.createElement("canvas");
let run = null;

const WORDS = {
  idle: ["See what the network sees", "Start your camera and do something: the action is named while you do it. The pictures go to this page's server and are not kept."],
  asking: ["Waiting for the camera", "Your browser asks whether this page may use it."],
  opening: ["Opening the model", "It takes a moment the first time."],
  denied: ["The camera was not allowed", "Allow it in the address bar of the browser, or in the settings of the system, and start again."],
  missing: ["There is no camera", "Connect one and start again, or try a video in the other tab."],
  taken: ["The camera is in use", "Another program or page holds it. Close that and start again."],
  insecure: ["The camera needs a safe address", "Browsers give cameras only to https pages and to this machine itself: open the page as http://127.0.0.1 or put https in front of it."],
  full: ["All places are taken", ""],
  failed: ["That did not work", ""],
  lost: ["The camera has stopped", "It was unplugged, or the connection to the server broke. Start again."],
};

function state(name, words) {
  root.dataset.state = name;
  const [title, text] = WORDS[name] || ["", ""];
  find(".az-say strong").textContent = title;
  find(".az-say p").textContent = words || text;
  const running = ["asking", "opening", "live"].includes(name);
  find("[data-start]").hidden = running;
  find("[data-end]").hidden = !running;
  if (name === "live") return;
  find(".az-live-label").textContent = find(".az-live-score").textContent = "";
  for (const row of find(".az-bars").children) row.hidden = true;
  for (const one of element.querySelectorAll("[data-told]")) one.textContent = "–";
}

function fault(error) {
  return { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing",
    OverconstrainedError: "missing", NotReadableError: "taken", AbortError: "taken" }[error.name];
}

async function start() {
  stop("idle");
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return state("insecure");
  const mine = run = { times: [], ages: [], sending: false, skipped: 0, first: null, last: -1 };
  state("asking");
  try {
    mine.camera = await navigator.mediaDevices.getUserMedia({ audio: false,
      video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" } });
  } catch (error) {
    if (run === mine) stop(fault(error) || "failed", fault(error) ? "" : `${error.message || error.name}.`);
    return;
  }
  if (run !== mine) return end(mine);
  for (const track of mine.camera.getTracks()) track.addEventListener("ended", () => { if (run === mine) stop("lost"); });
  video.srcObject = mine.camera;
  video.play().catch(() => {});
  state("opening");
  if (await open(mine)) { state("live"); listen(mine); pictures(mine); }
}

async function open(mine) {
  let answer;
  try {
    const model = window.actionzooModel || root.dataset.model;
    const request = await fetch("cameras", { method: "POST", body: JSON.stringify({ model }) });
    answer = await request.json();
    if (request.status !== 200) {
      if (run === mine) stop(request.status === 503 ? "full" : "failed", `${capital(answer.error)}.`);
      return false;
    }
  } catch {
    if (run === mine) stop("lost");
    return false;
  }
  mine.token = answer.token;
  if (run !== mine) { end(mine); return false; }
  return true;
}

function listen(mine) {
  mine.events = new EventSource(`cameras/${mine.token}/answers`);
  mine.events.addEventListener("answer", (event) => { if (run === mine) answered(mine, JSON.parse(event.data)); });
  mine.events.addEventListener("end", (event) => {
    mine.events.close();
    const { error } = JSON.parse(event.data);
    if (run === mine) { if (document.hidden) mine.gone = true; else stop(error ? "failed" : "lost", error ? `${capital(error)}.` : ""); }
  });
  mine.events.onerror = () => { mine.events.close(); if (run === mine && !document.hidden) stop("lost"); else mine.gone = true; };
}

// Pictures on their way to the server.

function pictures(mine) {
  const next = () => {
    if (run !== mine) return;
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback((now, facts) => { taken(mine, facts.captureTime || now); next(); });
    else setTimeout(() => { taken(mine, performance.now()); next(); }, 33);
  };
  next();
}

function taken(mine, milliseconds) {
  if (run !== mine || mine.gone || !video.videoWidth || element.offsetParent === null) return;
  if (mine.sending) { mine.skipped += 1; return; }
  mine.first = mine.first === null ? milliseconds : mine.first;
  const at = (milliseconds - mine.first) / 1000;
  if (at <= mine.last) return;
  mine.last = at;
  mine.sending = true;
  const scale = Math.min(1, SHORT_SIDE / Math.min(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((picture) => send(mine, picture, at), "image/jpeg", 0.85);
}

async function send(mine, picture, at) {
  try {
    const answer = await fetch(`cameras/${mine.token}?at=${at.toFixed(4)}`, { method: "POST", body: picture });
    if (answer.status === 404) mine.gone = true;
  } catch {
    if (run === mine) stop("lost");
  }
  mine.sending = false;
}

// Answers on their way back.

function answered(mine, answer) {
  const now = performance.now();
  // From the moment the newest picture behind the answer was taken, on the one clock of this page.
  push(mine.ages, now - mine.first - 1000 * answer.end_seconds);
  push(mine.times, now);
  root.dataset.age = Math.round(mine.ages[mine.ages.length - 1]);
  if (find(".az-live-label").textContent !== answer.shown.label) find(".az-live-label").textContent = answer.shown.label;
  find(".az-live-score").textContent = share(answer.shown.score);
  const rows = find(".az-bars").children;
  answer.top_k.forEach((one, place) => {
    const row = rows[place];
    if (!row) return;
    row.hidden = false;
    row.querySelector(".az-name").textContent = one.label;
    row.querySelector(".az-number").textContent = share(one.score);
    row.querySelector("i").style.width = `${100 * one.score}%`;
  });
  const { statistics } = answer;
  tell("in", statistics.fps_in, (value) => value.toFixed(0));
  tell("out", statistics.fps_out, (value) => value.toFixed(1));
  tell("p50", middle(mine.ages, 0.5), (value) => `${value.toFixed(0)} ms`);
  tell("p95", middle(mine.ages, 0.95), (value) => `${value.toFixed(0)} ms`);
  tell("dropped", statistics.dropped, (value) => `${value}`);
  tell("look", statistics.inference_seconds, (value) => `${(1000 * value).toFixed(0)} ms`);
}

const share = (score) => (score < 0.005 ? "<1 %" : `${Math.round(100 * score)} %`);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
function push(list, value) { list.push(value); if (list.length > LAST) list.shift(); }
function middle(list, part) {
  const sorted = [...list].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
function tell(name, value, words) {
  find(`[data-told=${name}]`).textContent = value === null || value === undefined ? "–" : words(value);
}

// The end.

function stop(name, words) {
  const mine = run;
  run = null;
  if (mine) end(mine);
  video.srcObject = null;
  state(name, words);
}

function end(mine) {
  if (mine.events) mine.events.close();
  if (mine.camera) for (const track of mine.camera.getTracks()) track.stop();
  if (mine.token) fetch(`cameras/${mine.token}/end`, { method: "POST", keepalive: true }).catch(() => {});
}

element.addEventListener("click", (event) => {
  if (event.target.closest("[data-start]")) start();
  if (event.target.closest("[data-end]")) stop("idle");
});
element.addEventListener("change", (event) => {
  if (event.target.matches("[data-mirror]")) root.classList.toggle("az-mirrored", event.target.checked);
});
window.addEventListener("actionzoo-model", () => { if (run) start(); });
window.addEventListener("pagehide", () => { if (run) stop("idle"); });
// A page that nobody sees sends nothing; the server lets go of it after a while.
document.addEventListener("visibilitychange", () => { if (!document.hidden && run && run.gone) start(); });
state("idle");
