// Keys that browsers keep to themselves, as a menu: keysyms for screens, bytes for text.

const CTRL = [0xffe3, 'ControlLeft']
const ALT = [0xffe9, 'AltLeft']
const escape = '\x1b'

const function_bytes = ['OP', 'OQ', 'OR', 'OS', '[15~', '[17~', '[18~', '[19~', '[20~', '[21~', '[23~', '[24~']
const functions = Array.from({ length: 12 }, (_, at) => ({
  keysym: [0xffbe + at, `F${at + 1}`], bytes: escape + function_bytes[at], label: `F${at + 1}`,
}))

export const KEYS = [
  { label: 'Ctrl-Alt-Del', chord: [CTRL, ALT, [0xffff, 'Delete']] },
  { label: 'Esc', chord: [[0xff1b, 'Escape']], bytes: escape },
  { label: 'Tab', chord: [[0xff09, 'Tab']], bytes: '\t' },
  { label: 'Ctrl-C', chord: [CTRL, [0x63, 'KeyC']], bytes: '\x03' },
  { label: 'Ctrl-D', chord: [CTRL, [0x64, 'KeyD']], bytes: '\x04' },
  { label: 'Ctrl-W', chord: [CTRL, [0x77, 'KeyW']], bytes: '\x17' },
  { label: 'Ctrl-]', chord: [CTRL, [0x5d, 'BracketRight']], bytes: '\x1d' },
  { label: 'Print Screen', chord: [[0xff61, 'PrintScreen']] },
  ...functions.map(({ label, keysym, bytes }) => ({ label, chord: [keysym], bytes })),
  ...functions.map(({ label, keysym }) => ({ label: `Ctrl-Alt-${label}`, chord: [CTRL, ALT, keysym] })),
]
