// Find elements on a page with nested shadow roots.

/** Every element in the order in which it is drawn, shadow roots included. */
function* elements(root = document) {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    if (element.shadowRoot) yield* elements(element.shadowRoot);
  }
}

const visible = (element) =>
  element.getClientRects().length > 0 && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

const plain = (text) => text.replace(/\s+/g, " ").trim();

const ownText = (element) =>
  plain([...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join(" "));

const labels = (element) => [ownText(element), element.getAttribute("aria-label"), element.label, element.title];

/** The element above in the tree as it is drawn. */
const above = (node) => node.assignedSlot ?? node.parentNode ?? node.host;

/** The last visible element with this text or label: dialogs come last. */
const byText = (text) =>
  [...elements()].filter((element) => labels(element).includes(text) && visible(element)).at(-1) ?? null;

const bySelector = (selector) =>
  [...elements()].filter((element) => element.matches(selector) && visible(element)).at(-1) ?? null;

function middle(element) {
  const { x, y, width, height } = element.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}

/** The element with the other text that is nearest on the page: the button of a row, for instance. */
function beside(text, other) {
  const element = byText(text);
  if (!element) return null;
  const [x, y] = middle(element);
  const distance = (item) => Math.hypot(middle(item)[0] - x, middle(item)[1] - y);
  const candidates = [...elements()].filter((item) => labels(item).includes(other) && visible(item)).reverse();
  return candidates.sort((one, two) => distance(one) - distance(two))[0] ?? null;
}

/** The rectangle around everything that fits a selector: left, top, right, bottom. */
function box(selector) {
  const all = [...elements()].filter((element) => element.matches(selector) && visible(element));
  const places = all.map((element) => element.getBoundingClientRect());
  if (!places.length) return null;
  const edges = (side, pick) => Math.round(pick(...places.map((place) => place[side])));
  return [edges("left", Math.min), edges("top", Math.min), edges("right", Math.max), edges("bottom", Math.max)];
}

/** Whether a click in the middle of an element, which is moved into sight, would reach it. */
function reachable(element) {
  element.scrollIntoView({ block: "center" });
  const place = middle(element);
  let hit = null;
  for (let root = document; root; root = hit?.shadowRoot) {
    const found = root.elementFromPoint(...place);
    if (!found || found === hit) break;
    hit = found;
  }
  while (hit && hit !== element) hit = above(hit);
  return hit === element;
}

/** The input below the last element with this label. */
function input(label) {
  const field = [...elements()].filter((element) => element.label === label && visible(element)).at(-1);
  if (!field) return null;
  if (field.matches("input, textarea")) return field;
  return [...elements(field.shadowRoot ?? field)].find((element) => element.matches("input, textarea")) ?? null;
}

/** What a person can read on the page, a line for each element that has text of its own. */
const texts = () =>
  [...elements()]
    .filter((element) => !element.matches("script, style, title, noscript") && visible(element))
    .map(ownText)
    .filter(Boolean);

const hass = () => document.querySelector("home-assistant").hass;
