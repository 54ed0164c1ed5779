// The text console: xterm.js on a socket that is already opening. Its lines stay when it closes.
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { element } from './dom.js'

// The size that consoles have.
const COLUMNS = 80
const ROWS = 24
const FONT_MIN = 6
const FONT_MAX = 28
const LINES_KEPT = 10000

export class Text extends EventTarget {
  protocol = 'vt100'
  #root = element('div', { class: 'text' })
  #terminal
  #socket = null
  #fit = true
  // The position of the guest's next byte: the next connection goes on there, and nothing is lost.
  position = 0n
  // Bytes that only repaint what was there before.
  #repaint = 0
  #observer = new ResizeObserver(() => this.#resize())
  #encoder = new TextEncoder()

  constructor(stage) {
    super()
    stage.append(this.#root)
    this.#terminal = new Terminal({
      cols: COLUMNS, rows: ROWS, scrollback: LINES_KEPT, cursorBlink: true, fontSize: 16,
      fontFamily: '"DejaVu Sans Mono", "Cascadia Mono", Menlo, Consolas, monospace',
      theme: { background: '#000000' },
    })
    this.#terminal.open(this.#root)
    this.#terminal.onData(data => this.send(data))
    this.#terminal.onBinary(data => this.#put(Uint8Array.from(data, byte => byte.charCodeAt(0))))
    // A text that somebody should look at before it is typed.
    this.#root.addEventListener('paste', event => {
      const text = event.clipboardData?.getData('text/plain') ?? ''
      if (text.length > 200 || text.trimEnd().includes('\n')) {
        event.preventDefault()
        event.stopPropagation()
        this.dispatchEvent(new CustomEvent('pasted', { detail: text }))
      }
    }, true)
    this.#observer.observe(stage)
  }

  attach(socket) {
    this.#socket = socket
    this.#root.classList.remove('stale')
    socket.addEventListener('open', () => {
      this.dispatchEvent(new CustomEvent('ready'))
      this.focus()
    })
    socket.addEventListener('message', ({ data }) => {
      if (typeof data === 'string') return this.#begin(JSON.parse(data))
      const painted = Math.min(this.#repaint, data.byteLength)
      this.#repaint -= painted
      this.position += BigInt(data.byteLength - painted)
      this.#terminal.write(new Uint8Array(data))
    })
    socket.addEventListener('close', () => this.#root.classList.add('stale'))
  }

  // What comes next is the guest's from a position on, or first its lines and screen once more: then
  // what is here moves up and stays.
  #begin({ at, repaint }) {
    if (repaint && this.position) {
      const mark = `-- opened again at ${new Date().toLocaleTimeString()}: the lines before, and the screen --`
      this.#terminal.write(`\x1b[?1049l\x1b[!p\x1b[0m\x1b[${ROWS};1H\r\n${mark}${'\r\n'.repeat(ROWS)}`)
    }
    this.position = BigInt(at)
    this.#repaint = repaint
  }

  #put(bytes) {
    // What is typed meanwhile is dropped, never kept for another boot; the page says so.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes)
  }

  send(text) {
    this.#put(this.#encoder.encode(text))
  }

  focus() {
    this.#terminal.focus()
  }

  set fit(fit) {
    this.#fit = fit
    this.#resize()
  }

  // The largest letters with which the whole screen is in view.
  #resize() {
    const { clientWidth, clientHeight } = this.#root.parentElement ?? {}
    if (!clientWidth || !clientHeight) return
    const shown = this.#root.querySelector('.xterm-screen')
    const size = this.#terminal.options.fontSize
    const { offsetWidth, offsetHeight } = shown ?? {}
    if (!offsetWidth) return
    const scale = Math.min((clientWidth - 20) / offsetWidth, (clientHeight - 4) / offsetHeight)
    const wanted = this.#fit ? Math.floor(size * scale * 2) / 2 : 16
    const fitting = Math.max(FONT_MIN, Math.min(FONT_MAX, wanted))
    if (fitting !== size) this.#terminal.options.fontSize = fitting
  }

  press({ bytes }) {
    if (bytes) this.send(bytes)
  }

  type(text) {
    this.send(text.replaceAll('\n', '\r'))
  }

  end() {
    this.#observer.disconnect()
    this.#terminal.dispose()
    this.#root.remove()
  }
}
