// Put before the modules that build elements.

// An element with a class and text; text from a catalogue only ever becomes text.
function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}
