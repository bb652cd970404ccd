/**
 * The dashboard card of a printer: webcam, print, temperatures and buttons.
 *
 * It finds the printer's entities by their translation keys, so it works with any entity IDs, and it shows the names
 * and states that Home Assistant has translated.
 */

const DOMAIN = "octoprint_tunnel";
const TAG = "octoprint-tunnel-card";

const DESCRIPTIONS = {
  cs: "Webkamera, tisk, teploty a tlačítka tiskárny",
  de: "Webcam, Druck, Temperaturen und Tasten eines Druckers",
  en: "Webcam, print, temperatures, and buttons of a printer",
  es: "Cámara web, impresión, temperaturas y botones de una impresora",
  fr: "Webcam, impression, températures et boutons d'une imprimante",
  it: "Webcam, stampa, temperature e pulsanti di una stampante",
  ja: "プリンターのウェブカメラ、印刷、温度、ボタン",
  nl: "Webcam, print, temperaturen en knoppen van een printer",
  pl: "Kamera, wydruk, temperatury i przyciski drukarki",
  pt: "Webcam, impressão, temperaturas e botões de uma impressora",
  sv: "Webbkamera, utskrift, temperaturer och knappar för en skrivare",
  zh: "打印机的摄像头、打印任务、温度和按钮",
};

/** The buttons in their order. Those that end a print ask first. Home Assistant makes the others unavailable. */
const BUTTONS = [
  { key: "pause", icon: "mdi:pause" },
  { key: "resume", icon: "mdi:play" },
  { key: "cancel", icon: "mdi:stop", asks: true },
  { key: "connect", icon: "mdi:lan-connect" },
  { key: "disconnect", icon: "mdi:lan-disconnect", asks: true },
];

const HEATERS = [
  { kind: "tool", icon: "mdi:printer-3d-nozzle-heat-outline" },
  { kind: "bed", icon: "mdi:radiator" },
  { kind: "chamber", icon: "mdi:home-thermometer-outline" },
];

/** Binary sensors that are worth a line while they are on. */
const WARNINGS = [
  { key: "error", icon: "mdi:alert-circle" },
  { key: "print_failing", icon: "mdi:alert-octagon" },
];

const RING_LENGTH = 2 * Math.PI * 44;

const STYLE = `
  :host { display: block; height: 100%; }
  ha-card { height: 100%; overflow: hidden; display: flex; flex-direction: column; gap: 16px; padding-bottom: 16px;
    box-sizing: border-box; }
  button { font: inherit; color: inherit; background: none; border: none; padding: 0; cursor: pointer; text-align: start; }
  button:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
  [hidden] { display: none !important; }
  .head { display: flex; align-items: center; gap: 12px; padding: 16px 16px 0; min-width: 0; }
  .badge { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%; color: var(--tone);
    position: relative; }
  .badge::before { content: ""; position: absolute; inset: 0; border-radius: 50%; background: var(--tone); opacity: 0.2; }
  .words { min-width: 0; flex: 1; }
  .name { font-weight: var(--ha-font-weight-medium, 500); font-size: var(--ha-font-size-l, 16px); line-height: 1.4;
    display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .note { color: var(--secondary-text-color); font-size: var(--ha-font-size-s, 12px); line-height: 1.4; display: block;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .camera { --ha-card-border-width: 0; --ha-card-box-shadow: none; --ha-card-border-radius: 0; }
  .warning { display: flex; align-items: center; gap: 8px; margin: 0 16px; padding: 8px 12px; border-radius: 12px;
    color: var(--primary-text-color); position: relative; overflow: hidden; width: calc(100% - 32px); box-sizing: border-box; }
  .warning::before { content: ""; position: absolute; inset: 0; background: var(--tone); opacity: 0.15; }
  .warning ha-icon { color: var(--tone); flex: none; }
  .warnings { display: flex; flex-direction: column; gap: 8px; }
  .print { display: flex; align-items: center; gap: 16px; padding: 0 16px; min-width: 0; }
  .ring { flex: none; width: 104px; height: 104px; position: relative; display: grid; place-items: center; }
  .ring svg { position: absolute; inset: 0; transform: rotate(-90deg); }
  .ring circle { fill: none; stroke-width: 9; }
  .track { stroke: var(--divider-color); }
  .done { stroke: var(--tone); stroke-linecap: round; transition: stroke-dashoffset 0.6s; }
  .percent { font-size: 22px; font-weight: var(--ha-font-weight-medium, 500); font-variant-numeric: tabular-nums; }
  .facts { min-width: 0; flex: 1; display: grid; gap: 8px; }
  .file { font-weight: var(--ha-font-weight-medium, 500); overflow: hidden; text-overflow: ellipsis;
    display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow-wrap: anywhere; }
  .times { display: flex; flex-wrap: wrap; gap: 4px 24px; }
  .times .value { display: block; font-variant-numeric: tabular-nums; }
  .heaters { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 8px; padding: 0 16px; }
  .heater { display: flex; align-items: center; gap: 12px; padding: 8px 12px; border-radius: 12px; min-width: 0;
    background: var(--secondary-background-color); }
  .heater ha-icon { color: var(--tone); flex: none; }
  .degrees { display: block; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .degrees .target { color: var(--secondary-text-color); }
  .buttons { display: grid; grid-template-columns: repeat(auto-fit, minmax(112px, 1fr)); gap: 8px; padding: 0 16px;
    margin-top: auto; }
  .press { display: flex; align-items: center; justify-content: center; gap: 8px; min-height: 42px; padding: 4px 12px;
    border-radius: 12px; position: relative; overflow: hidden; color: var(--tone); text-align: center;
    font-weight: var(--ha-font-weight-medium, 500); line-height: 1.2; }
  .press::before { content: ""; position: absolute; inset: 0; background: currentColor; opacity: 0.12; }
  .press:hover::before { opacity: 0.2; }
  .press ha-icon { flex: none; --mdc-icon-size: 20px; }
`;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function icon(name) {
  const made = document.createElement("ha-icon");
  made.setAttribute("icon", name);
  return made;
}

