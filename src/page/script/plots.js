// The time line, which the document holds already: here it gets keys.

/** Makes each picture one stop of the Tab key, within which arrow keys go from bar to bar. */
function plots() {
  for (const picture of document.querySelectorAll("#timeline svg[role=group]")) {
    const bars = [...picture.querySelectorAll("a")];
    const stop = (at) => bars.forEach((bar, place) => bar.setAttribute("tabindex", place === at ? "0" : "-1"));
    stop(0);
    picture.addEventListener("keydown", (event) => {
      const at = bars.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: bars.length - 1 }[event.key];
      if (at < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      // Else the same key would step through the diagram below.
      event.preventDefault();
      event.stopPropagation();
      if (bars[to] === undefined) return;
      stop(to);
      bars[to].focus();
    });
  }
}
