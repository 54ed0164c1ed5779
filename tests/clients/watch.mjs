// Watches objects with the unmodified xen-api of npm, and sees a change: by JSON-RPC and event.from.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// Installed outside of the checkout.
const { createClient } = await import(pathToFileURL(createRequire(process.argv[3] + '/').resolve('xen-api')))

const facts = JSON.parse(readFileSync(process.argv[2]))
const failed = setTimeout(() => { console.error('it took too long'); process.exit(1) }, 60e3)
const xapi = createClient({
  url: facts.api,
  auth: { user: facts.username, password: facts.password },
  allowUnauthorized: true,
})
await xapi.connect()
await xapi.objectsFetched
const vm = Object.values(xapi.objects.all).find(object => object.$type === 'VM' && object.name_label === 'demo1')
if (vm.$consoles.map(console => console.protocol).sort().join() !== 'rfb,vt100') throw new Error('no consoles')
const seen = new Promise(resolve => {
  xapi.objects.on('update', objects => {
    if (objects[vm.$id]?.other_config?.watched === 'yes') resolve()
  })
})
await xapi.call('VM.add_to_other_config', vm.$ref, 'watched', 'yes')
await seen
await xapi.barrier(vm.$ref)
await xapi.call('VM.remove_from_other_config', vm.$ref, 'watched')
await xapi.disconnect()
clearTimeout(failed)
console.log('good')