const isKnown = (state) => state !== undefined && state.state !== "unavailable" && state.state !== "unknown";

/** The printer's entities by domain and translation key. Those of one key are in the order of their creation. */
function entitiesOf(hass, deviceId) {
  const found = new Map();
  for (const entity of Object.values(hass.entities)) {
    if (entity.platform !== DOMAIN || entity.device_id !== deviceId) continue;
    const key = `${entity.entity_id.split(".", 1)[0]}.${entity.translation_key}`;
    found.set(key, [...(found.get(key) ?? []), entity.entity_id]);
  }
  return found;
}

function printers(hass) {
  return [...new Set(Object.values(hass.entities).filter((e) => e.platform === DOMAIN).map((e) => e.device_id))];
}

class PrinterCard extends HTMLElement {
  static getStubConfig(hass) {
    const [device_id] = printers(hass);
    return device_id ? { device_id } : {};
  }

  static getConfigForm() {
    return {
      schema: [
        { name: "device_id", required: true, selector: { device: { integration: DOMAIN } } },
        { name: "show_camera", default: true, selector: { boolean: {} } },
      ],
      computeLabel: ({ name }, localize) =>
        name === "show_camera"
          ? localize("component.camera.entity_component._.name") || "Camera"
          : localize("ui.components.device-picker.device") || "Device",
    };
  }

  setConfig(config) {
    if (config.device_id !== undefined && typeof config.device_id !== "string") {
      throw new Error("device_id must be the ID of a device");
    }
    this._config = config;
    this._entities = undefined;
    this._camera = undefined;
    if (this._hass) this.hass = this._hass;
  }

  getCardSize() {
    return 8;
  }

  getGridOptions() {
    return { columns: 12, min_columns: 6, rows: "auto" };
  }

  set hass(hass) {
    const before = this._hass;
    this._hass = hass;
    if (!this._config) return;
    if (!this._entities || before?.entities !== hass.entities) {
      this._deviceId = this._config.device_id ?? printers(hass)[0];
      this._entities = entitiesOf(hass, this._deviceId);
      this._shown = undefined;
    }
    if (this._camera) this._camera.hass = hass;
    const ids = [...this._entities.values()].flat();
    const now = [hass.locale, hass.localize, hass.devices[this._deviceId], ...ids.map((id) => hass.states[id])];
    if (this._shown?.length === now.length && this._shown.every((value, index) => value === now[index])) return;
    this._shown = now;
    this._render();
  }

  _id(key, index = 0) {
    return this._entities.get(key)?.[index];
  }

  _state(key, index = 0) {
    return this._hass.states[this._id(key, index)];
  }

  _is(key, value) {
    return this._state(key)?.state === value;
  }

