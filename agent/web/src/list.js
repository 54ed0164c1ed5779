// The rail of VMs: their state, a filter, and those that are hidden.
import { element } from './dom.js'

const HIDDEN = 'HideFromXenCenter'

export class List {
  #world
  #rows = element('ul', { class: 'vms' })
  #said = element('p', { class: 'said', role: 'status' })
  #filter
  #hidden

  constructor(root, world) {
    this.#world = world
    const show = () => this.show()
    this.#filter = element('input', { type: 'search', placeholder: 'Find a VM', 'aria-label': 'Find a VM', oninput: show })
    this.#hidden = element('input', { type: 'checkbox', onchange: show })
    root.append(
      element('div', { class: 'tools' }, this.#filter,
        element('label', { class: 'check' }, this.#hidden, 'Show hidden')),
      this.#said, element('nav', { 'aria-label': 'VMs', onkeydown: event => this.#walk(event) }, this.#rows))
  }

  show() {
    const chosen = document.activeElement?.dataset?.vm
    const wanted = this.#filter.value.trim().toLowerCase()
    const isHidden = vm => vm.other_config[HIDDEN] === 'true'
    const matching = this.#world.vms.filter(vm => vm.name_label.toLowerCase().includes(wanted) || vm.uuid.startsWith(wanted))
    const shown = matching.filter(vm => this.#hidden.checked || !isHidden(vm))
    const hidden = matching.length - shown.length
    this.#rows.replaceChildren(...shown.map(vm => this.#row(vm)))
    this.#said.textContent = !this.#world.known ? 'Asking the host...'
      : shown.length ? ''
        : wanted ? `No VM matches "${this.#filter.value.trim()}".${hidden ? ` ${hidden} hidden do.` : ''}`
          : hidden ? `Every VM here is hidden (${hidden}).`
            : 'No guests on this host yet. Consoles appear here by themselves.'
    if (chosen) this.#rows.querySelector(`[data-vm="${CSS.escape(chosen)}"]`)?.focus()
  }

  #row(vm) {
    const runs = vm.power_state === 'Running'
    const kinds = ['rfb', 'vt100'].filter(protocol => this.#world.console(vm, protocol))
    const state = !runs ? 'halted' : kinds.length ? 'running' : 'no console'
    const href = `#/vm/${vm.uuid}`
    return element('li', {}, element('a', {
      href, 'data-vm': vm.uuid, 'aria-current': location.hash === href && 'page',
    },
    element('span', { class: `dot ${state.replace(' ', '-')}`, 'aria-hidden': 'true' }),
    element('span', { class: 'name' }, vm.name_label || vm.uuid),
    element('span', { class: 'state' }, state)))
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const links = [...this.#rows.querySelectorAll('a')]
    const at = links.indexOf(document.activeElement)
    links[(at + step + links.length) % links.length]?.focus()
  }
}
