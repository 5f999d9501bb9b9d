"use strict";
// The page works without this: it only unfolds what a link or the printer is about to show.
function unfold(node) {
  for (; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
}
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  unfold(target);
  target.scrollIntoView();
}
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(unfold));
if (location.hash) follow();
