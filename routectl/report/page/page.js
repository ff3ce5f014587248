
"use strict";
for (const box of document.querySelectorAll("[data-curve]")) {
  const curve = JSON.parse(document.getElementById(box.dataset.curve).textContent);
  const slider = box.querySelector("input");
  const texts = box.querySelectorAll("dd");
  const pictures = box.parentElement.querySelectorAll("svg");

  const show = () => {
    const at = slider.valueAsNumber;
    texts.forEach((text, column) => { text.textContent = curve.rows[at][column]; });
    slider.setAttribute("aria-valuetext", curve.said[at]);
    pictures.forEach((picture, number) => {
      const point = curve.points[number][at];
      const line = picture.querySelector("line.cursor");
      const dot = picture.querySelector("circle.cursor");
      for (const shape of [line, dot]) {
        shape.setAttribute("visibility", point ? "visible" : "hidden");
      }
      if (point) {
        line.setAttribute("x1", point[0]);
        line.setAttribute("x2", point[0]);
        dot.setAttribute("cx", point[0]);
        dot.setAttribute("cy", point[1]);
      }
    });
  };

  slider.addEventListener("input", show);
  box.querySelector("button")?.addEventListener("click", (event) => {
    slider.value = event.currentTarget.value;
    show();
  });
  box.hidden = false;
  show();
}
