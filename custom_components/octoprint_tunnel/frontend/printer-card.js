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

/** The buttons in their order, and when they are not shown although they are available. Two of them ask first. */
const BUTTONS = [
  { key: "pause", icon: "mdi:pause" },
  { key: "resume", icon: "mdi:play" },
  { key: "cancel", icon: "mdi:stop", asks: true },
  { key: "print_again", icon: "mdi:printer-3d-nozzle", asks: true },
  { key: "connect", icon: "mdi:connection", isUseless: (card) => card._is("binary_sensor.printer_connected", "on") },
  {
    key: "disconnect",
    icon: "mdi:power-plug-off-outline",
    isUseless: (card) => card._is("binary_sensor.printing", "on") || card._isOffered(CONNECT),
    asks: true,
  },
];
const CONNECT = BUTTONS.find(({ key }) => key === "connect");

const HEATERS = [
  { kind: "tool", icon: "mdi:printer-3d-nozzle-heat-outline" },
  { kind: "bed", icon: "mdi:radiator" },
  { kind: "chamber", icon: "mdi:home-thermometer-outline" },
];

const isKnown = (state) => state !== undefined && state.state !== "unavailable" && state.state !== "unknown";

const isOn = ({ state }) => state === "on";

/** What is worth a line: why nothing is known of the printer, what it asks, and what is wrong with it or with the print. */
const WARNINGS = [
  { key: "sensor.tunnel_status", icon: "mdi:cloud-alert-outline", isWrong: ({ state }) => state !== "ok" },
  {
    key: "binary_sensor.octoprint_online",
    icon: "mdi:server-network-off",
    isWrong: ({ state }, card) => state === "off" && card._is("sensor.tunnel_status", "ok"),
  },
  { key: "sensor.prompt", icon: "mdi:message-question-outline", isWrong: isKnown },
  { key: "binary_sensor.error", icon: "mdi:alert-circle-outline", isWrong: isOn, isSevere: true },
  { key: "binary_sensor.print_failing", icon: "mdi:alert-octagon-outline", isWrong: isOn, isSevere: true },
];

const RING_LENGTH = 2 * Math.PI * 44;

