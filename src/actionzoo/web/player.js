// The player, its timeline, and the list of segments beside it: they follow each other.
const places = () => [...document.querySelectorAll(".az-part, .az-row")];
const video = () => document.querySelector(".az-player video");

function go(seconds) {
  const shown = video();
  if (!shown || !Number.isFinite(seconds)) return;
  // The first picture of a segment, not the last one before it.
  shown.currentTime = seconds + 0.001;
  follow();
}

function follow() {
  const shown = video();
  const line = document.querySelector(".az-timeline");
  if (!shown || !line) return;
  const at = shown.currentTime;
  line.style.setProperty("--at", `${100 * Math.min(1, at / Number(line.dataset.seconds))}%`);
  for (const one of places()) {
    const inside = at >= Number(one.dataset.at) && at < Number(one.dataset.end);
    if (inside) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
}

function clicked(event) {
  const place = event.target.closest(".az-part, .az-row");
  if (place) return go(Number(place.dataset.at));
  const curves = event.target.closest(".az-curves, .az-strip");
  if (!curves) return;
  const box = curves.getBoundingClientRect();
  const line = curves.closest(".az-timeline");
  go(Number(line.dataset.seconds) * (event.clientX - box.left) / box.width);
}

// Events of a video do not bubble, but are seen on their way down.
for (const name of ["timeupdate", "seeking", "seeked", "loadedmetadata"]) {
  document.addEventListener(name, (event) => { if (event.target === video()) follow(); }, true);
}
// An error may come before the video is on the page, where nobody hears of it.
function failed() {
  const shown = video();
  if (!shown || !shown.error) return;
  shown.hidden = true;
  document.querySelector(".az-unplayable").hidden = false;
}
document.addEventListener("error", failed, true);
watch("value", failed);
document.addEventListener("click", clicked);
