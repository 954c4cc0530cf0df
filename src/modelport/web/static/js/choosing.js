// Ticking two versions to compare: with two chosen the button works, a third takes the place of the oldest choice.

const form = document.querySelector("form[data-choosing]");
const order = [];

function show() {
  form.querySelector("[data-compare]").disabled = order.length !== 2;
  form.querySelector("[data-chosen]").textContent = order.length === 2
    ? `Versions ${order.map((box) => box.value).sort((a, b) => a - b).join(" and ")}`
    : order.length ? "Tick one more." : "Tick two versions to see them side by side.";
}

if (form) {
  order.push(...form.querySelectorAll("input[name=v]:checked"));
  while (order.length > 2) order.pop().checked = false;
  form.addEventListener("change", (event) => {
    const box = event.target;
    if (box.name !== "v") return;
    if (box.checked) order.push(box);
    else order.splice(order.indexOf(box), 1);
    if (order.length > 2) order.shift().checked = false;
    show();
  });
  show();
}
