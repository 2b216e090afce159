// Put before the other modules of widgets/: what all of them use.

// An element with a class and text; text from a catalogue only ever becomes text.
function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

// Say something to Python; false where the kernel is gone, which is no fault of the page.
function tell(model, content, buffers) {
  try {
    model.send(content, undefined, buffers);
    return true;
  } catch {
    return false;
  }
}

// Set a trait and let Python know.
function put(model, name, value) {
  model.set(name, value);
  try {
    model.save_changes();
  } catch {
    // the kernel is gone; the next one asks anew
  }
}

// Have the browser save some bytes as a file.
function download(name, bytes) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
