"use strict";

const KEYS = [..."123456789qwertyiopasdghjklzxcvbm"];
const $ = (id) => document.getElementById(id);

let state = null;
let current = 0;
let undone = [];
let busy = false;

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const found = await answer.json().catch(() => ({ error: `the page's server says ${answer.status}` }));
  return { status: answer.status, found };
}

function shown(image) {
  const wanted = $("filter").value;
  if (wanted === "open") return !image.label;
  if (wanted === "unsure") return image.unsure;
  if (wanted.startsWith("class:")) return image.label === wanted.slice(6);
  return true;
}

function step(direction) {
  const count = state.images.length;
  for (let n = 1; n <= count; n += 1) {
    const place = (current + direction * n + count * n) % count;
    if (shown(state.images[place])) {
      current = place;
      render();
      return;
    }
  }
  render();
}

function say(text) {
  $("message").textContent = text;
}

function render() {
  const image = state.images[current];
  const labelled = state.images.filter((one) => one.label).length;
  $("title").textContent = state.title;
  document.title = `${labelled} of ${state.images.length} labelled`;
  $("progress").max = state.images.length;
  $("progress").value = labelled;
  $("count").textContent = `${labelled} of ${state.images.length}`;
  $("place").textContent = `${current + 1}/${state.images.length}`;
  $("name").textContent = image.name;
  $("mark").textContent = [image.label, image.unsure ? "unsure" : ""].filter(Boolean).join(", ");
  $("unsure").setAttribute("aria-pressed", String(image.unsure));
  const source = `/image/${current}`;
  if ($("image").getAttribute("src") !== source) {
    $("broken").hidden = true;
    $("image").hidden = false;
    $("image").src = source;
  }
  $("image").alt = `image ${current + 1}: ${image.name}`;
  $("undo").disabled = undone.length === 0;
  $("add").hidden = !state.new_classes;
  renderClasses(image);
}

function renderClasses(image) {
  const buttons = state.classes.map((name, number) => {
    const button = document.createElement("button");
    const key = KEYS[number];
    if (key) {
      const shownKey = document.createElement("kbd");
      shownKey.textContent = key;
      button.append(shownKey, " ");
    }
    button.append(name);
    button.setAttribute("aria-pressed", String(image.label === name));
    button.addEventListener("click", () => choose(name));
    return button;
  });
  $("classes").replaceChildren(...buttons);
  const options = new Set([...$("filter").options].map((one) => one.value));
  for (const name of state.classes) {
    if (!options.has(`class:${name}`)) $("filter").add(new Option(name, `class:${name}`));
  }
}

async function send(number, label, unsure) {
  if (busy) return false;
  busy = true;
  try {
    const seen = state.version;
    const { status, found } = await call("/answer", { number, label, unsure, seen });
    if (status === 409) {
      state = found;
      const there = state.images[number].label || "no class";
      say(`${state.images[number].name} was answered elsewhere meanwhile: ${there}. Answer again to replace it.`);
      current = number;
      render();
      return false;
    }
    if (status !== 200) {
      say(found.error || "not saved");
      return false;
    }
    state = found;
    say("");
    return true;
  } catch (error) {
    say("Not saved: the page's server does not answer. Start `usb-ext label` again; earlier answers are on disk.");
    return false;
  } finally {
    busy = false;
  }
}

async function choose(label) {
  const number = current;
  const before = { ...state.images[number] };
  if (await send(number, label, before.unsure)) {
    undone.push({ number, label: before.label, unsure: before.unsure });
    forward();
  }
}

function forward() {
  if (state.images.every((one) => one.label)) {
    say("Every image has a class. Press done, or look through them again.");
    render();
  } else {
    step(1);
  }
}

async function mark() {
  const number = current;
  const before = { ...state.images[number] };
  if (await send(number, before.label, !before.unsure)) {
    undone.push({ number, label: before.label, unsure: before.unsure });
    render();
  }
}

async function undo() {
  const last = undone.pop();
  if (!last) return;
  current = last.number;
  if (!(await send(last.number, last.label, last.unsure))) undone.push(last);
  render();
}

async function add(event) {
  event.preventDefault();
  const { status, found } = await call("/class", { name: $("newname").value });
  if (status !== 200) {
    say(found.error);
    return;
  }
  state = found;
  $("newname").value = "";
  $("new").hidden = true;
  document.activeElement.blur();
  render();
}

function openNew() {
  if (!state.new_classes) return;
  $("new").hidden = false;
  $("newname").focus();
}

async function done() {
  const { found } = await call("/done", {});
  document.body.textContent = `${found.labelled} of ${found.images} images are labelled. You can close this page.`;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "INPUT") {
    if (event.key === "Escape") { $("new").hidden = true; event.target.blur(); }
    return;
  }
  if (event.target.tagName === "SELECT") return;
  const number = KEYS.indexOf(event.key);
  if (number >= 0 && number < state.classes.length) choose(state.classes[number]);
  else if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "u") undo();
  else if (event.key === "?") mark();
  else if (event.key === "n") openNew();
  else if (event.key === "f") $("filter").focus();
  else return;
  event.preventDefault();
}

async function begin() {
  state = (await call("/state")).found;
  const open = state.images.findIndex((one) => !one.label);
  current = Math.max(0, open);
  $("image").addEventListener("error", () => {
    $("image").hidden = true;
    $("broken").hidden = false;
    $("broken").textContent = "This file cannot be shown. Skip it.";
  });
  $("filter").addEventListener("change", () => {
    if (!shown(state.images[current])) step(1);
    $("filter").blur();
  });
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("undo").addEventListener("click", undo);
  $("unsure").addEventListener("click", mark);
  $("add").addEventListener("click", openNew);
  $("done").addEventListener("click", done);
  $("new").addEventListener("submit", add);
  document.addEventListener("keydown", onKey);
  render();
}

begin();
