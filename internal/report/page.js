"use strict";
(() => {
  // A page that is older than the check's interval says so itself.
  const note = document.getElementById("stale"), at = Number(note.dataset.at), days = (Date.now() / 1000 - at) / 86400;
  if (at === 0) {
    note.textContent = "When this was checked is not known. Do not rely on it.";
    note.hidden = false;
  } else if (days > 26 / 24) {
    note.textContent = "This page is " + (days < 2 ? Math.floor(days * 24) + " hours" : Math.floor(days) + " days") +
      " old. It tells how things stood then: check again.";
    note.hidden = false;
  }
  // Without a clipboard the box still selects as a whole at a click.
  if (!navigator.clipboard) return;
  for (const box of document.querySelectorAll(".fix")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the command");
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(box.querySelector("code").textContent).then(
        () => { button.textContent = "Copied"; },
        () => { button.textContent = "Select it"; });
    });
    box.append(button);
  }
})();
