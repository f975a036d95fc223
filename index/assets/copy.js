"use strict";
// A button that copies each line, where there is a clipboard: browsers have none for a page that came over plain http.
if (navigator.clipboard) {
  const made = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text });
  const said = document.body.appendChild(made("p", "unseen", ""));
  said.setAttribute("role", "status");
  for (const line of document.querySelectorAll("pre")) {
    const button = line.appendChild(made("button", "copy", "Copy"));
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(line.querySelector("code").textContent);
      button.textContent = said.textContent = "Copied";
      setTimeout(() => {
        button.textContent = "Copy";
        said.textContent = "";
      }, 2000);
    });
  }
}
