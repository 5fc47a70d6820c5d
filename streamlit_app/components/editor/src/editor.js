// The code editor of one place on the page: made once, then told what the page wants of it.
import {acceptCompletion, autocompletion, closeCompletion, completionKeymap, completionStatus,
        moveCompletionSelection, selectedCompletion} from "@codemirror/autocomplete"
import {defaultKeymap, history, historyKeymap, indentLess, indentMore, isolateHistory} from "@codemirror/commands"
import {python, pythonLanguage} from "@codemirror/lang-python"
import {bracketMatching, indentOnInput, indentUnit} from "@codemirror/language"
import {lintGutter, lintKeymap, setDiagnostics} from "@codemirror/lint"
import {highlightSelectionMatches, search, searchKeymap} from "@codemirror/search"
import {Compartment, EditorState, Prec} from "@codemirror/state"
import {EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers} from "@codemirror/view"
import {memberCompletion} from "./complete.js"
import {look} from "./look.js"
import {Post} from "./post.js"

const LEAVING = 4000 // milliseconds after Escape in which Tab leaves the field
const editors = new WeakMap() // by the element of the page that holds them

/** Draws the editor into `parentElement`, or tells the one that is there what has changed. */
export function show({parentElement, data, setStateValue}) {
  let editor = editors.get(parentElement)
  if (editor?.key !== data.key) {
    editor?.close()
    editors.set(parentElement, editor = new Editor(parentElement, data))
  }
  const send = editor.post.send = message => setStateValue("sent", message)
  editor.post.sendDraft = message => (globalThis.headworkDrafts?.get(data.key) ?? send)(message)
  editor.update(data)
}

export function hide({parentElement}) {
  editors.get(parentElement)?.close()
  editors.delete(parentElement)
}

class Editor {
  constructor(parent, data) {
    this.key = data.key
    this.described = describe(parent.querySelector(".hw-keys span"))
    this.post = new Post(data)
    this.changing = new Compartment()
    this.view = new EditorView({state: EditorState.create({doc: this.post.text, extensions: this.extensions()})})
    parent.querySelector(".hw-code").replaceChildren(this.view.dom)
    this.leaving = () => document.hidden && this.post.now()
    document.addEventListener("visibilitychange", this.leaving)
  }

  update(data) {
    const markers = JSON.stringify(data.markers)
    this.view.dispatch({effects: this.changing.reconfigure(asAsked(data, this.described))})
    if (this.post.isNews(data)) this.replace(data.text)
    if (markers !== this.markers) this.view.dispatch(setDiagnostics(this.view.state, diagnostics(this.view.state.doc, data)))
    this.markers = markers
  }

  /** Puts another text in, as a change that can be undone; the cursor stays with the lines that both texts have. */
  replace(text) {
    const old = this.view.state.doc.toString()
    const end = Math.min(old.length, text.length)
    let head = 0, tail = 0
    while (head < end && old[head] === text[head]) head++
    while (tail < end - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail++
    this.view.dispatch({
      changes: {from: head, to: old.length - tail, insert: text.slice(head, text.length - tail)},
      annotations: isolateHistory.of("full"),
      filter: false,
    })
    this.post.was(text)
  }

  close() {
    document.removeEventListener("visibilitychange", this.leaving)
    this.post.stop()
    this.view.destroy()
  }

  extensions() {
    const now = check => () => (this.post.now(this.post.send, check), true)
    return [
      Prec.highest(keymap.of([
        {key: "Mod-Enter", run: now(true), preventDefault: true},
        {key: "Mod-s", run: now(false), preventDefault: true},
        {key: "Escape", run: view => (view.setTabFocusMode(LEAVING), false)},
      ])),
      this.changing.of([]),
      python(), indentUnit.of("    "), EditorState.tabSize.of(4), indentOnInput(), bracketMatching(),
      history(), highlightSpecialChars(),
      highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(),
      search({top: true}), lintGutter(),
      pythonLanguage.data.of({autocomplete: memberCompletion}),
      autocompletion({selectOnOpen: false, interactionDelay: 0, icons: false, maxRenderedOptions: 60}),
      keymap.of([
        {key: "Tab", run: acceptFirst}, {key: "Tab", run: indentMore, shift: indentLess},
        ...completionKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap,
      ]),
      EditorView.updateListener.of(update => update.docChanged && this.post.later(update.state.doc.toString())),
      EditorView.domEventHandlers({blur: () => this.post.now()}),
      look,
    ]
  }
}

/** What the page may change about an editor that is there. */
function asAsked({label, first_line: first, lines, read_only: readOnly}, described) {
  return [
    lineNumbers({formatNumber: line => String(line + first - 1)}),
    EditorState.readOnly.of(readOnly),
    EditorView.contentAttributes.of({"aria-label": label, "aria-describedby": described}),
    EditorView.editorAttributes.of({style: `--fewest: ${lines[0]}; --most: ${lines[1]}`}),
  ]
}

let described = 0

/** Gives the note on the keys the names that they have here, and an id, which is returned. */
function describe(note) {
  if (/Mac|iP/.test(navigator.platform)) note.textContent = note.textContent.replaceAll("Ctrl+", "⌘")
  return note.id ||= `hw-keys-${++described}`
}

/** Tab takes the first completion, or the chosen one. Return never does so by itself: it ends lines. */
function acceptFirst(view) {
  if (completionStatus(view.state) !== "active") return false
  if (!selectedCompletion(view.state)) moveCompletionSelection(true)(view)
  return acceptCompletion(view) || closeCompletion(view)
}

function diagnostics(doc, {markers, first_line: first}) {
  return markers.map(([number, message]) => {
    const line = doc.line(Math.min(Math.max(number - first + 1, 1), doc.lines))
    return {from: line.from + /^\s*/.exec(line.text)[0].length, to: line.to, severity: "error", message}
  })
}
