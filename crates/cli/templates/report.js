"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const clock = (ms) => {
    const s = Math.round(ms / 1000), two = (n) => String(n).padStart(2, "0");
    const day = Math.floor(s / 86400);
    return (day ? day + "d " : "") + two(Math.floor(s / 3600) % 24) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  };
  const short = (n) => (Math.abs(n) >= 100 ? n.toFixed(0) : String(Number(n.toFixed(2))));
  const latency = (ms) => (ms === null ? "no p99" : ms < 1000 ? "p99 " + ms.toFixed(0) + " ms" : "p99 " + short(ms / 1000) + " s");

  // Policies shown or hidden, everywhere at once.
  for (const swatch of document.querySelectorAll(".swatch")) {
    swatch.addEventListener("click", () => {
      const shown = swatch.getAttribute("aria-pressed") !== "true";
      swatch.setAttribute("aria-pressed", shown);
      for (const path of document.querySelectorAll("path"))
        if (path.dataset.policy === swatch.dataset.policy) path.toggleAttribute("hidden", !shown);
    });
  }

  // One crosshair over all charts, and what it crosses.
  const plots = [...document.querySelectorAll(".plot")];
  const at = (plot, event) => {
    const box = plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const read = (part) => {
    const readout = by("readout"), count = data.time_s.length;
    if (!count) return;
    const bucket = Math.min(count - 1, Math.floor(part * count));
    readout.replaceChildren(make("b", clock(data.time_s[bucket] * 1000)));
    if (data.policies.length) readout.append(make("span", short(data.policies[0].rate[bucket]) + " requests/s"));
    const shown = (policy) => !document.querySelector('.swatch[data-policy="' + data.policies.indexOf(policy) + '"][aria-pressed=false]');
    for (const policy of data.policies.filter(shown)) {
      const span = make("span"), colour = make("i");
      colour.style.background = policy.colour;
      span.append(colour, policy.name + ": " + short(policy.replicas[bucket]) + " replicas, " + latency(policy.p99[bucket]));
      readout.append(span);
    }
    for (const cross of document.querySelectorAll(".cross")) {
      cross.hidden = false;
      cross.style.left = part * 100 + "%";
    }
  };
  for (const plot of plots) {
    plot.addEventListener("pointermove", (event) => read(at(plot, event)));
    plot.addEventListener("click", (event) => {
      by("time").value = clock(at(plot, event) * data.duration_s * 1000);
      show();
      by("why").scrollIntoView({ behavior: "smooth" });
    });
  }

  // The decisions.
  const PAGE = 100;
  let limit = PAGE;
  const time = () => {
    const match = by("time").value.trim().match(/^(?:(\d+)d\s*)?(\d{1,4}):(\d{1,2})(?::(\d{1,2}))?$/);
    if (!match) return null;
    const [, d, h, m, s] = match.map((n) => Number(n || 0));
    return (((d * 24 + h) * 60 + m) * 60 + s) * 1000;
  };
  const kindOf = ([, , , from, to]) => (to > from ? "up" : to < from ? "down" : "hold");
  const wanted = () => {
    const rows = (data.policies[by("policy").value] || { rows: [] }).rows;
    const from = time(), kind = by("kind").value, stage = by("stage").value, words = by("words").value.toLowerCase();
    return rows.filter((row) => {
      const [, end, , , , reasons] = row, is = kindOf(row);
      return (from === null || end >= from)
        && (kind === "all" || kind === is || (kind === "moves" && is !== "hold"))
        && (!stage || reasons.some((reason) => reason[0] === stage))
        && (!words || reasons.some((reason) => (reason[0] + " " + reason[3]).toLowerCase().includes(words)));
    });
  };
  const item = (row) => {
    const [begin, end, looks, from, to, reasons] = row;
    const li = make("li", undefined, kindOf(row));
    li.append(make("span", looks > 1 ? clock(begin) + " – " + clock(end) : clock(begin), "when"));
    li.append(make("span", from === to ? "keep " + from + (looks > 1 ? " (" + looks + " looks)" : "") : from + " → " + to, "what"));
    const list = make("ul");
    for (const [stage, was, is, text] of reasons) {
      const reason = make("li");
      reason.append(make("span", stage, "stage"));
      if (was !== is) reason.append(make("span", short(was) + " → " + short(is), "step"));
      reason.append(text);
      list.append(reason);
    }
    li.append(list);
    return li;
  };
  const show = () => {
    const rows = wanted();
    by("rows").replaceChildren(...rows.slice(0, limit).map(item));
    by("count").textContent = rows.length + (rows.length === 1 ? " row" : " rows");
    by("more").hidden = rows.length <= limit;
  };
  const stages = new Set(data.policies.flatMap((policy) => policy.rows.flatMap((row) => row[5].map((reason) => reason[0]))));
  for (const stage of [...stages].sort()) by("stage").append(make("option", stage));
  by("filters").hidden = false;
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  by("filters").addEventListener("input", () => { limit = PAGE; show(); });
  by("more").addEventListener("click", () => { limit += PAGE; show(); });
  show();
})();
