"use strict";
// Search as one types. Everything that is shown goes in as text: nothing here makes markup out of data.
{
  const CHUNK = 100;
  const SCROLLED = 400; // rows that come by scrolling; for more there is the button, so that the page has an end
  const byId = (id) => document.getElementById(id);
  const { projects } = JSON.parse(byId("data").textContent);
  const [field, rows, count, more, table] = ["find", "rows", "count", "more", "table"].map(byId);
  const texts = projects.map(([name, marks, about]) => `${name}\n${marks} ${about}`.toLowerCase());
  const number = new Intl.NumberFormat("en");
  let found = projects.map((_, place) => place);
  let shown = rows.rows.length;

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const row = ([name, marks, about, ...cells]) => {
    const made = document.createElement("tr");
    const head = made.appendChild(document.createElement("th"));
    head.scope = "row";
    const link = head.appendChild(element("a", name));
    link.id = `project-${name}`; // what a screen reader says for each cell, without state and summary
    head.setAttribute("aria-labelledby", link.id);
    link.href = `about/${name}.html`;
    if (marks) head.append(" ", element("span", marks, "state warn"));
    if (about) head.appendChild(element("span", about, "about")).dir = "auto";
    made.append(...cells.map((text) => element("td", text || "–", text ? "" : "soft")));
    return made;
  };

  const extend = () => {
    rows.append(...found.slice(shown, shown + CHUNK).map((place) => row(projects[place])));
    shown = Math.min(shown + CHUNK, found.length);
    more.hidden = shown >= found.length;
  };

  // A word as it was typed, and as it stands in a project's name: my_module, my-module.
  const spellings = (word) => [...new Set([word, word.replace(/[-_.]+/g, "-")])];
  const fits = (text, words) => words.every((word) => word.some((spelling) => text.includes(spelling)));

  // How well a project fits all words: 0 is its very name, 3 only its summary, 4 not at all.
  const rank = (text, words, whole) => {
    if (!fits(text, words)) return 4;
    const name = text.slice(0, text.indexOf("\n"));
    if (name === whole) return 0;
    if (name.startsWith(whole)) return 1;
    return fits(name, words) ? 2 : 3;
  };

  const search = () => {
    const asked = field.value.trim().toLowerCase();
    const name = asked.replace(/[-_.\s]+/g, "-");
    const words = asked.split(/\s+/).map(spellings);
    const ranks = [[], [], [], [], []];
    texts.forEach((text, place) => ranks[asked ? rank(text, words, name) : 0].push(place));
    found = ranks.slice(0, 4).flat();
    rows.textContent = "";
    shown = 0;
    extend();
    table.setAttribute("aria-rowcount", found.length + 1);
    const all = number.format(projects.length);
    const some = `${number.format(found.length)} of ${all} projects`;
    count.textContent = !asked ? `${all} projects` : found.length ? some : `Nothing of ${all} projects fits “${asked}”`;
    table.parentElement.hidden = !found.length;
  };

  // What is searched for stands in the address, so that it can be sent, and Back comes to it again.
  const keep = () => {
    const asked = field.value.trim();
    const mark = asked ? `#${new URLSearchParams({ q: asked })}` : "";
    history.replaceState(null, "", location.pathname + location.search + mark);
  };
  const recall = () => {
    const asked = new URLSearchParams(location.hash.slice(1)).get("q");
    if (asked === null || asked === field.value.trim()) return;
    field.value = asked;
    search();
    field.scrollIntoView();
  };

  const links = () => [...rows.querySelectorAll("a")];
  const keys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inField = event.target === field;
    if (event.key === "Escape" && inField && field.value) {
      field.value = "";
      search();
      keep();
    } else if (event.key === "Enter" && inField && links()[0] && field.value.trim()) {
      links()[0].click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const place = links().indexOf(event.target);
      if (!inField && place < 0) return;
      const next = place + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? field : links()[next])?.focus();
    } else return;
    event.preventDefault();
  };

  field.addEventListener("input", () => {
    search();
    keep(); // the last thing: browsers refuse it to those who do it too often
  });
  document.addEventListener("keydown", keys);
  more.addEventListener("click", () => {
    const last = rows.rows.length;
    extend();
    rows.rows[last]?.querySelector("a").focus();
  });
  const watcher = new IntersectionObserver((seen) => {
    if (!seen.at(-1).isIntersecting || shown >= SCROLLED) return;
    extend();
    watcher.unobserve(more); // looked at anew, it is told of again if it is still in sight
    watcher.observe(more);
  }, { rootMargin: "800px" });
  watcher.observe(more);
  addEventListener("hashchange", recall);
  more.hidden = shown >= found.length;
  table.setAttribute("aria-rowcount", found.length + 1);
  document.querySelectorAll(".find").forEach((one) => (one.hidden = false));
  recall();
}
