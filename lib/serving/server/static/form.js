"use strict";
const byId = (id) => document.getElementById(id);
const { fields, reasons: reasonCount } = JSON.parse(byId("data").textContent);

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function input(field) {
  const value = field.value === null ? "" : String(field.value);
  if (field.type === "boolean") {
    const options = [["true", "yes"], ["false", "no"]];
    if (field.nullable) options.unshift(["", "unknown"]);
    const select = element("select", {}, ...options.map(([value, text]) => element("option", { value, textContent: text })));
    if (value || field.nullable) select.value = value;
    return select;
  }
  // A text field even for numbers: the server checks the text and explains what is wrong with it.
  const control = element("input", { value, inputMode: field.type === "number" || field.type === "integer" ? "decimal" : "text" });
  if (field.nullable) control.placeholder = "empty = missing";
  if (field.choices.length) control.setAttribute("list", "choices-" + fields.indexOf(field));
  return control;
}

// Fields with their inputs, in the order of the model's columns.
const inputs = fields.map((field, position) => {
  const control = input(field);
  const kind = element("span", { className: "kind", textContent: field.kind });
  const label = element("label", {}, kind, element("span", { className: "label", textContent: field.name }), control,
    element("span", { className: "hint", textContent: field.hint }));
  if (field.choices.length) {
    const choices = field.choices.map((value) => element("option", { value }));
    label.append(element("datalist", { id: "choices-" + position }, ...choices));
  }
  byId("fields").append(label);
  return { field, control, label };
});

function readValue({ field, control }) {
  const text = control.value;
  if (text === "" && (field.nullable || field.type !== "string")) return null;
  if (field.type === "boolean") return text === "true";
  if (field.type === "string" || field.type === "date") return text;
  const number = Number(text.replace(",", "."));
  return Number.isFinite(number) && text.trim() ? number : text;
}

function show(...children) {
  byId("result").replaceChildren(element("h2", { textContent: "Prediction" }), ...children);
}

function round(number) {
  return String(Number(number.toPrecision(4)));
}

// The interval of a number, or the set of classes that has the true one with the model's coverage.
function covered(answer) {
  const [interval] = answer.intervals || answer.sets || [];
  if (!interval) return [];
  const text = answer.intervals ? interval.map(round).join(" to ") : interval.join(", ") || "no class is probable enough";
  return [element("p", { className: "quiet", textContent: `${round(100 * answer.coverage)} % ${answer.intervals ? "interval" : "set"}: ${text}` })];
}

function reasons(answer) {
  const [row] = answer.reasons || [];
  if (!row || !row.columns.length) return [];
  const largest = Math.abs(row.columns[0].effect);
  const scale = { number: "the prediction", logarithm: "the logarithm of the prediction" }[answer.reasons_scale];
  const explained = scale || `the ${answer.reasons_scale} of ${row.class}`;
  return [
    element("h3", { textContent: "Columns that moved it most" }),
    ...row.columns.map(({ column, effect }) => element("div", { className: "probability" }, element("span", { textContent: column }),
      element("progress", { value: Math.abs(effect) / largest, max: 1, className: effect > 0 ? "up" : "down" }),
      element("span", { textContent: (effect > 0 ? "+" : "−") + round(Math.abs(effect)) }))),
    element("p", { className: "quiet small", textContent: `Effects on ${explained}, which is ${round(row.average)} on average.` }),
  ];
}

function warnings(answer) {
  for (const warning of answer.warnings || []) {
    const input = inputs.find(({ field }) => field.name === warning.column);
    if (!input) continue;
    input.label.classList.add("unusual");
    input.label.querySelector(".hint").textContent = "unusual: expected " + warning.expected;
  }
  return (answer.warnings || []).map(({ column, got, expected }) =>
    element("p", { className: "warning", textContent: `${column}: ${got} is unusual; expected ${expected}.` }));
}

function showAnswer(answer, milliseconds) {
  const prediction = answer.predictions[0];
  const classes = (answer.classes || []).map((name, index) => [name, answer.probabilities[0][index]]).sort((a, b) => b[1] - a[1]);
  show(
    element("p", { className: "answer", textContent: typeof prediction === "number" ? Number(prediction.toPrecision(6)) : prediction }),
    ...covered(answer),
    ...classes.slice(0, 20).map(([name, probability]) => element("div", { className: "probability" }, element("span", { textContent: name }),
      element("progress", { value: probability, max: 1 }), element("span", { textContent: (100 * probability).toFixed(1) + " %" }))),
    ...reasons(answer),
    ...warnings(answer),
    element("p", { className: "quiet small", textContent: `${answer.model.name}, version ${answer.model.version}, ${milliseconds} ms` }),
  );
}

function showError(error) {
  show(element("p", { className: "error", textContent: error.message }));
  for (const fault of error.faults || []) {
    const input = inputs.find(({ field }) => field.name === fault.column);
    if (!input) continue;
    input.label.classList.add("wrong");
    input.label.querySelector(".hint").textContent = "expected " + fault.expected;
  }
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("predict").disabled = true;
  for (const { field, label } of inputs) {
    label.classList.remove("wrong", "unusual");
    label.querySelector(".hint").textContent = field.hint;
  }
  const row = Object.fromEntries(inputs.map((input) => [input.field.name, readValue(input)]));
  const started = performance.now();
  try {
    const response = await fetch("score", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + byId("key").value.trim() },
      body: JSON.stringify(reasonCount ? { data: [row], reasons: reasonCount } : { data: [row] }),
    });
    const content = await response.json();
    if (response.ok) showAnswer(content, Math.round(performance.now() - started));
    else showError(content.error);
  } catch (error) {
    showError({ message: "The endpoint did not answer: " + error.message });
  } finally {
    byId("predict").disabled = false;
  }
});