  /** The name of an entity in the user's language: Home Assistant stores names in the language of the server. */
  _name(state, number = 1) {
    const [domain] = state.entity_id.split(".", 1);
    const { translation_key: key, name } = this._hass.entities[state.entity_id];
    return this._hass.localize(`component.${DOMAIN}.entity.${domain}.${key}.name`, { number }) || name || "";
  }

  _text(key) {
    const state = this._state(key);
    return isKnown(state) ? this._hass.formatEntityState(state) : "";
  }

  _render() {
    if (!this.shadowRoot) {
      this.attachShadow({ mode: "open" });
      const style = document.createElement("style");
      style.textContent = STYLE;
      this._card = document.createElement("ha-card");
      this._slot = element("div", "camera");
      this.shadowRoot.append(style, this._card);
    }
    const parts = [this._head(), this._slot, this._warnings(), this._print(), this._heaters(), this._buttons()];
    const focused = this.shadowRoot.activeElement?.dataset.key;
    this._card.replaceChildren(...parts.filter(Boolean));
    if (focused) this._card.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    this._showCamera();
  }

  /** The color of what the printer does. */
  get _tone() {
    if (this._is("binary_sensor.error", "on")) return "var(--error-color)";
    if (this._is("binary_sensor.paused", "on")) return "var(--warning-color)";
    if (this._is("binary_sensor.printing", "on")) return "var(--primary-color)";
    return this._is("binary_sensor.printer_connected", "on") ? "var(--success-color)" : "var(--state-icon-color)";
  }

  _opensMoreInfo(button, entityId) {
    button.dataset.key = entityId;
    button.addEventListener("click", () => this._fire("hass-more-info", { entityId }));
    return button;
  }

  _fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  _head() {
    const device = this._hass.devices[this._deviceId];
    const notes = [this._text("sensor.printer_state"), this._text("sensor.active_route")];
    const words = element(
      "span",
      "words",
      element("span", "name", device?.name_by_user ?? device?.name ?? "OctoPrint Tunnel"),
      element("span", "note", notes.filter(Boolean).join(" · ")),
    );
    const head = element("button", "head", element("span", "badge", icon("mdi:printer-3d")), words);
    head.style.setProperty("--tone", this._tone);
    const entityId = this._id("sensor.printer_state");
    return entityId ? this._opensMoreInfo(head, entityId) : head;
  }

  /** What is wrong: the tunnel, OctoPrint, the printer or the print. */
  _warnings() {
    const lines = [];
    const tunnel = this._state("sensor.tunnel_status");
    const octoprint = this._state("binary_sensor.octoprint_online");
    if (tunnel && tunnel.state !== "ok") lines.push(this._warning(tunnel, "mdi:lan-disconnect"));
    else if (octoprint && octoprint.state !== "on") lines.push(this._warning(octoprint, "mdi:server-network-off"));
    for (const { key, icon: name } of WARNINGS) {
      const state = this._state(`binary_sensor.${key}`);
      if (state?.state === "on") lines.push(this._warning(state, name));
    }
    return lines.length ? element("div", "warnings", ...lines) : null;
  }

  _warning(state, iconName) {
    const text = `${this._name(state)}: ${this._hass.formatEntityState(state)}`;
    const line = element("button", "warning", icon(iconName), element("span", "", text));
    line.style.setProperty("--tone", "var(--error-color)");
    return this._opensMoreInfo(line, state.entity_id);
  }

  _print() {
    const progress = this._state("sensor.print_progress");
    if (!isKnown(progress)) return null;
    const percent = Math.min(100, Math.max(0, Number(progress.state) || 0));
    const times = ["sensor.print_time_left", "sensor.print_finish"].map((key) => this._time(key)).filter(Boolean);
    const facts = element(
      "span",
      "facts",
      element("span", "file", this._text("sensor.print_file")),
      element("span", "times", ...times),
    );
    const print = element("button", "print", this._ring(percent), facts);
    print.style.setProperty("--tone", this._tone);
    return this._opensMoreInfo(print, progress.entity_id);
  }

