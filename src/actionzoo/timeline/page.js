"use strict";
(() => {
  const one = (query) => document.querySelector(query);
  const video = one("video"), track = one(".track"), list = one(".segments");
  if (!track) return;
  const head = one(".playhead"), told = one(".now"), closer = one(".closer"), wider = one(".wider");
  const rows = list ? [...list.querySelectorAll("button")] : [];
  const pieces = [...document.querySelectorAll(".piece")];
  const total = Number(track.dataset.seconds), mostZoom = Number(track.dataset.zoom);
  let current = -1, now = 0, zoom = 1, playable = Boolean(video);

  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10), whole = Math.floor(tenths / 10);
    const two = (number) => String(number).padStart(2, "0");
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}.${tenths % 10}`;
  };
  const at = (seconds) => rows.findIndex(
    (row) => Number(row.dataset.start) <= seconds && seconds < Number(row.dataset.end));
  const mark = (number, on) => {
    if (number < 0) return;
    pieces[number].classList.toggle("current", on);
    if (on) rows[number].setAttribute("aria-current", "true");
    else rows[number].removeAttribute("aria-current");
  };
  const show = (seconds) => {
    now = Math.min(Math.max(seconds, 0), total);
    head.style.left = `${100 * now / total}%`;
    told.textContent = `${clock(now)} / ${clock(total)}`;
    track.setAttribute("aria-valuenow", now.toFixed(1));
    track.setAttribute("aria-valuetext", clock(now));
    follow();
    const next = at(now);
    if (next === current) return;
    mark(current, false);
    mark(current = next, true);
    if (next >= 0) {
      const row = rows[next], top = row.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top + row.offsetHeight > list.scrollTop + list.clientHeight)
        list.scrollTop = top - list.clientHeight / 3;
    }
  };
  const seek = (seconds) => {
    // A seek ends at the frame before: the segment that was asked for is to be the current one.
    if (playable) video.currentTime = Math.min(seconds + 0.001, total);
    show(seconds);
  };
  // Names are shown where there is room for them; all is measured before anything is changed.
  const name = () => pieces
    .map((piece) => [piece.querySelector("text"), piece.getBoundingClientRect().width])
    .map(([text, width]) => [text, width > 7.5 * text.textContent.length + 10])
    .forEach(([text, fits]) => { text.style.display = fits ? "inline" : "none"; });
  const ticks = () => {
    const most = 6 * zoom, steps = track.dataset.steps.split(" ").map(Number);
    const step = steps.find((one) => total / one <= most) || steps[steps.length - 1];
    const axis = one(".times"), texts = [];
    for (let seconds = 0; seconds < total; seconds += step) {
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      const share = seconds / total, odd = texts.length % 2 ? " odd" : "";
      text.setAttribute("class", (share === 0 ? "first" : share > 1 - 0.04 / zoom ? "last" : "") + odd);
      text.setAttribute("x", `${100 * share}%`);
      text.setAttribute("y", "16");
      text.textContent = clock(seconds).replace(/\.\d$/, "");
      texts.push(text);
    }
    axis.replaceChildren(...texts);
  };
  const follow = () => {
    const room = track.parentElement, place = now / total * track.clientWidth;
    if (place < room.scrollLeft || place > room.scrollLeft + room.clientWidth)
      room.scrollLeft = place - room.clientWidth / 8;
  };
  const enlarge = (factor) => {
    zoom = Math.min(Math.max(zoom * factor, 1), mostZoom);
    track.style.width = `${100 * zoom}%`;
    const room = track.parentElement;
    room.scrollLeft = now / total * track.clientWidth - room.clientWidth / 2;
    name();
    ticks();
    closer.disabled = zoom >= mostZoom;
    wider.disabled = zoom <= 1;
  };
  const fail = () => {
    playable = false;
    one(".player").hidden = true;
    one(".failed").hidden = false;
  };

  track.addEventListener("click", (event) => {
    const box = track.getBoundingClientRect();
    seek(total * (event.clientX - box.left) / box.width);
  });
  track.addEventListener("keydown", (event) => {
    const steps = {ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: total};
    if (!(event.key in steps)) return;
    event.preventDefault();
    seek(Math.min(Math.max(steps[event.key], 0), total));
  });
  rows.forEach((row, number) => {
    row.addEventListener("click", () => seek(Number(row.dataset.start)));
    row.addEventListener("keydown", (event) => {
      const steps = {ArrowUp: number - 1, ArrowDown: number + 1, Home: 0, End: rows.length - 1};
      const next = rows[steps[event.key]];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
  });
  window.addEventListener("resize", name);
  closer.addEventListener("click", () => enlarge(2));
  wider.addEventListener("click", () => enlarge(0.5));
  if (video) {
    video.addEventListener("timeupdate", () => show(video.currentTime));
    video.addEventListener("error", fail);
    if (video.error) fail();
  }
  for (const [name, value] of Object.entries({role: "slider", tabindex: "0", "aria-valuemin": "0",
    "aria-valuemax": String(total), "aria-label": "time in the video"}))
    track.setAttribute(name, value);
  track.classList.add("live");
  if (list) list.classList.add("live");
  one(".tools").hidden = head.hidden = false;
  // Of a long video so much is shown at first that segments can be told apart.
  enlarge(2 ** Math.ceil(Math.log2(Math.max(1, 12 * pieces.length / track.clientWidth))));
  show(0);
})();
