// One VM's console: its picture or its text, its state in words, and what a person can do with it.
import { button, element } from './dom.js'
import * as dialogs from './dialogs.js'
import { Link } from './link.js'
import { Screen } from './screen.js'
import { Text } from './text.js'
import { CODES, closing } from './words.js'

// A state that is over sooner is not worth words.
const QUIET_MS = 300
const choice = vm => `xenwarden.choice.${vm}`

export class Console extends EventTarget {
  #world
  #uuid
  #protocol
  #watch = false
  #fit = true
  #link = null
  #view = null
  // The uuid that the link is of: it changes when the VM gets a console, or loses one.
  #opened = null
  #quiet = 0
  #asleep = false
  #title = element('h1', {})
  #notice = element('div', { class: 'notice', role: 'status' })
  // Never a blank black box: until something is shown, the words are in its place.
  #blank = element('p', { class: 'blank', 'aria-hidden': 'true' })
  #stage = element('div', { class: 'stage bare' }, this.#blank)
  #strip = element('footer', { class: 'strip' })
  #switches = {}
  root

  constructor(world, uuid) {
    super()
    this.#world = world
    this.#uuid = uuid
    this.#protocol = localStorage.getItem(choice(uuid)) ?? 'rfb'
    const toggle = (name, label, hint, act) => {
      this.#switches[name] = button(label, { title: hint, 'aria-pressed': 'false' }, act)
      return this.#switches[name]
    }
    this.root = element('section', { class: 'console' },
      element('header', {}, this.#title, element('div', { class: 'buttons', role: 'toolbar', 'aria-label': 'Console' },
        element('span', { class: 'group' },
          toggle('rfb', 'Picture', 'The graphical console', () => this.choose('rfb')),
          toggle('vt100', 'Text', 'The text console', () => this.choose('vt100'))),
        button('Paste', { title: 'Type a text into the guest' }, () => this.paste('')),
        button('Keys', { title: 'Ctrl-Alt-Del and other keys' }, () => this.keys()),
        toggle('watch', 'Watch only', 'Look without typing', () => this.watch()),
        toggle('fit', 'Fit', 'Scale to the window, or show at its own size', () => this.scale()),
        button('Full screen', {}, () => this.fullScreen()))),
      this.#notice, this.#stage, this.#strip)
    this.news()
  }

