// The cells of a CSV text, row by row; empty lines are left out.
function parseCsv(text) {
  const rows = [[]];
  const pattern = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|\n|\r|$)/y;
  while (pattern.lastIndex <= text.length) {
    const [, cell, end] = pattern.exec(text) || [];
    if (cell === undefined) throw new Error("The file is not CSV.");
    rows.at(-1).push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === "") break;
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

const quoteCsv = (cell) => (/[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell);
// What a spreadsheet would run as a formula.
const isFormula = (cell) => /^[=+\-@\t\r]/.test(cell) && Number.isNaN(Number(cell));

async function scoreFile() {
  const [file] = byId("csv").files, result = byId("csv-result");
  if (!file) { byId("csv").focus(); result.replaceChildren("Choose a CSV file first."); return; }
  const text = (await file.text()).replace(/^\uFEFF/, "");
  const response = await fetch("score", {
    method: "POST",
    headers: { "Content-Type": "text/csv", Accept: "text/csv", Authorization: "Bearer " + byId("key").value.trim() },
    body: text,
  });
  if (!response.ok) {
    const { error } = await response.json();
    if (error.code === "no_key") showWrongKey();
    result.replaceChildren(element("span", { className: "error", textContent: error.code === "no_key" ? "Wrong key." : error.message }));
    return;
  }
  const answers = parseCsv(await response.text());
  const rows = parseCsv(text).map((row, number) => [...row, ...answers[number]]);
  const blob = new Blob([rows.map((row) => row.map(quoteCsv).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(blob), download: file.name.replace(/\.csv$/i, "") + "-answers.csv" });
  link.textContent = `Download ${rows.length - 1} rows with their answers`;
  result.replaceChildren(link);
  if (rows.some((row) => row.some(isFormula))) {
    result.append(element("span", { className: "warning", textContent: " Some cells begin with =, +, - or @. A spreadsheet may run them as formulas." }));
  }
}

const scoreUrl = () => new URL("score", location.href).href;
const requestBody = () => JSON.stringify(reasonCount ? { data: [readRow()], reasons: reasonCount } : { data: [readRow()] });

function asCurl() {
  const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
  return `curl -s ${quote(scoreUrl())} \\\n  -H "Authorization: Bearer $KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(requestBody())}\n`;
}

function asPython() {
  // A text in JSON is a text in Python, too.
  return `import json
import os
import urllib.request

body = ${JSON.stringify(requestBody())}
headers = {"Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json"}
request = urllib.request.Request(${JSON.stringify(scoreUrl())}, body.encode(), headers)
with urllib.request.urlopen(request) as response:
    print(json.load(response)["predictions"])
`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    byId("copied").textContent = "Copied. Set the variable KEY to the key.";
  } catch {
    // Browsers have no clipboard on pages of other machines without TLS.
    const area = element("textarea", { value: text, rows: 6, readOnly: true });
    area.setAttribute("aria-label", "The request");
    byId("copied").replaceChildren("Copy this, and set the variable KEY to the key:", area);
    area.select();
  }
}

byId("copy-curl").addEventListener("click", () => copy(asCurl()));
byId("copy-python").addEventListener("click", () => copy(asPython()));
byId("score-csv").addEventListener("click", async () => {
  byId("score-csv").disabled = true;
  try {
    await scoreFile();
  } catch (error) {
    byId("csv-result").replaceChildren(element("span", { className: "error", textContent: error.message }));
  } finally {
    byId("score-csv").disabled = false;
  }
});
