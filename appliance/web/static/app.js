// Everything works without this file. It keeps an impatient finger from sending a form twice (the
// box would open once anyway) and shows that something is on its way.
for (const form of document.forms) {
  form.addEventListener("submit", () => {
    for (const button of form.querySelectorAll("button")) {
      // After the form was sent: a disabled button would be left out of it.
      setTimeout(() => { button.disabled = true; }, 0);
    }
  });
}
// The browser's back button may bring a page back as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
