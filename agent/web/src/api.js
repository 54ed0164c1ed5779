// The Management API by JSON-RPC. A failure has the API's own code; without one, nobody answered.

export class Failure extends Error {
  constructor(code, about) {
    super(about.join(': ') || code)
    this.code = code
  }
}

let calls = 0

export async function call(method, parameters, signal) {
  const response = await fetch('/jsonrpc', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++calls, method, params: parameters }),
    cache: 'no-store',
    signal,
  })
  if (!response.ok) throw new Error(`the host answered ${response.status}`)
  const { result, error } = await response.json()
  if (error) throw new Failure(error.message, error.data ?? [])
  return result
}

// In this browser, for this origin: other servers at other ports of the host never see it.
const KEY = 'xenwarden.session'

export const session = {
  get: () => localStorage.getItem(KEY),
  set: value => localStorage.setItem(KEY, value),
  forget: () => localStorage.removeItem(KEY),
}
