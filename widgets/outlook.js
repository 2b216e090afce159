// How far the search is, in a sentence and a few numbers. Twin of Outlook in anomaly_zoo/ui/panels.py.

function render({ model, el }) {
  const card = make("div", "az-card az-outlook");
  const advice = make("span", "az-advice");
  advice.setAttribute("role", "status");
  advice.title =
    "Rated 4 or 5 is the top kind. The estimate is made of what the model gives to all galaxies " +
    "that nobody rated and of what the last looks found; the interval held the truth in four of " +
    "five searches that it was tried on.";
  const facts = make("span", "az-facts");
  card.append(advice, facts);
  el.append(card);

  // Numbers stand out from the words around them.
  const numbers = (text) =>
    text.split(/(\d[\d,.]*\d|\d)/).map((piece, i) => (i % 2 ? make("b", "", piece) : piece));

  const paint = () => {
    advice.replaceChildren(...numbers(model.get("advice")));
    facts.replaceChildren(
      ...model.get("facts").map(({ name, value, about }) => {
        const fact = make("span", "az-fact", `${name} `);
        fact.append(make("b", "", value));
        fact.title = about;
        return fact;
      }),
    );
  };
  model.on("change", paint);
  paint();
  return () => model.off("change", paint);
}

export default { render };
