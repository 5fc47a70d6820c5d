// Sent with every drawing of the editor, so it is short: shows the text at once, and fetches the editor itself once.
const TOO_LONG = 3000 // milliseconds
let fetched
const newest = new WeakMap()

export default function (component) {
  const {parentElement: place, data, setTriggerValue} = component
  const code = place.querySelector(".hw-code")
  const lost = why => {
    if (newest.get(place) !== component) return
    newest.delete(place)
    fetched = undefined
    setTriggerValue("lost", String(why))
  }
  if (!newest.has(place)) {
    const text = document.createElement("pre")
    text.textContent = data.text
    code.style.setProperty("--fewest", data.lines[0])
    code.style.setProperty("--most", data.lines[1])
    code.replaceChildren(text)
    place.querySelector(".hw-keys button").onclick = () => setTriggerValue("lost", "chosen")
  }
  newest.set(place, component)
  fetched ??= import(new URL(data.script, document.baseURI).href)
  const late = setTimeout(lost, TOO_LONG, "it took too long")
  fetched.then(editor => newest.get(place) === component && editor.show(component)).catch(lost)
    .finally(() => clearTimeout(late))
  return () => {
    newest.delete(place)
    fetched?.then(editor => editor.hide(component), () => {})
  }
}
