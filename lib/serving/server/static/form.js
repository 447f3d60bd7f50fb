byId("key").addEventListener("input", () => {
  byId("key-field").classList.remove("wrong");
  byId("key").removeAttribute("aria-invalid");
});

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!byId("key").value.trim()) { showWrongKey(); return; }
  byId("predict").disabled = true;
  inputs.forEach((input) => input.unmark());
  const started = performance.now();
  try {
    const response = await fetch("score", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + byId("key").value.trim() },
      body: requestBody(),
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
