// What goes between an editor and the page. Every text that the page wants shown has a version of its own; what the
// editor sends names the version that it grew from. So neither side ever takes an old text for a new one.

const PAUSE = 600 // milliseconds without a key after which the text is sent
const last = new Map() // what each editor held when it was last seen: the page may draw it anew at any time
let number = 0 // of messages, over all editors and their lives

export class Post {
  constructor({key, version, text}) {
    this.key = key
    this.version = version
    this.known = text // what the page knows
    const before = last.get(key)
    this.text = before?.version === version ? before.text : text
    if (this.text !== this.known) this.later(this.text)
  }

  /** Notes the editor's text, and sends it when no other comes for a while, in a way that draws nothing else anew. */
  later(text) {
    this.text = text
    last.set(this.key, {version: this.version, text})
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
    number = Math.max(number + 1, Date.now())
    send({version: this.version, text: this.text, number, check})
  }

  /** True when the page has another text to show. Where it has lost its memory and shows what it last heard, it has not. */
  isNews({version, text}) {
    if (version === this.version) return false
    this.version = version
    if (text !== this.known || this.text === this.known) return true
    this.later(this.text)
    return false
  }

  /** The editor shows the page's own text. */
  was(text) {
    clearTimeout(this.timer)
    this.text = this.known = text
    last.set(this.key, {version: this.version, text})
  }

  stop() {
    clearTimeout(this.timer)
  }
}
