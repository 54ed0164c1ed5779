// The log-in form: the host's name and nothing else of it.
import { Failure, call, session } from './api.js'
import { element } from './dom.js'

// Shows the form in `root`; what it says first may be why it is there again.
export function login(root, why) {
  return new Promise(resolve => {
    const said = element('p', { role: 'alert', class: 'said' }, why ?? '')
    const user = element('input', { name: 'user', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' })
    const password = element('input', { name: 'password', type: 'password', autocomplete: 'current-password' })
    const enter = element('button', { type: 'submit', class: 'primary' }, 'Log in')
    const submit = async event => {
      event.preventDefault()
      enter.disabled = true
      said.textContent = 'Logging in...'
      try {
        session.set(await call('session.login_with_password', [user.value, password.value, '1.0', 'xenwarden page']))
        root.replaceChildren()
        resolve()
      } catch (error) {
        said.textContent = !(error instanceof Failure) ? 'The host does not answer. Try again.'
          : error.code === 'SESSION_AUTHENTICATION_FAILED' ? `That user and password were not accepted. ${hint(error)}`
            : `${error.code}: ${error.message}`
        enter.disabled = false
        password.select()
      }
    }
    const form = element('form', { class: 'card', onsubmit: submit },
      element('h1', {}, 'Consoles of ', element('span', { class: 'host' }, location.hostname)),
      element('label', {}, 'User', user),
      element('label', {}, 'Password', password),
      enter, said)
    root.replaceChildren(element('main', { class: 'login' }, form))
    user.focus()
  })
}

// How long to wait, where that is what is wrong.
function hint({ message }) {
  return /\d+ s/.test(message) ? `Try again in ${message.match(/\d+ s/)[0]}.` : ''
}
