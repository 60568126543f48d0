// The form of a rule: a button that opens several choices names those that are ticked.
export function startRules() {
  document.addEventListener("change", ({ target }) => {
    const names = target.closest(".pick-some")?.querySelector(".names");
    if (!names) return;
    const ticked = [...target.closest(".pick-list").querySelectorAll("input:checked")];
    names.textContent = ticked.map((box) => box.parentElement.textContent.trim()).join(", ") || names.dataset.none;
  });
}
