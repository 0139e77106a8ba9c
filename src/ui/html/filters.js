
"use strict";
const form = document.getElementById("filters");
const shown = document.getElementById("shown");
const search = document.getElementById("search");
const breaking = document.getElementById("breaking");
const steps = Array.from(document.querySelectorAll(".step"), (element) => ({
  element,
  action: element.dataset.action,
  breaks: "breaks" in element.dataset,
  text: element.textContent.toLowerCase(),
}));

function filter() {
  const actions = new Set(Array.from(form.querySelectorAll("[name=action]:checked"), (box) => box.value));
  const wanted = search.value.trim().toLowerCase();
  let count = 0;
  for (const step of steps) {
    const fits = actions.has(step.action) && (step.breaks || !breaking.checked) && step.text.includes(wanted);
    step.element.hidden = !fits;
    count += fits ? 1 : 0;
  }
  shown.textContent = count + " of " + steps.length + " shown";
}

if (form) {
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
}

// What is folded is printed all the same. A link to a step that a filter hides shows everything again.
const folded = () => document.querySelectorAll("details");
window.addEventListener("beforeprint", () => folded().forEach((one) => { one.dataset.open = one.open; one.open = true; }));
window.addEventListener("afterprint", () => folded().forEach((one) => { one.open = one.dataset.open === "true"; }));
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#step-']");
  const target = link && document.getElementById(link.hash.slice(1));
  if (target && target.hidden) {
    form.reset();
    for (const step of steps) step.element.hidden = false;
  }
});
