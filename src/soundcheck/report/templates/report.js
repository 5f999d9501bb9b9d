"use strict";
// The page works without this. It unfolds what a link or the printer is about to show, and it
// filters: the chosen view stands in the address after "#?", so that it can be linked.
const bar = document.getElementById("filters");
const units = [...document.querySelectorAll("[data-verdict]")];
const rows = units.filter((unit) => unit.matches(".requirements > tbody > tr"));
const groups = [...document.querySelectorAll("[data-group]")];
const totals = [...document.querySelectorAll("[data-total]")].map((node) => [node, node.textContent]);
const texts = new Map();
const checks = bar ? [...bar.querySelectorAll("input[type=checkbox]")] : [];
const area = bar && bar.querySelector("select");
const search = bar && bar.querySelector("input[type=search]");

function unfold(node) {
  for (; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
}
// All that the page says of a requirement, in its finding, its row and elsewhere.
function textOf(unit) {
  if (!texts.size)
    for (const one of units)
      texts.set(one.dataset.id, (texts.get(one.dataset.id) || "") + one.textContent.toLowerCase());
  return texts.get(unit.dataset.id);
}
function chosen(name) {
  return checks.filter((one) => one.name === name && one.checked).map((one) => one.value);
}
function view() {
  const parameters = new URLSearchParams();
  for (const name of ["verdict", "level"])
    if (chosen(name).length) parameters.set(name, chosen(name).join(","));
  if (area.value) parameters.set("area", area.value);
  if (search.value.trim()) parameters.set("text", search.value.trim());
  return parameters.toString();
}
function apply() {
  const verdicts = chosen("verdict"), levels = chosen("level");
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const active = view() !== "";
  for (const unit of units) {
    const { verdict, level } = unit.dataset;
    unit.hidden = !(
      (!verdicts.length || verdicts.includes(verdict)) &&
      (!levels.length || levels.includes(level)) &&
      (!area.value || area.value === unit.dataset.area) &&
      words.every((word) => textOf(unit).includes(word))
    );
  }
  for (const group of groups)
    group.hidden = active && !group.querySelector("[data-verdict]:not([hidden])");
  for (const [node, total] of totals) {
    const inside = node.closest("[data-group]");
    const seen = [...inside.querySelectorAll("[data-verdict]")].filter((one) => !one.hidden);
    node.textContent = active ? `${seen.length} of ${total}` : total;
  }
  const seen = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = active
    ? `${seen} of ${rows.length} requirements shown`
    : `${rows.length} requirements`;
  document.getElementById("clear").disabled = !active;
  bar.classList.toggle("active", active);
}
function restore(parameters) {
  for (const one of checks)
    one.checked = (parameters.get(one.name) || "").split(",").includes(one.value);
  area.value = parameters.get("area") || "";
  if (area.selectedIndex < 0) area.value = "";
  search.value = parameters.get("text") || "";
  apply();
}
function changed() {
  apply();
  const fragment = view() ? `#?${view()}` : location.pathname + location.search;
  try {
    history.replaceState(null, "", fragment);
  } catch {
    // A viewer that shows the page from memory has no address to keep it in.
  }
}
function follow() {
  const fragment = location.hash.slice(1);
  if (bar && (!fragment || fragment.startsWith("?"))) return restore(new URLSearchParams(fragment));
  let name = fragment;
  try {
    name = decodeURIComponent(fragment);
  } catch {
    // A stray percent sign: the name is taken as it is.
  }
  const target = name && document.getElementById(name);
  if (!target) return;
  if (bar && target.closest("[hidden]")) restore(new URLSearchParams());
  unfold(target);
  target.scrollIntoView();
}
if (bar) {
  bar.hidden = false;
  for (const control of [...checks, area]) control.addEventListener("change", changed);
  search.addEventListener("input", changed);
  document.getElementById("clear").addEventListener("click", () => {
    restore(new URLSearchParams());
    changed();
    search.focus();
  });
  apply();
}
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(unfold));
if (location.hash) follow();
