// Completion after a dot: the members of torch, nn, F and einops under the names they are imported by, what `self` has
// been given, and the tensor's methods for any other name.
import {syntaxTree} from "@codemirror/language"
import MEMBERS from "./members.json"

const MODULES = {"torch": "torch", "torch.nn": "nn", "torch.nn.functional": "F", "einops": "einops"}
const USUAL = {torch: "torch", nn: "nn", F: "F", einops: "einops"}
const options = Object.fromEntries(Object.entries(MEMBERS).map(([owner, names]) => [owner, asOptions(names.split(" "))]))

export function memberCompletion(context) {
  const dotted = context.matchBefore(/[\w.]*\.\w*/)
  if (!dotted || /^(Comment|.*String)$/.test(syntaxTree(context.state).resolveInner(context.pos, -1).name)) return null
  const dot = dotted.text.lastIndexOf(".")
  const owner = dotted.text.slice(0, dot), typed = dotted.text.slice(dot + 1)
  const text = context.state.doc.toString()
  const found = owner === "self" ? ofSelf(text, typed) : options[moduleOf(owner, text)]
  if (!found && !typed && !context.explicit) return null // a dot after any other name opens no list by itself
  return {from: dotted.from + dot + 1, options: found ?? options.tensor, validFor: /^\w*$/}
}

/** The module that `owner` stands for: 'nn.functional' is 'F'. */
function moduleOf(owner, text) {
  const [head, ...rest] = owner.split(".")
  const path = [imported(text)[head] ?? head, ...rest].join(".").replace(/^nn\b/, "torch.nn")
  return MODULES[path] ?? USUAL[owner]
}

function imported(text) {
  const names = {}
  for (const [, path, name] of text.matchAll(/^\s*import +([\w.]+) +as +(\w+)/gm)) names[name] = path
  for (const [, path, list] of text.matchAll(/^\s*from +([\w.]+) +import +\(?([\w ,]+)/gm))
    for (const [, what, , name] of list.matchAll(/(\w+)( +as +(\w+))?/g)) names[name ?? what] = `${path}.${what}`
  return names
}

function ofSelf(text, typed) {
  const names = new Set([...text.matchAll(/\bself\.(\w+)/g), ...text.matchAll(/^\s+def +(\w+)\(self\b/gm)].map(found => found[1]))
  if (!new RegExp(`\\bself\\.${typed}\\b[^]*\\bself\\.${typed}\\b`).test(text)) names.delete(typed) // being typed
  return asOptions([...names].filter(name => !name.startsWith("__")))
}

function asOptions(names) {
  return names.map(label => ({label, type: "property"}))
}