const STYLE = `
  :host { display: block; height: 100%; container-type: inline-size; }
  [hidden] { display: none !important; }
  ha-card { height: 100%; overflow: hidden; box-sizing: border-box; }
  button { font: inherit; color: inherit; background: none; border: none; padding: 0; cursor: pointer; text-align: start;
    -webkit-tap-highlight-color: transparent; }
  button:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
  button:disabled { cursor: default; }
  .layout { display: flex; flex-direction: column; height: 100%; }
  .camera { --ha-card-border-width: 0; --ha-card-box-shadow: none; --ha-card-border-radius: 0; flex: none; }
  .body { display: flex; flex-direction: column; gap: 16px; padding: 16px; flex: 1; min-width: 0; box-sizing: border-box; }
  .head { display: flex; align-items: center; gap: 12px; min-width: 0; }
  .badge { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%; color: var(--tone);
    background: color-mix(in srgb, var(--tone) 20%, transparent); }
  .words { min-width: 0; flex: 1; }
  .name, .note { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; line-height: 1.4; }
  .name { font-weight: var(--ha-font-weight-medium, 500); font-size: var(--ha-font-size-l, 16px); }
  .note { color: var(--secondary-text-color); font-size: var(--ha-font-size-s, 12px); }
  .warnings { display: contents; }
  .warning { display: flex; align-items: center; gap: 12px; padding: 10px 12px; border-radius: var(--radius); width: 100%;
    box-sizing: border-box; --warning: var(--warning-color); background: color-mix(in srgb, var(--warning) 15%, transparent); }
  .warning.severe { --warning: var(--error-color); }
  .warning ha-icon { color: var(--warning); flex: none; }
  .print { display: flex; align-items: center; gap: 16px; min-width: 0; }
  .ring { flex: none; width: 96px; height: 96px; position: relative; display: grid; place-items: center; }
  .ring svg { position: absolute; inset: 0; transform: rotate(-90deg); }
  .ring circle { fill: none; stroke-width: 9; stroke: var(--tone); }
  .ring .track { opacity: 0.2; }
  .ring .done { stroke-linecap: round; transition: stroke-dashoffset 0.6s; }
  .percent { font-size: var(--ha-font-size-xl, 20px); font-weight: var(--ha-font-weight-medium, 500);
    font-variant-numeric: tabular-nums; }
  .facts { min-width: 0; flex: 1; display: grid; gap: 8px; }
  .file { font-weight: var(--ha-font-weight-medium, 500); overflow: hidden; overflow-wrap: anywhere;
    display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
  .model { flex: none; width: 64px; height: 64px; object-fit: contain; border-radius: var(--radius); }
  .times { display: flex; flex-wrap: wrap; gap: 4px 24px; }
  .times > span { min-width: 0; }
  .value { display: block; font-variant-numeric: tabular-nums; }
  .heaters { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 8px; }
  .heater { display: flex; align-items: center; gap: 12px; padding: 8px 12px; border-radius: var(--radius); min-width: 0;
    background: color-mix(in srgb, var(--primary-text-color) 6%, transparent); }
  .heater ha-icon { color: var(--state-inactive-color); flex: none; }
  .heater.hot ha-icon { color: var(--state-climate-heat-color); }
  .degrees { display: block; font-variant-numeric: tabular-nums; white-space: pre; overflow: hidden; text-overflow: ellipsis; }
  .target { color: var(--secondary-text-color); }
  .buttons { display: flex; flex-wrap: wrap; gap: 8px; margin-top: auto; }
  .press { display: flex; align-items: center; justify-content: center; gap: 8px; min-height: 42px; padding: 4px 12px;
    flex: 1 1 132px; border-radius: var(--radius); color: var(--primary-text-color); text-align: center; line-height: 1.2;
    font-weight: var(--ha-font-weight-medium, 500); --press: var(--primary-color);
    background: color-mix(in srgb, var(--press) 20%, transparent); transition: background 0.18s; }
  .press:hover { background: color-mix(in srgb, var(--press) 30%, transparent); }
  .press.cancel { --press: var(--error-color); }
  .press.disconnect { --press: var(--state-inactive-color); }
  .press ha-icon { flex: none; --mdc-icon-size: 20px; color: var(--press); }
  ha-card { --radius: var(--ha-border-radius-lg, 12px); }
  @container (min-width: 640px) {
    .layout { flex-direction: row; }
    .camera { flex: 1 1 55%; align-self: center; min-width: 0; }
    .body { flex: 1 1 45%; }
  }
`;

/** An element with attributes and children. Texts become text, never HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const icon = (name) => element("ha-icon", { icon: name });

/** Set the text of an element, unless it is the same: a screen reader would read it again. */
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const isOurs = (entity) => entity?.platform === DOMAIN && Boolean(entity.device_id);

/** The first printer, for a card that has not been told which. */
const firstPrinter = (hass) => Object.values(hass.entities).find(isOurs)?.device_id;

/** A printer's entity IDs by domain and translation key. Those of one key are in the order of their creation. */
function entitiesOf(hass, deviceId) {
  const found = {};
  for (const entity of Object.values(hass.entities)) {
    if (!isOurs(entity) || entity.device_id !== deviceId) continue;
    const key = `${entity.entity_id.split(".", 1)[0]}.${entity.translation_key}`;
    (found[key] ??= []).push(entity.entity_id);
  }
  return found;
}

