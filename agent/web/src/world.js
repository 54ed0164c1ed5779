// The host's VMs and consoles, kept up to date by the API's events, for ever.
import { Failure, call } from './api.js'

// The longest that one call waits for news, in seconds.
const WAIT_S = 30
const PAUSE_MIN_MS = 200
const PAUSE_MAX_MS = 5000

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

export class World extends EventTarget {
  objects = new Map()
  // Until then nothing is known; afterwards, whether the host answers.
  known = false
  offline = null
  #stopped = new AbortController()

  async run(session) {
    let token = ''
    let pause = PAUSE_MIN_MS
    while (!this.#stopped.signal.aborted) {
      try {
        const news = await call('event.from', [session, ['vm', 'console', 'host'], token, WAIT_S],
          this.#stopped.signal)
        if (!token) this.objects.clear()
        token = news.token
        for (const event of news.events) this.#apply(event)
        pause = PAUSE_MIN_MS
        this.#tell(null)
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        if (error instanceof Failure && error.code === 'SESSION_INVALID') {
          this.dispatchEvent(new Event('expired'))
          return
        }
        // The agent's books begin anew with the agent.
        token = ''
        if (!(error instanceof Failure)) this.#tell(error)
        await sleep(pause)
        pause = Math.min(pause * 2, PAUSE_MAX_MS)
      }
    }
  }

  stop() {
    this.#stopped.abort()
  }

  #apply({ class: kind, operation, ref, snapshot }) {
    if (operation === 'del') this.objects.delete(ref)
    else this.objects.set(ref, { kind: kind.toLowerCase(), ref, ...snapshot })
  }

  #tell(offline) {
    this.known ||= !offline
    this.offline = offline
    this.dispatchEvent(new Event('news'))
  }

  #of(kind) {
    return [...this.objects.values()].filter(object => object.kind === kind)
  }

  get host() {
    return this.#of('host')[0]
  }

  // By state, then name: what runs comes first.
  get vms() {
    const halted = vm => Number(vm.power_state !== 'Running')
    return this.#of('vm').filter(vm => !vm.is_a_template).sort((one, other) =>
      halted(one) - halted(other) || one.name_label.localeCompare(other.name_label, undefined, { numeric: true }))
  }

  vm(uuid) {
    return this.#of('vm').find(vm => vm.uuid === uuid)
  }

  // The uuid of a VM's console of a protocol.
  console(vm, protocol) {
    return vm.consoles.map(ref => this.objects.get(ref)).find(found => found?.protocol === protocol)?.uuid
  }
}
