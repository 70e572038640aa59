"use strict";
// Draws the charts of the page, those in view first, and follows the choices, the theme and the sorting.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const choices = [...document.querySelectorAll("select[data-choice]")];
  const folded = [...document.querySelectorAll("details.print:not([open])")]; // paper cannot be unfolded
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const width = 640;
  let printing = false;

  const shownTheme = () => {
    if (printing) return "light";
    const wanted = root.dataset.theme;
    return wanted === "auto" ? (systemDark.matches ? "dark" : "light") : wanted;
  };

  // What is too dark to be read on a dark page, and what stands there instead.
  const lighter = { "#0072B2": "#4fa8e0", "#D55E00": "#ee7a33", "#000000": "#c8c8c8" };
  const names = new Set(["values", "datasets", "domain"]); // what comes from the results is no colour

  // A chart names white and black where it means the page and the ink.
  const recoloured = (value, page, ink) => {
    if (value === "white") return page;
    if (value === "black") return ink;
    // Only a string is a colour by itself: an array of one would be found under the same key.
    if (shownTheme() === "dark" && typeof value === "string" && lighter[value]) return lighter[value];
    if (Array.isArray(value)) return value.map((each) => recoloured(each, page, ink));
    if (value && value.name === "viridis") return shownTheme() === "dark" ? { ...value, extent: [0.3, 1] } : value;
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, names.has(key) ? each : recoloured(each, page, ink)]));
    }
    return value;
  };

  // How wide, about, a column of the legend must be: seven dots a letter and the mark beside it.
  const widestName = (value) => {
    if (!value || typeof value !== "object") return 90;
    const shown = value.legend && (value.legend.values || (value.scale && value.scale.domain)) || [];
    const widths = shown.map((name) => 7 * String(name).length + 40);
    return Math.max(90, ...widths, ...Object.entries(value).map(([key, each]) => (names.has(key) ? 0 : widestName(each))));
  };

  const specificationOf = (figure) => {
    const style = getComputedStyle(root);
    const [page, ink, muted, line] = ["--card", "--ink", "--muted", "--line"].map((name) => style.getPropertyValue(name).trim());
    const specification = recoloured(data.charts[figure.dataset.chart], page, ink);
    const available = figure.querySelector(".drawing").clientWidth;
    delete specification.title; // it stands above the drawing, where it wraps
    specification.width = available;
    specification.autosize = { type: "fit-x", contains: "padding" };
    const axis = { ...specification.config.axis, labelColor: ink, titleColor: ink, gridColor: line, domainColor: muted, tickColor: muted };
    const legend = { ...specification.config.legend, labelColor: ink, titleColor: ink };
    if (available < width) Object.assign(legend, { orient: "bottom", columns: Math.max(1, Math.floor(available / widestName(specification))) });
    specification.config = { ...specification.config, background: "transparent", axis, legend, text: { color: ink }, rule: { color: ink } };
    return specification;
  };

  // A card whose chart fails says so: an empty one looks as if nothing had been measured.
  const tellFailure = (figure, error) => {
    figure.dataset.state = "failed";
    const message = document.createElement("p");
    message.className = "failure";
    message.textContent = `This chart could not be drawn (${error.message || error}). Its figures are under \u201cIn words\u201d below.`;
    figure.querySelector(".drawing").replaceChildren(message);
    console.error(error);
  };

  const draw = async (figure) => {
    figure.dataset.state = "drawing";
    const options = { renderer: "svg", actions: false, logLevel: 1 };
    try {
      await vegaEmbed(figure.querySelector(".drawing"), specificationOf(figure), options);
      figure.dataset.state = "drawn";
    } catch (error) {
      tellFailure(figure, error);
    }
  };

  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && !target.dataset.state) draw(target);
    }
  }, { rootMargin: "400px" });

  // What is out of view is drawn when the browser has nothing else to do, so that a picture of the whole page is complete.
  const whenIdle = window.requestIdleCallback || ((callback) => setTimeout(callback, 50));
  let waiting = false;
  const drawRest = () => {
    if (waiting) return;
    const next = figures.find((figure) => !figure.hidden && !figure.dataset.state);
    if (!next) return;
    waiting = true;
    whenIdle(async () => {
      if (!next.hidden && !next.dataset.state) await draw(next);
      waiting = false;
      drawRest();
    });
  };

  const redrawAll = () => {
    for (const figure of figures) {
      delete figure.dataset.state;
      figure.querySelector(".drawing").replaceChildren(); // one out of view would keep its old width and colours
      watcher.unobserve(figure);
      watcher.observe(figure);
    }
    drawRest();
  };

  const matches = (element) => choices.every(({ value, dataset }) => {
    const own = element.dataset[dataset.choice];
    return !value || !own || own === value;
  });

  const choose = () => {
    for (const figure of figures) figure.hidden = !matches(figure);
    for (const row of document.querySelectorAll("table[data-chosen] tbody tr")) row.hidden = !matches(row);
    for (const section of document.querySelectorAll("section.charts")) {
      section.querySelector(".none").hidden = [...section.querySelectorAll("figure")].some((figure) => !figure.hidden);
    }
    drawRest();
  };

  const setTheme = () => {
    root.dataset.shown = shownTheme();
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === root.dataset.theme));
    }
  };

  const sortBy = (heading) => {
    const table = heading.closest("table");
    const place = [...heading.parentNode.children].indexOf(heading);
    const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of heading.parentNode.children) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", direction);
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[place];
      const number = parseFloat(cell.dataset.key);
      return { row, number, text: cell.textContent };
    });
    const sign = direction === "ascending" ? 1 : -1;
    keyed.sort((a, b) => {
      const [bothNumbers, oneNumber] = [!isNaN(a.number) && !isNaN(b.number), isNaN(a.number) !== isNaN(b.number)];
      if (oneNumber) return isNaN(a.number) ? 1 : -1; // what has no figure comes last either way
      return sign * (bothNumbers ? a.number - b.number : a.text.localeCompare(b.text));
    });
    table.tBodies[0].append(...keyed.map(({ row }) => row));
  };

  const download = (name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([data.downloads[name]], { type: "text/plain" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  for (const choice of choices) choice.addEventListener("change", choose);
  for (const heading of document.querySelectorAll("th")) heading.addEventListener("click", () => sortBy(heading));
  for (const button of document.querySelectorAll("[data-download]")) button.addEventListener("click", () => download(button.dataset.download));
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy"); // works without the permission that a page from a file never gets
    });
  }
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", () => { root.dataset.theme = button.dataset.themeChoice; setTheme(); redrawAll(); });
  }
  systemDark.addEventListener("change", () => { setTheme(); redrawAll(); });
  addEventListener("beforeprint", () => {
    printing = true;
    setTheme();
    for (const details of folded) details.open = true;
    for (const figure of figures) if (!figure.hidden) draw(figure);
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const details of folded) details.open = false;
    setTheme();
    redrawAll();
  });
  let resized = 0;
  let lastWidth = innerWidth;
  addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => { if (innerWidth !== lastWidth) { lastWidth = innerWidth; redrawAll(); } }, 150);
  });

  setTheme();
  choose();
  redrawAll();
})();
