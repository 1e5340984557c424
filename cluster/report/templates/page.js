"use strict";
// Commands get a button that copies them; a table that is wider than its place says so until it is scrolled to its end.
(() => {
  function select(place) {
    const range = document.createRange();
    range.selectNodeContents(place);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  async function copy(place) {
    try {
      await navigator.clipboard.writeText(place.textContent);
      return "copied";
    } catch {
      select(place); // no clipboard here: the selection can be copied by hand
      return document.execCommand("copy") ? "copied" : "selected";
    }
  }

  for (const command of document.querySelectorAll(".command")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      button.textContent = await copy(command.querySelector("pre"));
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
    command.querySelector("figcaption").append(button);
  }

  const tables = document.querySelectorAll(".scroll");
  function measure(place) {
    const hidden = place.scrollWidth - place.clientWidth - place.scrollLeft;
    place.toggleAttribute("data-more", hidden > 2);
  }
  const sized = new ResizeObserver((entries) => entries.forEach((entry) => measure(entry.target)));
  tables.forEach((place) => {
    const cue = document.createElement("p");
    cue.className = "cue";
    cue.setAttribute("aria-hidden", "true");
    cue.textContent = "more to the right →";
    place.after(cue);
    place.addEventListener("scroll", () => measure(place), { passive: true });
    sized.observe(place);
  });
})();
