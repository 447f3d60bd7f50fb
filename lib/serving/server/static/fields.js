"use strict";
const byId = (id) => document.getElementById(id);
const { model, fields, examples, reasons: reasonCount } = JSON.parse(byId("data").textContent);
const OTHER = "\u0000other";

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function makeOptions(field) {
  const options = field.choices.map((value) => element("option", { value, textContent: value || "(empty text)" }));
  if (field.type === "boolean") options.push(element("option", { value: "true", textContent: "yes" }), element("option", { value: "false", textContent: "no" }));
  if (field.nullable) options.unshift(element("option", { value: "", textContent: "missing" }));
  if (field.allowsOther) options.push(element("option", { value: OTHER, textContent: "another value …" }));
  return options;
}

function makeControl(field) {
  if (field.control === "select") return element("select", {}, ...makeOptions(field));
  if (field.control === "textarea") return element("textarea", { rows: 2 });
  if (field.control === "date") return element("input", { type: "date" });
  if (field.control === "datetime") return element("input", { type: "datetime-local", step: 1 });
  // A text field even for numbers: the server checks the text and explains what is wrong with it.
  const isNumber = field.type === "number" || field.type === "integer";
  return element("input", { type: "text", inputMode: isNumber ? "decimal" : "text" });
}

// One field of the form: its column, the control that holds its value, and the elements around it.
class Field {
  constructor(column, position) {
    Object.assign(this, { column, position, id: "field-" + position });
    this.hint = element("span", { className: "hint", id: this.id + "-hint", textContent: column.hint });
    const label = element("label", { htmlFor: this.id }, element("span", { className: "label", textContent: column.name }),
      element("span", { className: "kind", textContent: column.kind + (column.nullable ? ", optional" : "") }));
    this.box = element("div", { className: "field" }, label, this.hint);
    this.use(makeControl(column));
    if (column.control === "slider") this.addSlider();
    if (column.control === "text" && column.choices.length) {
      this.control.setAttribute("list", this.id + "-choices");
      this.box.append(element("datalist", { id: this.id + "-choices" }, ...column.choices.map((value) => element("option", { value }))));
    }
    this.set(column.value);
  }

  use(control) {
    control.id = this.id;
    control.setAttribute("aria-describedby", this.hint.id);
    if (this.column.nullable && "placeholder" in control) control.placeholder = "empty = missing";
    if (this.control) this.control.replaceWith(control);
    else this.hint.before(control);
    this.control = control;
    if (control.tagName === "SELECT") control.addEventListener("change", () => { if (control.value === OTHER) this.useText(""); });
  }

  useText(text) {
    this.use(element("input", { type: "text", value: text }));
    this.control.focus();
  }

  addSlider() {
    const { minimum, maximum, type, name } = this.column;
    this.slider = element("input", { type: "range", min: minimum, max: maximum, step: type === "integer" ? 1 : (maximum - minimum) / 200 || 1 });
    this.slider.setAttribute("aria-label", name + ", slider");
    this.slider.addEventListener("input", () => { this.control.value = Number(Number(this.slider.value).toPrecision(6)); });
    this.control.addEventListener("input", () => { this.slider.value = this.control.value; });
    this.hint.before(this.slider);
  }

  set(value) {
    const text = value === null || value === undefined ? "" : String(value);
    if (this.column.control === "select") {
      if (this.control.tagName !== "SELECT") this.use(makeControl(this.column));
      const isListed = [...this.control.options].some((option) => option.value === text);
      if (!isListed && this.column.allowsOther) { this.use(element("input", { type: "text", value: text })); return; }
      this.control.value = text;
      return;
    }
    this.control.value = this.column.control === "date" ? text.slice(0, 10) : text;
    if (this.slider) this.slider.value = text;
  }

  get() {
    const { type, nullable } = this.column, text = this.control.value;
    if (text === "" && (nullable || type !== "string")) return null;
    if (type === "boolean") return text === "true";
    if (type === "string") return text;
    const number = Number(text.replace(",", "."));
    return Number.isFinite(number) && text.trim() ? number : text;
  }

  mark(className, text) {
    this.box.classList.add(className);
    this.hint.textContent = text;
    if (className === "wrong") this.control.setAttribute("aria-invalid", "true");
  }

  unmark() {
    this.box.classList.remove("wrong", "unusual");
    this.control.removeAttribute("aria-invalid");
    this.hint.textContent = this.column.hint;
  }
}

// A value between the ends of the training range, or one of the categories; the example's text where nothing is known.
function drawValue(column) {
  const share = Math.random(), { minimum, maximum } = column;
  if (column.type === "boolean") return share < 0.5;
  if (column.choices.length) return column.choices[Math.floor(share * column.choices.length)];
  if (minimum === null) return column.value;
  if (column.control === "date" || column.control === "datetime") {
    const first = Date.parse(minimum), time = new Date(first + share * (Date.parse(maximum) - first));
    const pad = (number) => String(number).padStart(2, "0");
    const day = [time.getFullYear(), pad(time.getMonth() + 1), pad(time.getDate())].join("-");
    return column.control === "date" ? day : day + "T" + [time.getHours(), time.getMinutes(), time.getSeconds()].map(pad).join(":");
  }
  if (typeof minimum !== "number") return column.value;
  const number = minimum + share * (maximum - minimum);
  return column.type === "integer" || column.hasWholeNumbers ? Math.round(number) : Number(number.toPrecision(4));
}

const inputs = fields.map((column, position) => new Field(column, position));
byId("fields").append(...inputs.map(({ box }) => box));
const readRow = () => Object.fromEntries(inputs.map((input) => [input.column.name, input.get()]));
const findInput = (name) => inputs.find(({ column }) => column.name === name);

function addRowButtons() {
  examples.forEach((row, number) => {
    const button = element("button", { type: "button", className: "second", textContent: "Example " + (number + 1) });
    button.addEventListener("click", () => inputs.forEach((input) => input.set(row[input.column.name])));
    byId("rows").append(button);
  });
  const button = element("button", { type: "button", className: "second", id: "random", textContent: "Random row" });
  button.title = "Synthetic values within the ranges of training";
  button.addEventListener("click", () => inputs.forEach((input) => input.set(drawValue(input.column))));
  byId("rows").append(button);
}
addRowButtons();
