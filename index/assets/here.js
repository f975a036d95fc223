"use strict";
// No publish.url was given: the lines to install name the place where this very page was opened.
{
  const root = new URL(document.documentElement.dataset.root, location.href);
  const isFolder = root.protocol === "file:";
  const decoded = (path) => {
    try {
      return decodeURIComponent(path);
    } catch {
      return null; // a name that is not UTF-8: the lines stay as they are, for a shell in that folder
    }
  };
  const folder = isFolder ? decoded(root.pathname) : "";
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const place = (path) => quoted(isFolder ? folder + path : new URL(path, root).href);
  const trusted = root.protocol === "http:" ? ` --trusted-host ${root.host}` : "";
  const index = (from) => `--index-url ${quoted(new URL(`${from}/simple/`, root).href)}${trusted}`;
  if (folder !== null) {
    for (const one of document.querySelectorAll("[data-from]")) {
      const from = one.dataset.from;
      one.textContent = isFolder ? `--no-index -f ${place(from)}` : index(from);
    }
    for (const one of document.querySelectorAll("[data-index]")) one.textContent = index(one.dataset.index);
    for (const one of document.querySelectorAll("[data-file]")) one.textContent = place(one.dataset.file);
    for (const one of document.querySelectorAll(".elsewhere")) one.hidden = true;
  }
}