  get #vm() {
    return this.#world.vm(this.#uuid)
  }

  get name() {
    return this.#vm?.name_label || this.#uuid
  }

  // The world has changed: a console may have come, gone, or become another.
  news() {
    const vm = this.#vm
    this.#title.textContent = this.name
    this.#mark()
    if (!this.#world.known) return this.#say('Asking the host...')
    if (!vm) return this.#say('There is no such VM on this host.')
    const found = this.#world.console(vm, this.#protocol)
    const other = this.#protocol === 'rfb' ? 'vt100' : 'rfb'
    if (!found && vm.power_state === 'Running' && this.#world.console(vm, other)) {
      this.#drop()
      const words = other === 'vt100' ? 'This VM has only a text console.' : 'This VM has only a picture.'
      return this.#say(words, 'Switch', () => this.choose(other))
    }
    // Without a console the VM itself is asked, which says why.
    const wanted = found ?? this.#uuid
    const runs = vm.power_state === 'Running'
    if (wanted !== this.#opened || !this.#link) this.#connect(wanted)
    else if (runs && !this.#link.isOpen && this.#asleep) this.#link.open()
  }

  #connect(uuid) {
    this.#link?.end()
    this.#opened = uuid
    this.#view ??= this.#make()
    const link = new Link(uuid, this.#watch, () => this.#view?.position)
    this.#link = link
    link.addEventListener('socket', ({ detail: socket }) => {
      this.#asleep = false
      const began = performance.now()
      clearTimeout(this.#quiet)
      this.#quiet = setTimeout(() => {
        if (socket.readyState === WebSocket.CONNECTING) {
          this.#say(`Connecting to ${this.name}... (${((performance.now() - began) / 1000).toFixed(1)} s)`)
        }
      }, QUIET_MS)
      this.#view.attach(socket)
    })
    link.addEventListener('closed', ({ detail }) => this.#closed(link, detail))
    link.open()
  }

  #make() {
    const view = this.#protocol === 'rfb' ? new Screen(this.#stage) : new Text(this.#stage)
    view.fit = this.#fit
    view.addEventListener('ready', () => {
      clearTimeout(this.#quiet)
      this.#stage.classList.remove('bare')
      this.#say('')
      this.#strip.textContent = `${this.#watch ? 'Watching' : 'Typing'} - ${this.#protocol === 'rfb' ? 'picture' : 'text'} - since ${new Date().toLocaleTimeString()} - keys of this page: Ctrl+Shift+Space ?`
    })
    view.addEventListener('pasted', ({ detail }) => this.paste(detail))
    view.addEventListener('asks', ({ detail }) => this.#back(dialogs.credentials(detail.types, detail.answer)))
    view.addEventListener('copied', async ({ detail }) => {
      try {
        await navigator.clipboard.writeText(detail)
        this.#strip.textContent = `Copied ${detail.length} characters.`
      } catch {
        this.#strip.textContent = 'The browser lets nothing be copied here.'
      }
    })
    return view
  }

  #closed(link, { code, reason }) {
    if (link !== this.#link) return
    clearTimeout(this.#quiet)
    this.#asleep = true
    const { words, again, action, expired } = closing(this.name, code, reason)
    const known = this.#vm?.power_state === 'Halted' && code === CODES.failed
    if (expired) this.dispatchEvent(new Event('expired'))
    if (known) this.#say(`${this.name} is shut down. It opens here when it starts.`)
    else if (action) this.#say(words, action, () => link.open())
    else this.#say(words, again === 'never' ? undefined : 'Try now', () => link.open())
    this.#strip.textContent = 'Not connected: what you type is dropped.'
    link.again(again)
  }

  #say(words, label, act) {
    this.#notice.replaceChildren(words, ...(words && label ? [button(label, {}, act)] : []))
    this.#blank.textContent = words
    this.root.classList.toggle('told', words !== '')
  }

  #mark() {
    const { rfb, vt100, watch, fit } = this.#switches
    const press = (control, is) => control.setAttribute('aria-pressed', String(is))
    press(rfb, this.#protocol === 'rfb')
    press(vt100, this.#protocol === 'vt100')
    press(watch, this.#watch)
    press(fit, this.#fit)
  }

  #drop() {
    this.#link?.end()
    this.#view?.end()
    this.#stage.classList.add('bare')
    this.#link = this.#view = this.#opened = null
  }

  choose(protocol = this.#protocol === 'rfb' ? 'vt100' : 'rfb') {
    this.#protocol = protocol
    localStorage.setItem(choice(this.#uuid), protocol)
    this.#drop()
    this.news()
  }

  watch() {
    this.#watch = !this.#watch
    this.#link?.end()
    this.#link = null
    this.news()
  }

  scale() {
    this.#fit = !this.#fit
    if (this.#view) this.#view.fit = this.#fit
    this.#mark()
    this.focus()
  }

  async fullScreen() {
    if (document.fullscreenElement) return document.exitFullscreen()
    await this.root.requestFullscreen()
    // Where the browser has it: Ctrl-W and Escape are the guest's.
    await navigator.keyboard?.lock?.().catch(() => {})
    this.focus()
  }

  paste(text) {
    this.#back(dialogs.paste(text, typed => this.#view?.type(typed)))
  }

  keys() {
    this.#back(dialogs.keys(this.#protocol, key => this.#view?.press(key)))
  }

  // The keyboard is the guest's again when a box has closed.
  #back(dialog) {
    dialog.addEventListener('close', () => this.focus())
  }

  focus() {
    this.#view?.focus()
  }

  end() {
    this.#drop()
    this.root.remove()
  }
}
