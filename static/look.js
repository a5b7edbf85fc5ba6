// Light, dark, or as the system says; remembered in this browser.

/** `light`, `dark` or `auto`. */
export const theme = () => document.documentElement.dataset.theme ?? "auto";

/** Takes a theme and remembers it. */
export function chooseTheme(chosen) {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", chosen);
  } catch {
    // Then it holds until the page is loaded again.
  }
}
