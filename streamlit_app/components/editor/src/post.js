// What goes between an editor and the page. Every text that the page wants shown has a version of its own; what the
// editor sends names the version that it grew from. So neither side ever takes an old text for a new one.

const PAUSE = 600 // milliseconds without a key after which the text is sent
const last = new Map() // what each editor held when it was last seen: the page may draw it anew at any time
const MOST = 100 // texts that are remembered of each editor
let number = 0 // of messages, over all editors and their lives

export class Post {
  constructor({key, version, session, text}) {
    this.key = key
    this.version = version
    const before = last.get(key)
    this.had = before?.had ?? new Set()
    this.session = before?.session
    const mine = before && (before.version === version || this.isBehind(session, text))
    this.session = session
    this.known = text // what the page knows
    this.had.add(bare(text))
    this.text = mine ? before.text : text
    if (this.text !== this.known) this.later(this.text)
  }

  /** Notes the editor's text, and sends it when no other comes for a while, in a way that draws nothing else anew. */
  later(text) {
    this.note(text)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.now(this.sendDraft), PAUSE)
  }

  /** Sends what has not been sent, or not so that the page is drawn anew; a wish for a check is sent always. */
  now(send = this.send, check = false) {
    clearTimeout(this.timer)
    const draft = send === this.sendDraft
    if (!check && this.text === this.known && (draft || !this.undrawn)) return
    this.known = this.text
    this.undrawn = draft
    this.remember(this.text)
    number = Math.max(number + 1, Date.now())
    send({version: this.version, text: this.text, number, check})
  }

  /** True when the page has another text to show. */
  isNews({version, session, text}) {
    if (version === this.version) return false
    const isBehind = this.isBehind(session, text)
    this.version = version
    this.session = session
    if (isBehind) {
      this.known = text
      this.later(this.text)
    }
    return !isBehind
  }

  /** The server was started again, and has a text that was here before: it did not hear of what came after. */
  isBehind(session, text) {
    return session !== this.session && this.had.has(bare(text))
  }

  /** The editor shows the page's own text. */
  was(text) {
    clearTimeout(this.timer)
    this.known = text
    this.remember(text)
    this.note(text)
  }

  note(text) {
    this.text = text
    last.set(this.key, {version: this.version, session: this.session, text, had: this.had})
  }

  remember(text) {
    this.had.add(bare(text))
    if (this.had.size > MOST) this.had.delete(this.had.values().next().value)
  }

  stop() {
    clearTimeout(this.timer)
  }
}

/** Without the blank lines around it, which files do not keep. */
function bare(text) {
  return text.replace(/^\n+|\n+$/g, "")
}