  _ring(percent) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 100");
    for (const [className, part] of [["track", 100], ["done", percent]]) {
      const circle = document.createElementNS(svg.namespaceURI, "circle");
      circle.setAttribute("class", className);
      for (const [name, value] of Object.entries({ cx: 50, cy: 50, r: 44 })) circle.setAttribute(name, value);
      circle.setAttribute("stroke-dasharray", RING_LENGTH);
      circle.setAttribute("stroke-dashoffset", RING_LENGTH * (1 - part / 100));
      if (part) svg.append(circle);
    }
    const number = new Intl.NumberFormat(this._hass.locale.language, { style: "percent" }).format(percent / 100);
    return element("span", "ring", svg, element("span", "percent", number));
  }

  _time(key) {
    const state = this._state(key);
    if (!isKnown(state)) return null;
    const value = state.attributes.device_class === "timestamp" ? this._clock(state.state) : this._text(key);
    return element("span", "", element("span", "note", this._name(state)), element("span", "value", value));
  }

  /** A time of day, with the weekday unless it is today. */
  _clock(text) {
    const time = new Date(text);
    if (Number.isNaN(time.getTime())) return "";
    const { language, time_format: format, time_zone: zone } = this._hass.locale;
    const options = { hour: "numeric", minute: "2-digit" };
    if (format === "12" || format === "24") options.hourCycle = format === "12" ? "h12" : "h23";
    if (zone === "server") options.timeZone = this._hass.config.time_zone;
    if (time.toDateString() !== new Date().toDateString()) options.weekday = "short";
    return new Intl.DateTimeFormat(language, options).format(time);
  }

  _heaters() {
    const made = HEATERS.flatMap(({ kind, icon: name }) =>
      (this._entities.get(`sensor.${kind}_actual_temperature`) ?? []).map((_, index) => this._heater(kind, index, name)),
    ).filter(Boolean);
    return made.length ? element("div", "heaters", ...made) : null;
  }

  _heater(kind, index, iconName) {
    const actual = this._state(`sensor.${kind}_actual_temperature`, index);
    if (!isKnown(actual)) return null;
    const target = this._state(`number.${kind}_target`, index);
    const degrees = element("span", "degrees", this._hass.formatEntityState(actual));
    const isHeating = isKnown(target) && Number(target.state) > 0;
    if (isHeating) degrees.append(element("span", "target", ` → ${this._hass.formatEntityState(target)}`));
    const words = element("span", "words", degrees, element("span", "note", this._name(actual, index + 1)));
    const heater = element("button", "heater", icon(iconName), words);
    heater.style.setProperty("--tone", isHeating ? "var(--state-climate-heat-color, #ff8100)" : "var(--state-icon-color)");
    return this._opensMoreInfo(heater, (isKnown(target) ? target : actual).entity_id);
  }

  _buttons() {
    const made = BUTTONS.map(({ key, icon: name, asks }) => {
      const state = this._state(`button.${key}`);
      if (!state || state.state === "unavailable") return null;
      const label = this._name(state);
      const button = element("button", "press", icon(name), element("span", "", label));
      button.style.setProperty("--tone", asks ? "var(--error-color)" : "var(--primary-color)");
      button.dataset.key = state.entity_id;
      button.addEventListener("click", () => this._press(state.entity_id, asks ? `${label}?` : null));
      return button;
    }).filter(Boolean);
    return made.length ? element("div", "buttons", ...made) : null;
  }

  /** Press a button with Home Assistant's own handling of actions, which asks the question if there is one. */
  _press(entityId, question) {
    const tap_action = { action: "perform-action", perform_action: "button.press", target: { entity_id: entityId } };
    if (question) tap_action.confirmation = { text: question };
    this._fire("hass-action", { config: { entity: entityId, tap_action }, action: "tap" });
  }

  /** Show the first webcam with Home Assistant's own card, which opens the live view. */
  async _showCamera() {
    const entity = this._id("camera.webcam");
    const isShown = this._config.show_camera !== false && isKnown(this._hass.states[entity]);
    this._slot.hidden = !isShown;
    if (!isShown || this._camera?.entity === entity) return;
    const helpers = await window.loadCardHelpers();
    if (this._camera?.entity === entity) return;
    const config = { type: "picture-entity", entity, camera_view: "auto", show_name: false, show_state: false };
    const card = helpers.createCardElement(config);
    card.entity = entity;
    card.hass = this._hass;
    this._camera = card;
    this._slot.replaceChildren(card);
  }
}

if (!customElements.get(TAG)) {
  customElements.define(TAG, PrinterCard);
  window.customCards = window.customCards ?? [];
  window.customCards.push({
    type: TAG,
    name: "OctoPrint Tunnel",
    description: DESCRIPTIONS[navigator.language.slice(0, 2)] ?? DESCRIPTIONS.en,
    preview: true,
    documentationURL: "https://github.com/octoprint-tunnel/octoprint-tunnel/blob/main/docs/dashboard.md",
  });
}
