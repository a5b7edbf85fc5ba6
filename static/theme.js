// Light or dark, before the first paint: what the operator chose, else what the system says.
// Runs in the head, on its own; everything else is a module.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden: the system's choice holds.
}
