// One console's WebSocket, opened again and again until it is not wanted any more.
import { session } from './api.js'

const SUBPROTOCOL = 'console.xenwarden'
const PAUSE_MIN_MS = 200
const PAUSE_MAX_MS = 5000
// A connection that lived so long was a good one.
const GOOD_MS = 5000

export class Link extends EventTarget {
  #uuid
  #watch
  #from
  #socket = null
  #timer = 0
  #pause = PAUSE_MIN_MS
  #opened = 0
  #wanted = true

  // `from` tells the position where text goes on; none for a picture.
  constructor(uuid, watch, from) {
    super()
    this.#from = from
    this.#uuid = uuid
    this.#watch = watch
  }

  // Tells of each socket before it is open, so that nothing of it is missed.
  open() {
    clearTimeout(this.#timer)
    if (!this.#wanted || this.#socket) return
    const query = new URLSearchParams({ uuid: this.#uuid, session_id: session.get() ?? '' })
    const from = this.#from()
    if (from !== undefined) query.set('from', String(from))
    if (this.#watch) query.set('view', 'only')
    const socket = new WebSocket(`wss://${location.host}/console?${query}`, [SUBPROTOCOL])
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    socket.addEventListener('open', () => { this.#opened = performance.now() })
    socket.addEventListener('close', ({ code, reason }) => {
      if (this.#socket !== socket) return
      this.#socket = null
      if (this.#opened && performance.now() - this.#opened > GOOD_MS) this.#pause = PAUSE_MIN_MS
      this.#opened = 0
      this.dispatchEvent(new CustomEvent('closed', { detail: { code, reason } }))
    })
    this.dispatchEvent(new CustomEvent('socket', { detail: socket }))
  }

  // Opens it again after a while that grows; news may open it before.
  again(when) {
    clearTimeout(this.#timer)
    if (when === 'never') return
    this.#timer = setTimeout(() => this.open(), when === 'later' ? PAUSE_MAX_MS : this.#pause)
    this.#pause = Math.min(this.#pause * 2, PAUSE_MAX_MS)
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  end() {
    this.#wanted = false
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = null
    socket?.close(1000)
  }
}
