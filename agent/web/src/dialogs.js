// Boxes over the page: text to paste, special keys, what the keys of the page are. Escape closes
// each, and whoever opened it has the keyboard again.
import { button, element } from './dom.js'
import { KEYS } from './keys.js'
import { sleep } from './world.js'

// Characters a second: a guest's terminal has a few thousand bytes of room.
const SPEED = 200
const STEP_MS = 50

function open(label, ...children) {
  const dialog = element('dialog', { 'aria-label': label }, element('h2', {}, label), ...children)
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}

// Control characters as the pictures that Unicode has of them.
const visible = text => text.replace(/[\0-\x08\x0b-\x1f\x7f]/g, found =>
  String.fromCharCode(found === '\x7f' ? 0x2421 : 0x2400 + found.charCodeAt(0)))

export function paste(text, type) {
  const box = element('textarea', { rows: 10, 'aria-label': 'Text', spellcheck: 'false' })
  box.value = text
  const said = element('p', { class: 'said', role: 'status' })
  const progress = element('progress', { hidden: true })
  let cancelled = false
  const look = () => {
    const controls = visible(box.value) !== box.value
    said.textContent = `${[...box.value].length} characters, typed as if by hand.`
      + (controls ? ` There are control characters among them: ${visible(box.value).slice(0, 80)}` : '')
  }
  box.addEventListener('input', look)
  const start = async () => {
    const characters = [...box.value.replaceAll('\r\n', '\n')]
    box.disabled = go.disabled = true
    progress.hidden = false
    progress.max = characters.length
    const step = Math.ceil(SPEED * STEP_MS / 1000)
    for (let at = 0; at < characters.length && !cancelled; at += step) {
      type(characters.slice(at, at + step).join(''))
      progress.value = at + step
      await sleep(STEP_MS)
    }
    dialog.close()
  }
  const go = button('Type it', { class: 'primary' }, start)
  const dialog = open('Paste', box, said, progress, element('div', { class: 'row' }, go, button('Cancel', {}, () => dialog.close())))
  dialog.addEventListener('close', () => { cancelled = true })
  look()
  box.focus()
  return dialog
}

export function keys(protocol, press) {
  const usable = KEYS.filter(({ bytes }) => protocol === 'rfb' || bytes)
  const dialog = open('Keys', element('div', { class: 'keys' },
    ...usable.map(key => button(key.label, {}, () => { dialog.close(); press(key) }))))
  return dialog
}

export function credentials(types, answer) {
  const inputs = types.map(type => element('input', { name: type, type: type === 'password' ? 'password' : 'text' }))
  const submit = event => {
    event.preventDefault()
    answer(Object.fromEntries(inputs.map(input => [input.name, input.value])))
    dialog.close()
  }
  const dialog = open('This screen asks for a password of its own', element('form', { onsubmit: submit },
    ...inputs.map(input => element('label', {}, input.name, input)),
    element('button', { type: 'submit', class: 'primary' }, 'Go on')))
  return dialog
}

export function help(chords) {
  return open('Keys of this page',
    element('p', {}, 'Everything that you type goes to the guest, but for Ctrl+Shift+Space and then one letter:'),
    element('dl', {}, ...chords.flatMap(([letter, what]) => [element('dt', {}, element('kbd', {}, letter)), element('dd', {}, what)])))
}
