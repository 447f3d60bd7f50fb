"use strict";
const byId = (id) => document.getElementById(id);
const { fields } = JSON.parse(byId("data").textContent);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
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
  // Text even for numbers: what was typed is sent as it is, and the server says what is wrong with it.
  const made = element("input", { value, inputMode: field.type === "number" || field.type === "integer" ? "decimal" : "text" });
  if (field.nullable) made.placeholder = "empty: missing";
  if (field.choices.length) made.setAttribute("list", "choices-" + fields.indexOf(field));
  return made;
}

// Each field with its input, in the order of the model's columns.
const inputs = fields.map((field, position) => {
  const made = input(field);
  const label = element("label", {}, element("span", { className: "label", textContent: field.name }), made,
    element("span", { className: "hint", textContent: field.hint }));
  if (field.choices.length) {
    const choices = field.choices.map((value) => element("option", { value }));
    label.append(element("datalist", { id: "choices-" + position }, ...choices));
  }
  byId("fields").append(label);
  return { field, made, label };
});

function value({ field, made }) {
  const text = made.value;
  if (text === "" && (field.nullable || field.type !== "string")) return null;
  if (field.type === "boolean") return text === "true";
  if (field.type === "string" || field.type === "date") return text;
  const number = Number(text.replace(",", "."));
  return Number.isFinite(number) && text.trim() ? number : text;
}

function show(...children) {
  byId("result").replaceChildren(element("h2", { textContent: "Answer" }), ...children);
}

function showAnswer(answer, milliseconds) {
  const prediction = answer.predictions[0];
  const rows = (answer.classes || []).map((name, at) => [name, answer.probabilities[0][at]]).sort((a, b) => b[1] - a[1]);
  show(
    element("p", { className: "answer", textContent: typeof prediction === "number" ? Number(prediction.toPrecision(6)) : prediction }),
    ...rows.slice(0, 20).map(([name, share]) => element("div", { className: "chance" }, element("span", { textContent: name }),
      element("progress", { value: share, max: 1 }), element("span", { textContent: (100 * share).toFixed(1) + " %" }))),
    element("p", { className: "quiet small", textContent: `${answer.model.name}, version ${answer.model.version}, ${milliseconds} ms` }),
  );
}

function showError(error) {
  show(element("p", { className: "error", textContent: error.message }));
  for (const fault of error.faults || []) {
    const found = inputs.find(({ field }) => field.name === fault.column);
    if (!found) continue;
    found.label.classList.add("wrong");
    found.label.querySelector(".hint").textContent = "expected " + fault.expected;
  }
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("ask").disabled = true;
  for (const { field, label } of inputs) {
    label.classList.remove("wrong");
    label.querySelector(".hint").textContent = field.hint;
  }
  const row = Object.fromEntries(inputs.map((one) => [one.field.name, value(one)]));
  const began = performance.now();
  try {
    const response = await fetch("score", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + byId("key").value.trim() },
      body: JSON.stringify({ data: [row] }),
    });
    const content = await response.json();
    if (response.ok) showAnswer(content, Math.round(performance.now() - began));
    else showError(content.error);
  } catch (error) {
    showError({ message: "The endpoint did not answer: " + error.message });
  } finally {
    byId("ask").disabled = false;
  }
});
