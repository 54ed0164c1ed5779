// The graphical console: noVNC on a socket that is already opening. What it last showed stays.
import RFB from '@novnc/novnc'
import { element } from './dom.js'

// Between two keys of a text that is typed.
const RETURN = [0xff0d, 'Enter']
const TAB = [0xff09, 'Tab']

export class Screen extends EventTarget {
  protocol = 'rfb'
  #root = element('div', { class: 'screen' })
  #last = element('canvas', { class: 'last', hidden: true })
  #rfb = null
  #fit = true

  constructor(stage) {
    super()
    this.#root.append(this.#last)
    stage.append(this.#root)
  }

  attach(socket) {
    // Before noVNC hears of the close and lets its picture go.
    socket.addEventListener('close', () => this.#keep())
    const rfb = new RFB(this.#root, socket, { shared: true })
    this.#rfb = rfb
    rfb.background = 'transparent'
    rfb.scaleViewport = this.#fit
    rfb.addEventListener('connect', () => {
      this.#last.hidden = true
      this.dispatchEvent(new CustomEvent('ready'))
      rfb.focus()
    })
    rfb.addEventListener('clipboard', ({ detail }) =>
      this.dispatchEvent(new CustomEvent('copied', { detail: detail.text })))
    rfb.addEventListener('credentialsrequired', ({ detail }) =>
      this.dispatchEvent(new CustomEvent('asks', { detail: { types: detail.types, answer: given => rfb.sendCredentials(given) } })))
    rfb.addEventListener('disconnect', () => {
      if (this.#rfb === rfb) this.#rfb = null
    })
  }

  #keep() {
    const canvas = this.#root.querySelector('canvas:not(.last)')
    if (!canvas?.width || !this.#rfb) return
    this.#last.width = canvas.width
    this.#last.height = canvas.height
    this.#last.getContext('2d').drawImage(canvas, 0, 0)
    this.#last.hidden = false
  }

  focus() {
    this.#rfb?.focus()
  }

  set fit(fit) {
    this.#fit = fit
    this.#root.classList.toggle('exact', !fit)
    if (this.#rfb) this.#rfb.scaleViewport = fit
  }

  press({ chord }) {
    for (const [keysym, code] of chord) this.#rfb?.sendKey(keysym, code, true)
    for (const [keysym, code] of [...chord].reverse()) this.#rfb?.sendKey(keysym, code, false)
  }

  // Types characters by keysym: a text console takes every one, whatever the layout.
  type(text) {
    for (const character of text) {
      const point = character.codePointAt(0)
      const [keysym, code] = character === '\n' ? RETURN : character === '\t' ? TAB
        : [point < 0x100 ? point : 0x1000000 + point, null]
      this.#rfb?.sendKey(keysym, code)
    }
  }

  end() {
    this.#root.remove()
  }
}
