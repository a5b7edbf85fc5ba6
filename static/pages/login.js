// Sign-in: one password, one field, plain words when it fails.

import { post } from "../api.js";
import { h, put } from "../dom.js";
import { t } from "../i18n.js";
import { busy, field } from "../ui.js";

/** @param {HTMLElement} root @param {{language: Node, theme: Node, done: () => any}} parts */
export function show(root, { language, theme, done }) {
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const fault = h("p", { class: "fault", role: "alert" });
  const go = h("button", { class: "primary" }, t("login.do"));
  const form = h("form", { novalidate: true }, field(t("login.password"), password, t("login.hint")), fault, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    put(fault);
    if (!password.value) {
      put(fault, t("login.empty"));
      return password.focus();
    }
    void busy(go, async () => {
      try {
        await post("login", { password: password.value });
        await done();
      } catch (error) {
        put(fault, error.status === 401 ? t("login.wrong") : (error.words ?? error.message));
        password.select();
      }
    });
  });
  put(root, h("main", { class: "alone", id: "main" },
    h("div", { class: "card login" },
      h("img", { src: "icon.svg", alt: "", width: 44, height: 44 }), h("h1", {}, "openrouter-proxy"), h("p", { class: "muted" }, t("login.words")), form,
      h("div", { class: "tools" }, language, theme))));
  password.focus();
}
