function show(...children) {
  byId("result").replaceChildren(element("h2", { textContent: "Prediction" }), ...children);
}

function round(number) {
  return String(Number(number.toPrecision(4)));
}

function bar(name, share, text, className = "") {
  const progress = element("progress", { value: share, max: 1, className });
  progress.setAttribute("aria-label", name + ": " + text);
  return element("div", { className: "probability" }, element("span", { textContent: name }), progress, element("span", { textContent: text }));
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
  const largest = Math.abs(row.columns[0].effect) || 1;
  const scale = { number: "the prediction", logarithm: "the logarithm of the prediction" }[answer.reasons_scale];
  const explained = scale || `the ${answer.reasons_scale} of ${row.class}`;
  return [
    element("h3", { textContent: "Columns that moved it most" }),
    ...row.columns.map(({ column, effect }) =>
      bar(column, Math.abs(effect) / largest, (effect > 0 ? "+" : "−") + round(Math.abs(effect)), effect > 0 ? "up" : "down")),
    element("p", { className: "quiet small", textContent: `Effects on ${explained}, which is ${round(row.average)} on average.` }),
  ];
}

function warnings(answer) {
  return (answer.warnings || []).map(({ column, got, expected }) => {
    const input = findInput(column);
    if (input) input.mark("unusual", "unusual: expected " + expected);
    return element("p", { className: "warning", textContent: `${column}: ${got} is unusual; expected ${expected}.` });
  });
}

function showAnswer(answer, milliseconds) {
  const prediction = answer.predictions[0];
  const classes = (answer.classes || []).map((name, index) => [String(name), answer.probabilities[0][index]]).sort((a, b) => b[1] - a[1]);
  show(
    ...(model.target ? [element("p", { className: "quiet", textContent: model.target })] : []),
    element("p", { className: "answer", textContent: typeof prediction === "number" ? Number(prediction.toPrecision(6)) : prediction }),
    ...covered(answer),
    ...classes.slice(0, 20).map(([name, probability]) => bar(name, probability, (100 * probability).toFixed(1) + " %")),
    ...reasons(answer),
    ...warnings(answer),
    element("p", { className: "quiet small", textContent: `${answer.model.name}, version ${answer.model.version}, ${milliseconds} ms` }),
  );
}

// The page has one row, so a fault is called by its field.
function describeFault(fault) {
  return `${fault.column}: got ${fault.got}, expected ${fault.expected}.`;
}

function showWrongKey() {
  const key = byId("key");
  byId("key-field").classList.add("wrong");
  key.setAttribute("aria-invalid", "true");
  show(element("p", { className: "error", textContent: key.value.trim() ? "Wrong key." : "Enter the key first." }));
  key.focus();
}

function showError(error) {
  if (error.code === "no_key") { showWrongKey(); return; }
  const faults = (error.faults || []).filter(({ column }) => column);
  const texts = faults.length ? faults.map(describeFault) : [error.message];
  show(...texts.map((textContent) => element("p", { className: "error", textContent })));
  const wrong = faults.map((fault) => [findInput(fault.column), fault]).filter(([input]) => input);
  for (const [input, fault] of wrong) input.mark("wrong", "expected " + fault.expected);
  const positions = wrong.map(([input]) => input.position);
  if (positions.length) inputs[Math.min(...positions)].control.focus();
}
