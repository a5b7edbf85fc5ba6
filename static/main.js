// The status page: asks for the admin password, then shows GET /api/status, anew every few seconds.
// The password stays in memory only. Text goes in by textContent alone.

const byId = (id) => document.getElementById(id);
let password = "";

/** @returns {Promise<object>} the status, or throws with words for people */
async function fetchStatus() {
  const answer = await fetch("api/status", { headers: { authorization: `Bearer ${password}` } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? `status ${answer.status}`);
  return body;
}

/** @param {string} tag @param {unknown} text @returns {HTMLElement} */
function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = String(text ?? "–");
  return made;
}

function show(status) {
  const facts = [
    ["Version · 版本", status.version],
    ["Database · 数据库", status.database],
    ["Keys usable · 可用密钥", `${status.keys.usable} / ${status.keys.count}`],
    ["Free models · 免费模型", `${status.models.free} / ${status.models.count}`],
    ["Models fetched · 模型更新", status.models.fetched_at],
    ["Rows waiting · 待写记录", status.usage_rows_waiting],
  ];
  byId("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  byId("keys").replaceChildren(...status.keys.data.map(keyRow));
  byId("status").hidden = false;
  byId("sign-in").hidden = true;
}

function keyRow(key) {
  const rest = key.resting;
  const state = !key.enabled ? "disabled · 已停用"
    : rest ? `${rest.cause} ${rest.until ? `→ ${new Date(rest.until).toLocaleString()}` : ""}`
    : "active · 正常";
  const today = key.daily_limit === null ? key.used_today : `${key.used_today} / ${key.daily_limit}`;
  const row = document.createElement("tr");
  row.append(...[key.id, key.label, key.hint, today, key.used_total, state].map((text) => element("td", text)));
  return row;
}

async function refresh() {
  try {
    show(await fetchStatus());
    setTimeout(refresh, 3000);
  } catch (error) {
    byId("fault").textContent = error.message;
    byId("status").hidden = true;
    byId("sign-in").hidden = false;
  }
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("fault").textContent = "";
  password = byId("password").value;
  refresh();
});
