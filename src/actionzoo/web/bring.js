// The place where a video is dropped: it is sent, and then looked at.
const find = (name) => element.querySelector(name);
const { most, mostTold } = find(".az-bring").dataset;
let sending = null;

function show(name, on) { find(name).hidden = !on; }

function fail(words) {
  show(".az-sending", false);
  find(".az-fault p").textContent = words;
  show(".az-fault", true);
}

function progress(share) {
  const meter = find(".az-sending .az-meter");
  meter.setAttribute("aria-valuenow", Math.round(100 * share));
  meter.firstElementChild.style.width = `${100 * share}%`;
  find(".az-sending .az-number").textContent = `${Math.round(100 * share)} %`;
}

function bring(file) {
  if (!file) return;
  if (sending) sending.abort();
  show(".az-fault", false);
  if (file.size === 0) return fail(`'${file.name}' is empty; choose a video.`);
  if (file.size > Number(most)) {
    return fail(`'${file.name}' is larger than ${mostTold}, the most that this page takes; ` +
      "cut it, or use actionzoo timeline.");
  }
  const request = sending = new XMLHttpRequest();
  request.open("POST", `videos?name=${encodeURIComponent(file.name)}`);
  request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
  request.onload = () => {
    sending = null;
    show(".az-sending", false);
    let answer = {};
    try { answer = JSON.parse(request.response); } catch { /* no answer of ours */ }
    if (request.status !== 200) return fail(answer.error ? `${answer.error}.` : "The server did not take the video.");
    trigger("upload", { token: answer.token });
  };
  request.onerror = () => { sending = null; fail("The server cannot be reached; is it still running?"); };
  request.onabort = () => { if (sending === request) { sending = null; show(".az-sending", false); } };
  find(".az-sending .az-what").textContent = `Sending ${file.name}`;
  progress(0);
  show(".az-sending", true);
  request.send(file);
}

element.addEventListener("change", (event) => {
  if (!event.target.matches(".az-file")) return;
  bring(event.target.files[0]);
  event.target.value = "";
});
element.addEventListener("click", (event) => {
  const sample = event.target.closest("[data-sample]");
  if (sample) { show(".az-fault", false); trigger("select", { sample: sample.dataset.sample }); }
  if (event.target.closest("[data-abort]") && sending) sending.abort();
});
// A video may be dropped anywhere on the page.
let over = 0;
const mark = (on) => element.querySelector(".az-drop").classList.toggle("az-over", on);
const visible = () => element.offsetParent !== null;
const carries = (event) => visible() && event.dataTransfer && [...event.dataTransfer.types].includes("Files");
document.addEventListener("dragenter", (event) => { if (carries(event)) { over += 1; mark(true); } });
document.addEventListener("dragleave", () => { over = Math.max(0, over - 1); if (!over) mark(false); });
document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  over = 0;
  mark(false);
  bring(event.dataTransfer.files[0]);
});