class PrinterCard extends HTMLElement {
  static getStubConfig(hass) {
    const device_id = firstPrinter(hass);
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

  constructor() {
    super();
    this._card = element("ha-card");
    const style = element("style", {}, STYLE);
    this.attachShadow({ mode: "open" }).append(style, this._card);
  }

  setConfig(config) {
    if (config.device_id !== undefined && typeof config.device_id !== "string") {
      throw new Error("device_id must be the ID of a device");
    }
    this._config = config;
    this._found = undefined;
    if (this._hass) this.hass = this._hass;
  }

  getCardSize() {
    return 8;
  }

  getGridOptions() {
    return { columns: 12, min_columns: 6, rows: "auto" };
  }

  /** Home Assistant sets this at each change of anything. What is not the printer's changes nothing here. */
  set hass(hass) {
    const before = this._hass;
    this._hass = hass;
    if (!this._config) return;
    if (!this._found || before?.entities !== hass.entities) this._find();
    if (this._camera) this._camera.hass = hass;
    const ids = Object.values(this._entities).flat();
    const now = [hass.locale, hass.localize, hass.devices[this._deviceId], ...ids.map((id) => hass.states[id])];
    if (this._shown?.length === now.length && this._shown.every((value, index) => value === now[index])) return;
    this._shown = now;
    for (const update of this._updates) update();
  }

  /** Find the entities, and build the card again if they are others. */
  _find() {
    this._deviceId = this._config.device_id ?? firstPrinter(this._hass);
    this._entities = entitiesOf(this._hass, this._deviceId);
    const found = JSON.stringify([this._deviceId, this._entities]);
    if (found === this._found) return;
    this._found = found;
    this._shown = undefined;
    this._updates = [];
    const parts = [this._head(), this._warnings(), this._print(), this._heaters(), this._buttons()];
    const body = element("div", { class: "body" }, ...parts);
    this._card.replaceChildren(element("div", { class: "layout" }, this._webcam(), body));
  }

  _id(key, index = 0) {
    return this._entities[key]?.[index];
  }

  _state(key, index = 0) {
    return this._hass.states[this._id(key, index)];
  }

  _is(key, value) {
    return this._state(key)?.state === value;
  }

  /** The name of an entity in the user's language: Home Assistant stores names in the language of the server. */
  _name(key, number = 1) {
    const [domain, translationKey] = key.split(".");
    const name = this._hass.localize(`component.${DOMAIN}.entity.${domain}.${translationKey}.name`, { number });
    return name || this._hass.entities[this._id(key, number - 1)]?.name || "";
  }

  _text(key) {
    const state = this._state(key);
    return isKnown(state) ? this._hass.formatEntityState(state) : "";
  }

  _fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  /** A part that is a button and opens the dialog of an entity. */
  _opener(className, entityId, ...children) {
    const made = element("button", { class: className, type: "button" }, ...children);
    made.addEventListener("click", () => this._fire("hass-more-info", { entityId: entityId() }));
    return made;
  }

  /** The color of what the printer does. */
  get _tone() {
    if (this._is("binary_sensor.error", "on")) return "var(--error-color)";
    if (this._is("binary_sensor.paused", "on")) return "var(--warning-color)";
    if (this._is("binary_sensor.printing", "on")) return "var(--primary-color)";
    return this._is("binary_sensor.printer_connected", "on") ? "var(--success-color)" : "var(--state-inactive-color)";
  }

  _head() {
    const name = element("span", { class: "name" });
    const note = element("span", { class: "note" });
    const badge = element("span", { class: "badge" }, icon("mdi:printer-3d"));
    const id = () => this._id("sensor.printer_state");
    const head = this._opener("head", id, badge, element("span", { class: "words" }, name, note));
    this._updates.push(() => {
      this._card.style.setProperty("--tone", this._tone);
      write(name, this._printerName);
      write(note, this._note);
      head.disabled = !id();
    });
    return head;
  }

  get _printerName() {
    const device = this._hass.devices[this._deviceId];
    return device?.name_by_user ?? device?.name ?? "OctoPrint Tunnel";
  }

  /** What the printer does, and which way it is reached. */
  get _note() {
    if (!this._deviceId) return this._hass.localize("ui.components.device-picker.no_devices");
    if (!this._hass.devices[this._deviceId]) return this._hass.localize("ui.components.target-picker.device_not_found");
    const state = this._state("sensor.printer_state");
    const way = this._is("sensor.active_route", "none") ? "" : this._text("sensor.active_route");
    return [state && this._hass.formatEntityState(state), way].filter(Boolean).join(" · ");
  }

  _warnings() {
    return element("div", { class: "warnings" }, ...WARNINGS.map((warning) => this._warning(warning)));
  }

  _warning({ key, icon: iconName, isWrong, isSevere }) {
    const text = element("span");
    const line = this._opener(isSevere ? "warning severe" : "warning", () => this._id(key), icon(iconName), text);
    this._updates.push(() => {
      const state = this._state(key);
      line.hidden = !state || !isWrong(state, this);
      if (!line.hidden) write(text, `${this._name(key)}: ${this._reason(key) || this._hass.formatEntityState(state)}`);
    });
    return line;
  }

  /** What the printer itself says of an error. */
  _reason(key) {
    return key === "binary_sensor.error" ? this._state("sensor.printer_state")?.attributes.error : undefined;
  }

  _print() {
    const done = svg("circle", { class: "done", cx: 50, cy: 50, r: 44, "stroke-dasharray": RING_LENGTH });
    const track = svg("circle", { class: "track", cx: 50, cy: 50, r: 44 });
    const percent = element("span", { class: "percent" });
    const ring = element("span", { class: "ring" }, svg("svg", { viewBox: "0 0 100 100" }, track, done), percent);
    const file = element("span", { class: "file" });
    const times = ["sensor.print_time_left", "sensor.print_finish", "sensor.layer"].map((key) => this._fact(key));
    const facts = element("span", { class: "facts" }, file, element("span", { class: "times" }, ...times));
    const print = this._opener("print", () => this._id("sensor.print_progress"), ring, facts, this._model());
    this._updates.push(() => {
      const progress = this._state("sensor.print_progress");
      const part = Math.min(1, Math.max(0, Number(progress?.state) / 100 || 0));
      // OctoPrint still reports a print that was canceled, as long as no other file is selected.
      print.hidden = !isKnown(progress) || !(this._is("binary_sensor.printing", "on") || part === 1);
      if (print.hidden) return;
      done.setAttribute("stroke-dashoffset", RING_LENGTH * (1 - part));
      done.toggleAttribute("hidden", part === 0);
      const format = new Intl.NumberFormat(this._hass.locale.language, { style: "percent" });
      write(percent, format.format(Math.floor(part * 100) / 100));
      write(file, this._text("sensor.print_file"));
    });
    return print;
  }

  /** The picture of the model, if its file has one. It is another one when the entity's state is. */
  _model() {
    const model = element("img", { class: "model", alt: "", hidden: "" });
    model.addEventListener("error", () => (model.hidden = true));
    let shown;
    this._updates.push(() => {
      const state = this._state("image.print_preview");
      const found = isKnown(state) ? state.attributes.entity_picture : undefined;
      const now = found && `${found}&state=${encodeURIComponent(state.state)}`;
      if (now === shown) return;
      shown = now;
      model.hidden = !now;
      if (now) model.src = now;
      else model.removeAttribute("src");
    });
    return model;
  }

  _fact(key) {
    const [name, value] = [element("span", { class: "note" }), element("span", { class: "value" })];
    const fact = element("span", {}, name, value);
    this._updates.push(() => {
      const state = this._state(key);
      fact.hidden = !isKnown(state);
      if (fact.hidden) return;
      write(name, this._name(key));
      write(value, this._value(key, state));
    });
    return fact;
  }

  _value(key, state) {
    if (state.attributes.device_class === "timestamp") return this._clock(state.state);
    const layers = key === "sensor.layer" && this._text("sensor.layers");
    return layers ? `${this._text(key)} / ${layers}` : this._text(key);
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
    const made = HEATERS.flatMap(({ kind, icon: iconName }) =>
      (this._entities[`sensor.${kind}_actual_temperature`] ?? []).map((_, index) => this._heater(kind, index, iconName)),
    );
    const heaters = element("div", { class: "heaters" }, ...made);
    this._updates.push(() => (heaters.hidden = made.every((heater) => heater.hidden)));
    return heaters;
  }

  _heater(kind, index, iconName) {
    const key = `sensor.${kind}_actual_temperature`;
    const target = () => this._state(`number.${kind}_target`, index);
    const [actual, wanted] = [element("span"), element("span", { class: "target" })];
    const name = element("span", { class: "note" });
    const words = element("span", { class: "words" }, element("span", { class: "degrees" }, actual, wanted), name);
    const id = () => (isKnown(target()) ? target().entity_id : this._id(key, index));
    const heater = this._opener("heater", id, icon(iconName), words);
    this._updates.push(() => {
      const state = this._state(key, index);
      heater.hidden = !isKnown(state);
      if (heater.hidden) return;
      const isHeating = isKnown(target()) && Number(target().state) > 0;
      heater.classList.toggle("hot", isHeating);
      write(actual, this._hass.formatEntityState(state));
      write(wanted, isHeating ? ` → ${this._hass.formatEntityState(target())}` : "");
      write(name, this._name(key, index + 1));
    });
    return heater;
  }

  _buttons() {
    const made = BUTTONS.map((button) => this._button(button));
    const buttons = element("div", { class: "buttons" }, ...made);
    this._updates.push(() => (buttons.hidden = made.every((button) => button.hidden)));
    return buttons;
  }

  _button(button) {
    const key = `button.${button.key}`;
    const label = element("span");
    const made = element("button", { class: `press ${button.key}`, type: "button" }, icon(button.icon), label);
    made.addEventListener("click", () => this._press(this._id(key), button.asks && this._name(key)));
    this._updates.push(() => {
      made.hidden = !this._isOffered(button);
      write(label, this._name(key));
    });
    return made;
  }

  _isOffered(button) {
    const state = this._state(`button.${button.key}`);
    return state !== undefined && state.state !== "unavailable" && !button.isUseless?.(this);
  }

  /** Press a button with Home Assistant's own handling of actions, which asks first if there is something to ask. */
  _press(entityId, question) {
    if (this.preview) return; // someone arranges the dashboard
    const tap_action = { action: "perform-action", perform_action: "button.press", target: { entity_id: entityId } };
    if (question) {
      tap_action.confirmation = {
        title: question,
        text: this._hass.localize("ui.dialogs.generic.default_confirmation_title"),
        confirm_text: question,
        dismiss_text: this._hass.localize("ui.common.no"),
      };
    }
    this._fire("hass-action", { config: { entity: entityId, tap_action }, action: "tap" });
  }

  /** The first webcam, in Home Assistant's own card, which opens the live view. */
  _webcam() {
    const entity = this._id("camera.webcam");
    const slot = element("div", { class: "camera" });
    this._camera = undefined;
    let isAsked = false;
    this._updates.push(() => {
      slot.hidden = this._config.show_camera === false || !isKnown(this._hass.states[entity]);
      if (slot.hidden || isAsked) return;
      isAsked = true;
      this._showCamera(slot, entity);
    });
    return slot;
  }

  async _showCamera(slot, entity) {
    const { createCardElement } = await window.loadCardHelpers();
    if (!slot.isConnected && this._card.isConnected) return; // the card was built again meanwhile
    const config = { type: "picture-entity", entity, camera_view: "auto", show_name: false, show_state: false };
    this._camera = createCardElement(config);
    this._camera.hass = this._hass;
    slot.replaceChildren(this._camera);
  }
}

if (!customElements.get(TAG)) {
  customElements.define(TAG, PrinterCard);
  window.customCards = window.customCards ?? [];
  window.customCards.push({
    type: TAG,
    name: "OctoPrint Tunnel",
    get description() {
      const language = document.querySelector("home-assistant")?.hass?.language ?? navigator.language;
      return DESCRIPTIONS[language.slice(0, 2)] ?? DESCRIPTIONS.en;
    },
    preview: true,
    documentationURL: "https://github.com/octoprint-tunnel/octoprint-tunnel/blob/main/docs/dashboard.md",
    /** Suggest the card for any entity of a printer. */
    getEntitySuggestion: (hass, entityId) => {
      const entity = hass.entities[entityId];
      return isOurs(entity) ? { config: { type: `custom:${TAG}`, device_id: entity.device_id } } : null;
    },
  });
}
