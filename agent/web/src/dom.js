// Elements from words. Text is always text: names and screens come from guests.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (value === true) made.setAttribute(name, '')
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

export function button(label, attributes, onclick) {
  return element('button', { type: 'button', ...attributes, onclick }, label)
}

// xterm.js makes style elements; the page's policy lets in those with its nonce.
export function allowStyles() {
  const nonce = document.querySelector('meta[name=style-nonce]').nonce
  const create = document.createElement.bind(document)
  document.createElement = (tag, options) => {
    const made = create(tag, options)
    if (tag === 'style') made.nonce = nonce
    return made
  }
}
