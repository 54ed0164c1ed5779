// The page in a headless Chromium, as a person uses it: by what is on it, by mouse and by keyboard.
// With XENWARDEN_SCREENSHOTS in the environment it leaves pictures there, to be looked at.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// Installed outside of the checkout.
const { default: puppeteer } = await import(pathToFileURL(createRequire(process.argv[3] + '/').resolve('puppeteer-core')))

const facts = JSON.parse(readFileSync(process.argv[2]))
const failed = setTimeout(() => { console.error('it took too long'); process.exit(1) }, 200e3)
const browser = await puppeteer.launch({
  executablePath: '/usr/bin/chromium',
  acceptInsecureCerts: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  defaultViewport: { width: 1180, height: 760 },
})
const page = await browser.newPage()
const wrong = []
page.on('pageerror', error => wrong.push(error.message))
// noVNC says itself that a console was refused.
const expected = /^Failed when connecting: Connection closed \(code: 4404/
page.on('console', message => {
  if (message.type() === 'error' && !expected.test(message.text())) wrong.push(message.text())
})

let pictures = 0
async function picture(name) {
  const folder = process.env.XENWARDEN_SCREENSHOTS
  if (folder) await page.screenshot({ path: `${folder}/${String(++pictures).padStart(2, '0')}-${name}.png` })
}
const words = selector => page.$eval(selector, found => found.textContent)
const until = (what, test, ...args) => page.waitForFunction(test, { timeout: 30e3 }, ...args)
  .catch(async () => {
    await picture('failed')
    throw new Error(`${what}; the page says: ${await words('body')}; errors: ${wrong}`)
  })
const shows = text => until(text, text => document.body.textContent.includes(text), text)
const press = label => page.evaluate(label => {
  [...document.querySelectorAll('button')].find(button => button.textContent === label).click()
}, label)
// What the terminal shows, as a screen reader finds it.
const text = () => page.evaluate(() => document.querySelector('.xterm-rows')?.textContent.replaceAll('\u00a0', ' '))
const typed = wanted => until(`"${wanted}" in the terminal`, wanted =>
  document.querySelector('.xterm-rows')?.textContent.replaceAll('\u00a0', ' ').includes(wanted), wanted)

// Logging in, by keyboard.
await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
await page.goto(facts.api)
await page.waitForSelector('form')
await picture('login')
await page.keyboard.type(facts.username)
await page.keyboard.press('Tab')
await page.keyboard.type('wrong')
await page.keyboard.press('Enter')
await shows('were not accepted')
await page.keyboard.type(facts.password)
await page.keyboard.press('Enter')
await shows('demo3')
await picture('list')

// A VM that its owner has hidden is hidden here, until somebody asks for it.
const call = async (method, ...params) => {
  const answer = await page.evaluate(async (method, params) => {
    const session = localStorage.getItem('xenwarden.session')
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [session, ...params] })
    return (await fetch('/jsonrpc', { method: 'POST', body })).json()
  }, method, params)
  if (answer.error) throw new Error(JSON.stringify(answer.error))
  return answer.result
}
const [demo2] = await call('VM.get_by_name_label', 'demo2')
await call('VM.add_to_other_config', demo2, 'HideFromXenCenter', 'true')
await until('demo2 is hidden', () => !document.querySelector('.vms').textContent.includes('demo2'))
await page.click('.check input')
await until('demo2 is shown', () => document.querySelector('.vms').textContent.includes('demo2'))

// The picture: by keyboard, from the search to the console.
await page.focus('input[type=search]')
await page.keyboard.type('demo1')
await page.keyboard.press('Tab')
await page.keyboard.press('Tab')
await page.keyboard.press('Enter')
const lit = () => until('a picture', () => {
  const canvas = document.querySelector('.screen canvas:not(.last)')
  if (!canvas?.width) return false
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  return data.some((value, at) => at % 4 !== 3 && value > 60)
})
await lit()
if (!(await page.title()).startsWith('demo1')) throw new Error(await page.title())
await page.keyboard.type('echo hello from the picture\n')
await picture('picture')

// The text of the same console shows what was typed there.
await press('Text')
await typed('hello from the picture')
await page.keyboard.type('echo $((6*7))4242\n')
await typed('424242')
await picture('text')

// A paste of several lines is looked at first; letters of any alphabet arrive.
await press('Paste')
await page.waitForSelector('dialog textarea')
await page.type('dialog textarea', 'echo gr\u00fc\u00dfe | tr a-z A-Z\necho se$((1))cond')
await picture('paste')
await press('Type it')
await page.waitForSelector('dialog', { hidden: true })
await page.keyboard.press('Enter')
await typed('GR')
await typed('se1cond')

// Keys that the browser keeps to itself.
await page.keyboard.type('sleep 1000\n')
// Before it is read, Ctrl-C would take it away with it.
await typed('sleep 1000')
await press('Keys')
await picture('keys')
await press('Ctrl-C')
await page.keyboard.type('echo inter$((1))rupted\n')
await typed('inter1rupted')

// The page's own keys: help, and back to the guest.
await page.keyboard.down('Control')
await page.keyboard.down('Shift')
await page.keyboard.press('Space')
await page.keyboard.up('Shift')
await page.keyboard.up('Control')
await page.keyboard.press('?')
await shows('Keys of this page')
await page.keyboard.press('Escape')
await page.keyboard.type('echo ba$((1))ck\n')
await typed('ba1ck')

// Who watches types nothing.
await press('Watch only')
await shows('Watching')
await page.keyboard.type('echo watch$((1))ed\n')
await press('Watch only')
await shows('Typing')
await page.keyboard.type('echo typ$((1))ed\n')
await typed('typ1ed')
if ((await text()).includes('watch1ed')) throw new Error('a watcher has typed')

// The screen's service dies: words, and the same screen again without a click.
const { converter_pid } = facts.domains.find(({ name }) => name === 'demo1')
await page.evaluate(() => {
  window.notices = []
  new MutationObserver(() => window.notices.push(document.querySelector('.notice').textContent))
    .observe(document.querySelector('.notice'), { childList: true, subtree: true })
})
process.kill(converter_pid, 'SIGKILL')
await until('words on the restart', () => window.notices.some(notice => notice.includes('restarts')))
await until('the console is back', () => document.querySelector('.notice').textContent === '')
// What is typed in the very moment may still go to the one that has ended: then a person types again.
for (let attempts = 3; ; attempts -= 1) {
  await page.keyboard.type('echo af$((1))ter\n')
  try { await typed('af1ter'); break } catch (error) { if (attempts === 1) throw error }
}

// A console that is off says so.
await page.evaluate(uuid => { location.hash = `#/vm/${uuid}` }, facts.domains.find(({ name }) => name === 'demo3').uuid)
await shows('disable_pv_vnc')
await picture('off')

// A picture with colours; then light, small, and out.
await page.evaluate(uuid => { location.hash = `#/vm/${uuid}` }, facts.domains.find(({ name }) => name === 'demo2').uuid)
await lit()
await picture('colours')
await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }])
await picture('light')
await page.setViewport({ width: 480, height: 800 })
await picture('small')
await press('Log out')
await shows('You have logged out')
if (wrong.length) throw new Error(wrong.join('\n'))
await browser.close()
clearTimeout(failed)
console.log('good')
