// The page: a rail of VMs, the console of one, and who is logged in.
import './style.css'
import { call, session } from './api.js'
import { Console } from './console.js'
import * as dialogs from './dialogs.js'
import { allowStyles, button, element } from './dom.js'
import { List } from './list.js'
import { login } from './login.js'
import { World } from './world.js'

allowStyles()

const THEME = 'xenwarden.theme'
const LEADER = event => event.ctrlKey && event.shiftKey && event.code === 'Space'

let page = null

class Page {
  #world = new World()
  #console = null
  #leading = false
  #place = element('main', { class: 'place' })
  #bar = element('div', { class: 'bar', role: 'status', hidden: true })
  #host = element('span', { class: 'host' }, location.hostname)
  #list

  constructor() {
    const rail = element('aside', { class: 'rail' },
      element('div', { class: 'brand' }, element('span', { class: 'mark', 'aria-hidden': 'true' }), this.#host))
    this.#list = new List(rail, this.#world)
    rail.append(element('div', { class: 'row foot' },
      button('Light / dark', {}, theme), button('Log out', {}, () => this.#logOut())))
    document.body.replaceChildren(rail, element('div', { class: 'right' }, this.#bar, this.#place))
    this.#world.addEventListener('news', () => this.#news())
    this.#world.addEventListener('expired', () => this.expire('Your login has ended.'))
    this.#world.run(session.get())
    this.route()
    this.#list.show()
  }

  #news() {
    this.#host.textContent = this.#world.host?.name_label ?? location.hostname
    this.#bar.hidden = !this.#world.offline
    this.#bar.textContent = this.#world.offline ? 'The host does not answer. Trying again...' : ''
    this.#list.show()
    this.#console?.news()
    this.#entitle()
  }

  #entitle() {
    document.title = this.#console ? `${this.#console.name} - console` : `Consoles of ${location.hostname}`
  }

  route() {
    const uuid = location.hash.match(/^#\/vm\/([0-9a-f-]{36})$/)?.[1]
    this.#console?.end()
    this.#console = null
    if (uuid) {
      this.#console = new Console(this.#world, uuid)
      this.#console.addEventListener('expired', () => this.expire('Your login has ended.'))
      this.#place.replaceChildren(this.#console.root)
      this.#console.focus()
    } else {
      this.#place.replaceChildren(element('p', { class: 'empty' }, 'Choose a VM: its console opens here.'))
    }
    this.#entitle()
    this.#list.show()
  }

  // Everything that is typed is the guest's, but what follows the leader.
  chords = [
    ['p', 'paste a text', () => this.#console?.paste('')],
    ['k', 'special keys', () => this.#console?.keys()],
    ['x', 'picture or text', () => this.#console?.choose()],
    ['w', 'watch only, or type', () => this.#console?.watch()],
    ['z', 'full screen', () => this.#console?.fullScreen()],
    ['s', 'fit to the window, or own size', () => this.#console?.scale()],
    ['n', 'the next VM', () => this.#step(1)],
    ['b', 'the VM before', () => this.#step(-1)],
    ['l', 'the list of VMs', () => document.querySelector('.rail input')?.focus()],
    ['?', 'these keys', () => dialogs.help(this.chords).addEventListener('close', () => this.#console?.focus())],
  ]

  hear(event) {
    if (LEADER(event)) {
      this.#leading = true
    } else if (this.#leading && event.key.length === 1) {
      this.#leading = false
      this.chords.find(([letter]) => letter === event.key.toLowerCase())?.[2]()
    } else {
      return
    }
    event.preventDefault()
    event.stopPropagation()
  }

  #step(by) {
    const links = [...document.querySelectorAll('.vms a')]
    const at = links.findIndex(link => link.getAttribute('href') === location.hash)
    const next = links[(at + by + links.length) % links.length]
    if (next) location.hash = next.getAttribute('href')
  }

  async #logOut() {
    const ended = session.get()
    this.expire('You have logged out.')
    await call('session.logout', [ended]).catch(() => {})
  }

  expire(why) {
    if (page !== this) return
    page = null
    this.#world.stop()
    this.#console?.end()
    session.forget()
    start(why)
  }
}

function theme() {
  const now = document.documentElement.dataset.theme
    ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')
  document.documentElement.dataset.theme = now === 'light' ? 'dark' : 'light'
  localStorage.setItem(THEME, document.documentElement.dataset.theme)
}

async function start(why) {
  document.title = `Consoles of ${location.hostname}`
  if (!session.get()) await login(document.body, why)
  page = new Page()
}

const chosen = localStorage.getItem(THEME)
if (chosen) document.documentElement.dataset.theme = chosen
addEventListener('hashchange', () => page?.route())
addEventListener('keydown', event => page?.hear(event), true)
start()
