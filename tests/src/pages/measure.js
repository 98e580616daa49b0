// Runs in a page that holds reports in frames of given widths, and says of each what a reader would
// trip over. The result is JSON in the element `out`.
"use strict";

// Relative luminance and contrast: WCAG 2.2, "contrast ratio".
function luminance([r, g, b]) {
  const linear = [r, g, b].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function colour(text) {
  const parts = text.match(/[\d.]+/g).map(Number);
  return [parts[0], parts[1], parts[2], parts.length > 3 ? parts[3] : 1];
}

function over(top, bottom) {
  return [0, 1, 2].map((index) => top[index] * top[3] + bottom[index] * (1 - top[3]));
}

// What lies behind an element, as far as its ancestors paint it.
function behind(element, view) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    layers.push(colour(view.getComputedStyle(at).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
}

// Meant for those who hear the page: clipped to nothing.
function isHidden(element, view) {
  for (let at = element; at; at = at.parentElement) {
    const style = view.getComputedStyle(at);
    if (style.clipPath !== "none" || style.visibility === "hidden") return true;
  }
  return false;
}

function where(element) {
  const name = element.className && element.className.baseVal === undefined ? "." + element.className : "";
  return element.tagName.toLowerCase() + name + ": " + element.textContent.trim().slice(0, 60);
}

function texts(page, view, said) {
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  let least = 21;
  let count = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("style")) continue;
    const box = page.createRange();
    box.selectNodeContents(node);
    const place = box.getBoundingClientRect();
    if (place.width === 0 || isHidden(element, view) || element.closest(".skip")) continue;
    const style = view.getComputedStyle(element);
    const back = behind(element, view);
    const ratio = contrast(over(colour(style.color), back), back);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight, 10) >= 700);
    if (ratio < (large ? 3 : 4.5)) said.faint.push(ratio.toFixed(2) + " " + where(element));
    if (size < 10.5) said.small.push(size + "px " + where(element));
    if (place.right > view.innerWidth + 0.5 || place.left < -0.5) said.outside.push(where(element));
    least = Math.min(least, ratio);
    count += 1;
  }
  said.texts = count;
  said.least = least;
}

function keyboard(page, view, said) {
  const all = page.querySelectorAll("a[href], summary");
  said.stops = all.length;
  for (const element of all) {
    element.focus();
    if (page.activeElement !== element || element.tabIndex < 0) said.unreachable.push(where(element));
    if (element.matches(":focus-visible") && view.getComputedStyle(element).outlineStyle === "none") {
      said.unreachable.push("no outline: " + where(element));
    }
  }
}

function structure(page, said) {
  const ids = [...page.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => said.broken.push("twice: " + id));
  for (const link of page.querySelectorAll("a[href]")) {
    const target = link.getAttribute("href");
    if (!target.startsWith("#") || !page.getElementById(target.slice(1))) said.broken.push("link " + target);
  }
  for (const name of ["aria-labelledby", "aria-describedby"]) {
    for (const element of page.querySelectorAll(`[${name}]`)) {
      if (!page.getElementById(element.getAttribute(name))) said.broken.push(name + " of " + where(element));
    }
  }
  let level = 0;
  for (const heading of page.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) said.broken.push("heading skips a level: " + where(heading));
    level = next;
  }
  for (const cell of page.querySelectorAll("th")) {
    if (!cell.getAttribute("scope")) said.broken.push("no scope: " + where(cell));
  }
  for (const table of page.querySelectorAll("table")) {
    if (!table.querySelector("caption")) said.broken.push("no caption: " + where(table));
  }
  for (const drawing of page.querySelectorAll("svg")) {
    if (!drawing.closest("[aria-hidden=true]")) said.broken.push("drawing without a word: " + where(drawing));
  }
}

function measure(frame) {
  const page = frame.contentDocument;
  const view = frame.contentWindow;
  const said = {
    name: frame.dataset.name, wanted: Number(frame.dataset.width), title: page.title,
    faint: [], small: [], outside: [], unreachable: [], broken: [],
  };
  said.closed = page.documentElement.scrollWidth;
  page.querySelectorAll("details").forEach((element) => { element.open = true; });
  said.open = page.documentElement.scrollWidth;
  said.paper = view.getComputedStyle(page.body).backgroundColor;
  texts(page, view, said);
  keyboard(page, view, said);
  structure(page, said);
  return said;
}

addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  document.getElementById("out").textContent = JSON.stringify(frames.map(measure));
});
