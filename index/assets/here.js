"use strict";
// No publish.url was given: the lines to install name the place where this very page was opened.
{
  const root = new URL(document.documentElement.dataset.root, location.href);
  const isFolder = root.protocol === "file:";
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const place = (path) => quoted(isFolder ? decodeURIComponent(root.pathname) + path : new URL(path, root).href);
  const trusted = root.protocol === "http:" ? ` --trusted-host ${root.host}` : "";
  for (const one of document.querySelectorAll("[data-from]")) {
    const folder = one.dataset.from;
    one.textContent = isFolder ? `--no-index -f ${place(folder)}` : `--index-url ${place(`${folder}/simple/`)}${trusted}`;
  }
  for (const one of document.querySelectorAll("[data-file]")) one.textContent = place(one.dataset.file);
  for (const one of document.querySelectorAll(".elsewhere")) one.hidden = true;
}
